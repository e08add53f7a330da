"""Options that several commands share: which model, where results go, and how much is printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from layergram.errors import LayergramError

if TYPE_CHECKING:
    from layergram.models.model import Model

Flag = Annotated[bool, Parameter(negative="")]
Several = Annotated[list[str] | None, Parameter(negative="")]
Group = Parameter(name="*")
"""Marks a dataclass whose fields are options of the command."""


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it is loaded.

    Attributes:
        model: hub id, folder, .gguf file, or smollm2, the embedded model (the default).
        revision: of a hub model: a branch, tag or commit.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: auto, float32, bfloat16, float16.
    """

    model: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"

    @property
    def name(self) -> str:
        """The model that was asked for, or the embedded one."""
        return self.model or "smollm2"

    def check(self) -> None:
        """Refuse a wrong request before torch is imported."""
        from layergram.models.sources.request import check_request

        check_request(self.name, device=self.device, dtype=self.dtype, revision=self.revision)

    def load(self) -> Model:
        """The model, loaded and checked."""
        from layergram.models.load import load

        return load(self.name, device=self.device, dtype=self.dtype, revision=self.revision)


@dataclass(frozen=True)
class PrintOptions:
    """How much a command prints.

    Attributes:
        quiet: print nothing but errors.
        json: print a machine-readable summary.
    """

    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False
    json: Annotated[bool, Parameter(name="--json", negative="")] = False

    @property
    def silent(self) -> bool:
        """Whether no progress is shown."""
        return self.quiet or self.json

    def summary(self, plain: Any) -> None:
        """Print plain data as JSON."""
        print(json.dumps(plain, ensure_ascii=False, indent=1))


@dataclass(frozen=True)
class OutputOptions(PrintOptions):
    """Where a command writes, and how much it prints.

    Attributes:
        out: the folder for results; by default one with the name of what is made.
    """

    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None

    def folder(self, default: str) -> Path:
        """The folder, made and tried out before any work begins.

        Raises:
            LayergramError: naming the folder, and what stands in the way.
        """
        out = self.out or Path(default)
        try:
            out.mkdir(parents=True, exist_ok=True)
            probe = out / ".layergram-writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise LayergramError(
                f"to write into the folder '{out}'",
                got=str(error.strerror or error),
                do="choose a folder that can be written with --out",
            ) from None
        return out


def columns_of(pairs: list[str] | None) -> dict[str, str]:
    """Field -> column, of texts such as ``question=prompt,answer=target``.

    Raises:
        LayergramError: for a piece without ``=``.

    Example:
        >>> columns_of(["question=prompt, answer=target"])
        {'question': 'prompt', 'answer': 'target'}
    """
    columns = {}
    for pair in (pair for text in pairs or [] for pair in text.split(",")):
        field, equals, column = pair.partition("=")
        if not equals:
            raise LayergramError(f"the column '{pair}'", allowed="FIELD=COLUMN, such as answer=A")
        columns[field.strip()] = column.strip()
    return columns
