"""How a map is made: the options of a run, and the recipe that a finished map carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from layergram.errors import LayergramError, check_seed

if TYPE_CHECKING:
    import xarray as xr

DEFAULT_MEASURES = ("divergence", "settling_depth", "attention_received", "residual_norm")


def default_measures(at: str) -> tuple[str, ...]:
    """What is measured unless something else is asked for; settling is a matter of streams only."""
    return tuple(one for one in DEFAULT_MEASURES if at == "residual" or one != "settling_depth")


def check_drawing(temperature: float, top_p: float, top_k: int) -> None:
    """Refuse how no token can be drawn.

    A temperature below 0.0001 would divide float32 logits out of their range.
    """
    drawing = {
        "temperature": (
            temperature,
            temperature == 0 or 1e-4 <= temperature < 1e4,
            "0 (the likeliest token), or 0.0001 to 10,000",
        ),
        "top_p": (top_p, 0 < top_p <= 1, "above 0, at most 1"),
        "top_k": (top_k, top_k >= 0, "0 (all tokens) or more"),
    }
    for name, (value, fits, allowed) in drawing.items():
        if not fits:
            raise LayergramError(f"{name} = {value!r}", allowed=allowed)


LENSES = ("logit", "tuned", "jacobian")


def lens_asked(asked: str) -> tuple[str, str]:
    """The kind of a lens and its path, of a text such as ``tuned:FOLDER``.

    Raises:
        LayergramError: for another kind, or a fitted lens without a path.

    Example:
        >>> lens_asked("tuned:lenses/mine"), lens_asked("logit")
        (('tuned', 'lenses/mine'), ('logit', ''))
    """
    kind, _, path = str(asked).partition(":")
    if kind not in LENSES or (kind == "logit") == bool(path):
        raise LayergramError(
            f"lens = {asked}",
            allowed="logit, tuned:PATH, jacobian:PATH",
            do="fit one with layergram fit-lens, and give its folder as the path",
        )
    return kind, path


@dataclass(frozen=True)
class Run:
    """How a text is read, and how an answer is generated.

    Attributes:
        heads: ``"mean"`` over the heads of a layer (their sum, for a measure of what they add), or
            ``"each"`` head by itself.
        norm: ``"final"`` or ``"none"``: whether the lens norms before it unembeds.
        lens: ``logit``, ``tuned:PATH`` or ``jacobian:PATH``: what a layer's prediction is read
            with; a path is what ``layergram fit-lens`` wrote, or a published lens.
        at: what the lens reads: the ``residual`` stream after a layer, or only what its
            ``attention`` or ``mlp`` adds to it.
        chunk: tokens per chunk while reading; changes speed and memory and nothing else.
        chat: how a prompt is given to the model: ``"auto"`` uses the tokenizer's chat template if
            it has one, ``"template"`` insists on it, ``"plain"`` gives the prompt as it is.
        max_new_tokens: largest length of a generated answer.
        temperature: 0 for the likeliest token at each step, above it to sample.
        top_p: tokens are sampled from the likeliest ones that together have this probability.
        top_k: tokens are sampled from so many of the likeliest; 0 for all.
        seed: of the sampling.
    """

    heads: Literal["mean", "each"] = "mean"
    norm: Literal["final", "none"] = "final"
    lens: str = "logit"
    at: Literal["residual", "attention", "mlp"] = "residual"
    chunk: int = 1024
    chat: Literal["auto", "template", "plain"] = "auto"
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                got = repr(getattr(self, name))
                raise LayergramError(f"{name} = {got}", allowed=", ".join(allowed))
        lens_asked(self.lens)
        check_seed(self.seed)
        check_drawing(self.temperature, self.top_p, self.top_k)
        for name, least in {"chunk": 1, "max_new_tokens": 1}.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or not value >= least:
                raise LayergramError(f"{name} = {value!r}", allowed=f"at least {least}")


CHOICES = {
    "heads": ("mean", "each"),
    "norm": ("final", "none"),
    "at": ("residual", "attention", "mlp"),
    "chat": ("auto", "template", "plain"),
}


@dataclass(frozen=True)
class Recipe:
    """What a map says about how to make another like it."""

    model: str
    revision: str
    dtype: str
    measure: str
    options: dict[str, Any]
    run: Run
    prompted: bool


def recipe(array: xr.DataArray) -> Recipe:
    """How a map was made, read from its attributes.

    Raises:
        LayergramError: if the map does not say it (it was not made by :func:`trace`), or was made
            of an edited model.
    """
    lacking = [key for key in ("model", "dtype", "measure", "run") if key not in array.attrs]
    if lacking:
        raise LayergramError(
            f"a map like '{array.name}'",
            got=f"a map that does not say its {', '.join(lacking)}",
            allowed="a map that layergram made from a text",
        )
    if "edits" in array.attrs:
        raise LayergramError(
            f"a map like '{array.name}'",
            got=f"a map of an edited model ({array.attrs['edits']})",
            allowed="a map of a model as it is",
            do="make the other map in Python, inside the same edit (layergram.models.edits)",
        )
    from layergram.maps import options_of

    run = options_of(array, "run")
    prompted = run.pop("prompt", None) is not None
    options = options_of(array)
    for name, default in {"query": "last", "context": "prompt"}.items():
        if name in options and options[name] != "answer":
            # positions of another text mean nothing in this one
            options[name] = default
    return Recipe(
        array.attrs["model"],
        array.attrs.get("revision", ""),
        array.attrs["dtype"],
        array.attrs["measure"],
        options,
        Run(**run),
        prompted,
    )
