"""The labelled steps that come with layergram: 70 of each function, made from facts and patterns.

Every function has five templates, and each of them asks for another kind of answer: a name of a
person, a number, yes or no, a word, a place or phrase. So the form of an answer does not tell its
function, and a function can be tested on a template that was not learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from layergram.datasets.embedded_steps.alone import ALONE
from layergram.datasets.embedded_steps.scenes import SCENES
from layergram.datasets.steps import FUNCTIONS, Step

_FUNCTIONS = {function.lower().replace(" ", "-"): function for function in FUNCTIONS}


def _functions() -> Iterator[Step]:
    """The steps, one of every template after the other, so that the first few are of all kinds."""
    kinds = {**SCENES, **ALONE}
    for at, scenes in enumerate(zip(*(make() for make in kinds.values()), strict=True), start=1):
        for kind, scene in zip(kinds, scenes, strict=True):
            asked = list(scene.asked.items())
            turn = at % len(asked)  # no function always comes first, or last
            for template, (step, answer) in asked[turn:] + asked[:turn]:
                yield Step(
                    f"{template} {at}",
                    scene.passage,
                    step,
                    answer,
                    _FUNCTIONS[template.rpartition("-")[0]],
                    f"{kind} {at}",
                    template,
                )


EMBEDDED: dict[str, Callable[[], Iterator[Step]]] = {"functions": _functions}
"""The embedded steps by name."""
