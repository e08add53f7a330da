"""The folder that a run is carried out in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from layergram.errors import LayergramError
from layergram.execution.options import LOCAL, Execution
from layergram.execution.ray_workers import RayWorkers
from layergram.storage.folder import RunFolder

if TYPE_CHECKING:
    from layergram.models.model import Model


@contextmanager
def run_folder(
    execution: Execution | None, out: str | Path | None, model: Model
) -> Iterator[RunFolder | None]:
    """The folder of a run, open, in which shards are made as asked; ``None`` without a folder.

    Args:
        execution: where; in this process by default.
        out: the folder, or ``None`` to keep nothing.
        model: the model that works.

    Raises:
        LayergramError: for shares or Ray without a folder, and as :class:`RunFolder` and
            :meth:`Execution.check` do.
    """
    execution = execution or Execution()
    if out is None:
        if execution != Execution():
            raise LayergramError(
                "a run in several processes",
                got="no folder, which is where they meet",
                do="name a folder that all of them see (out)",
            )
        yield None
    elif execution.on == LOCAL:
        import torch

        threads = torch.get_num_threads()
        with RunFolder(out, share=execution.share, threads=threads) as folder:
            yield folder
    else:
        execution.check()
        workers = RayWorkers(
            execution.on,
            workers=execution.workers,
            threads=execution.threads,
            gpus=int(model.device.type == "cuda"),
            folder=Path(out),
        )
        with workers, RunFolder(out, executor=workers, threads=execution.threads) as folder:
            yield folder
