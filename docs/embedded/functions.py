"""The embedded labelled steps: 70 of each cognitive function, from facts and templates.

Every function has five templates, and each of them asks for another kind of answer: a name of a
person, a number, yes or no, a word, a place or phrase. So the form of an answer does not reveal
its function, and a function can be tested on a template that was not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator

from embedded.scenes import SCENES
from embedded.standalone import STANDALONE
from layergram.datasets.steps import FUNCTIONS

_FUNCTIONS = {function.lower().replace(" ", "-"): function for function in FUNCTIONS}


def steps() -> Iterator[dict[str, str]]:
    """The steps, cycling through the templates, so that the first few are of every kind."""
    kinds = {**SCENES, **STANDALONE}
    for at, scenes in enumerate(zip(*(make() for make in kinds.values()), strict=True), start=1):
        for kind, scene in zip(kinds, scenes, strict=True):
            asked = list(scene.asked.items())
            turn = at % len(asked)  # no function always comes first, or last
            for template, (step, answer) in asked[turn:] + asked[:turn]:
                yield {
                    "id": f"{template} {at}",
                    "question": scene.passage,
                    "step": step,
                    "answer": answer,
                    "function": _FUNCTIONS[template.rpartition("-")[0]],
                    "group": f"{kind} {at}",
                    "template": template,
                }
