"""What commands share: groups of options, progress bars, and how a result is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from layergram.errors import LayergramError
from layergram.execution.options import Execution
from layergram.progress import Progress, no_progress
from layergram.terminal import terminal_width, wrapped

if TYPE_CHECKING:
    import xarray as xr

    from layergram.experiments.planning import Plan
    from layergram.experiments.result import Result
    from layergram.models.model import Model


FEW_FILES = 6  # so many are listed one by one by default
LARGE = 20 * 2**20  # bytes; a folder of this size is mentioned
Flag = Annotated[bool, Parameter(negative="")]
Several = Annotated[list[str] | None, Parameter(negative="")]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Group = Parameter(name="*")
"""Marks a dataclass whose fields are options of the command."""


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it is loaded.

    Attributes:
        model: hub id, folder, .gguf file, or smollm2, the embedded model (the default).
        revision: of a hub model: a branch, tag or commit.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: type of the weights.
    """

    model: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: Dtype = "auto"

    @property
    def name(self) -> str:
        """The model that was asked for, or the embedded one."""
        return self.model or "smollm2"

    def check(self) -> None:
        """Refuse a wrong request before torch is imported."""
        from layergram.models.sources.request import check_request

        check_request(self.name, device=self.device, dtype=self.dtype, revision=self.revision)

    def load(self, progress: Progress = no_progress) -> Model:
        """The model, loaded and checked; ``progress`` is called with each phase of that."""
        progress("importing", 0, 1)
        from layergram.models.load import load

        return load(
            self.name,
            device=self.device,
            dtype=self.dtype,
            revision=self.revision,
            progress=progress,
        )


@dataclass(frozen=True)
class RunOptions(Execution):
    """How a run over a data set is carried out.

    Attributes:
        on: where the work is done: local, ray (the Ray cluster that this machine is part of, or one
            of its own), or ray://HOST:PORT.
        shard: make only this share of the work, such as 3/64, beside processes that make the
            others in the same folder; the last one, or a run without it, writes the results.
        workers: processes on Ray; by default one per GPU, or one for every --threads cores.
        threads: of each worker on Ray.
        plan: say what the run will take (items, tokens, shards, time, memory, disk), from a short
            probe, and what its folder has already; make nothing.
    """

    plan: Annotated[bool, Parameter(negative="")] = False

    def folder(self, output: OutputOptions, default: str) -> Path:
        """The folder of the run, made and tried out unless it is only planned."""
        return output.out or Path(default) if self.plan else output.folder(default)


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
        out: the folder for results. Default: maps for map, averages for map --texts, tuned-lens or
            jacobian-lens for fit-lens, else the name of the command.
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


class ProgressBars(AbstractContextManager["ProgressBars"]):
    """One bar for each stage of a long run, on a terminal; nothing in a pipe."""

    def __init__(self, silent: bool) -> None:
        self.bar: Any = nullcontext()
        self.tasks: dict[str, Any] = {}
        self.shown = not silent and sys.stderr.isatty()
        if self.shown:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self) -> ProgressBars:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.__exit__(*exception)

    def update(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar of a stage; ``None`` where it is open how much there is."""
        if self.shown:
            if stage not in self.tasks:
                self.tasks[stage] = self.bar.add_task(stage, total=total)
            self.bar.update(self.tasks[stage], completed=done)


def tell(*lines: object) -> None:
    """Print lines, wrapped at the terminal's width; in a pipe as they are."""
    print(wrapped("\n".join(map(str, lines)), terminal_width()))


def written(files: Sequence[str], *, few: int = FEW_FILES) -> list[str]:
    """What to print of written files: on a terminal one line per folder where there are many.

    Args:
        files: their paths.
        few: so many are listed one by one.

    Returns:
        Lines; for a pipe one per path, as a script wants it.
    """
    if terminal_width() is None or len(files) <= few:
        return list(files)
    folders: dict[Path, dict[str, list[str]]] = {}
    for path in map(Path, files):
        names = folders.setdefault(path.parent, {})
        names.setdefault(path.stem, []).append(path.suffix)
    lines = []
    for folder, names in folders.items():
        kinds: dict[str, list[str]] = {}
        for stem, suffixes in names.items():
            kinds.setdefault(" ".join(suffixes), []).append(stem)
        listed = "; ".join(f"{', '.join(stems)} ({ends})" for ends, stems in kinds.items())
        lines.append(f"{folder}/{'' if len(names) == 1 else ': '}{listed}")
    return lines


def large_folders(out: Path) -> list[str]:
    """What is said of the large sub-folders of a run, which only going on with it needs."""
    lines = []
    for folder in sorted(path for path in out.iterdir() if path.is_dir()):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size >= LARGE:
            lines.append(
                f"{folder}/ takes {size / 2**20:.0f} MB. Only running this command again needs it; "
                "it may be deleted."
            )
    return lines


def numbers_of(array: xr.DataArray) -> dict[str, Any]:
    """The numbers of a map for a summary; ``range`` and ``valid_range`` are pairs, low and high."""
    filled = bool(array.count())
    ends = [float(array.min()), float(array.max())] if filled else [None, None]
    valid = [array.attrs.get(name) for name in ("valid_min", "valid_max")]
    return {
        "units": array.attrs["units"],
        "dims": {str(name): size for name, size in array.sizes.items()},
        "cells": int(array.count()),
        "range": ends,
        "valid_range": [None if one is None else float(one) for one in valid],
        "mean": float(array.mean()) if filled else None,
    }


def print_plan(plan: Plan, output: PrintOptions) -> None:
    """Print what a run will take, or the same as JSON."""
    if output.json:
        output.summary(plan.plain)
    else:
        print(plan)


def print_result(
    result: Result, model: Model, out: Path, seconds: float, output: OutputOptions
) -> None:
    """Print the sentences of an experiment and its files, or its summary as JSON."""
    files = [str(out / name) for name in result.files]
    if output.json:
        plain = {"model": model.name, "revision": model.revision, "seconds": round(seconds, 1)}
        maps = [
            {"name": name, "measure": array.attrs["measure"], **numbers_of(array)}
            for name, array in result.maps.items()
        ]
        output.summary({**plain, **result.summary, "maps": maps, "files": files})
    elif not output.quiet:
        tell(
            f"{result.title} in {seconds:.0f} s",
            *(f"  - {sentence}" for sentence in result.sentences),
            *written(files),
            *large_folders(out),
        )
