"""Which lens is asked for, and what it reads: opened once, used everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layergram.engine.contributions import check_contributions
from layergram.engine.lens import Lens, LogitLens
from layergram.engine.lens_files import read_lens
from layergram.engine.lens_request import check_lens_request
from layergram.models.model import Model


@dataclass(frozen=True, eq=False)
class LensChoice:
    """A lens over one model, and what it reads.

    Attributes:
        lens: the lens.
        kind: ``logit``, ``tuned`` or ``jacobian``.
        asked: as it was asked for, such as ``tuned:FOLDER``.
        digest: of a fitted lens: of its numbers; else empty.
        at: what it reads: ``residual``, ``attention`` or ``mlp``.
    """

    lens: Lens
    kind: str = "logit"
    asked: str = "logit"
    digest: str = ""
    at: str = "residual"

    @property
    def is_usual(self) -> bool:
        """Whether it is the logit lens on the residual stream."""
        return self.kind == "logit" and self.at == "residual"

    def fingerprint(self) -> dict[str, Any]:
        """What a stored result depends on; nothing for the usual lens."""
        if self.is_usual:
            return {}
        return {"lens": self.digest or self.kind, "at": self.at}


def open_lens(
    model: Model, asked: str = "logit", *, norm: str = "final", at: str = "residual"
) -> LensChoice:
    """The lens that is asked for, over a model.

    Args:
        model: the model.
        asked: ``logit``, ``tuned:PATH`` or ``jacobian:PATH``
            (:func:`layergram.engine.lens_files.read_lens`).
        norm: of the logit lens: ``final`` or ``none``.
        at: what it reads: ``residual``, or the outputs of ``attention`` or ``mlp``.

    Raises:
        LayergramError: for no such lens, a lens of another model, a fitted lens without the final
            norm, and outputs that are not found or not proved to be what the layers add.
    """
    kind, path = check_lens_request(asked, norm=norm)
    if at != "residual":
        check_contributions(model, at)
    if kind == "logit":
        return LensChoice(LogitLens(model.parts.readout, norm, at), at=at)
    fitted = read_lens(kind, path)
    return LensChoice(fitted.of(model, at=at), kind, asked, fitted.digest, at)
