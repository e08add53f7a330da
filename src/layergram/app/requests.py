"""Requests of the app: what may be asked, and within which limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from layergram.app.settings import Limits
from layergram.models.edits import HeadEdit
from layergram.recipe import Run

MOST = Limits()
Name = Annotated[str, Field(min_length=1, max_length=64)]
RUN_ID = "[0-9]{8}-[0-9]{6}-[0-9a-f]{6}"
"""The names of runs, and of their folders, as a regular expression."""
RunId = Annotated[str, Field(pattern=f"^{RUN_ID}$")]
Place = Annotated[int, Field(ge=0, lt=2**31)]


class Asked(BaseModel):
    """What is asked; a field that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class HeadChoice(Asked):
    """An attention head.

    Attributes:
        layer: from 1.
        head: from 0.
    """

    layer: Annotated[int, Field(ge=1, lt=2**15)]
    head: Annotated[int, Field(ge=0, lt=2**15)]


class RunRequest(Asked):
    """A prompt, what to measure while the model answers, and how the answer is drawn.

    Attributes:
        model: one of the models that the app was started with; the first by default.
        prompt: what to ask.
        measures: names of measures.
        chat: ``auto`` uses the model's chat template if it has one.
        max_new_tokens: largest length of the answer.
        temperature: 0 takes the likeliest token at each step.
        top_p: tokens are drawn from the likeliest ones that together have this probability.
        top_k: tokens are drawn from so many of the likeliest; 0 for all.
        seed: of the drawing.
        ablate: heads whose output is taken away, at every token.
        how: ``zero``, or ``scale`` by 0.0001.
    """

    model: Annotated[str, Field(max_length=1000)] = ""
    prompt: Annotated[str, Field(min_length=1, max_length=MOST.prompt)]
    measures: Annotated[list[Name], Field(min_length=1, max_length=MOST.measures)] = [
        "divergence",
        "attention_received",
    ]
    chat: Literal["auto", "plain"] = "auto"
    max_new_tokens: Annotated[int, Field(ge=1, le=MOST.new_tokens)] = 128
    temperature: Annotated[float, Field(ge=0, lt=1e4)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0, lt=2**31)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**32 - 1)] = 0
    ablate: Annotated[list[HeadChoice], Field(max_length=MOST.heads)] = []
    how: Literal["zero", "scale"] = "zero"

    @property
    def run(self) -> Run:
        """How the prompt is read and the answer generated."""
        return Run(
            chat=self.chat,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            seed=self.seed,
        )

    @property
    def edit(self) -> HeadEdit:
        """What is done to the heads that are ablated."""
        heads = dict.fromkeys((one.layer, one.head) for one in self.ablate)
        return HeadEdit(tuple(heads), self.how)


def asked_by_default() -> dict[str, Any]:
    """What a run is asked for where a request says nothing else, by the names of the fields."""
    fields = RunRequest.model_fields.items()
    return {name: field.default for name, field in fields if not field.is_required()}


class CellRequest(Asked):
    """A cell of a map.

    Attributes:
        layer: from 1.
        position: of the token.
        alignment: of the map: ``predicts`` asks what the layer predicted for this token,
            ``reads`` what it predicts to follow it.
    """

    layer: Annotated[int, Field(ge=1, lt=2**15)]
    position: Place
    alignment: Literal["predicts", "reads"] = "predicts"


class TokenRequest(Asked):
    """A token of a run, by its position."""

    position: Place


class SaveRequest(Asked):
    """In which forms the maps of a run are saved: numbers, a page, pictures."""

    forms: Annotated[list[Literal["nc", "html", "png"]], Field(min_length=1, max_length=3)] = [
        "nc",
        "html",
        "png",
    ]


class DifferenceRequest(Asked):
    """Two runs to be compared: the map of the first less that of the second.

    Attributes:
        first: a run.
        second: another.
        measure: of both.
        match: ``common`` compares the tokens before the first that differs, ``position`` compares
            position by position as far as both runs go.
    """

    first: RunId
    second: RunId
    measure: Name
    match: Literal["common", "position"] = "position"
