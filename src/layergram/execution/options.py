"""Where a run is carried out."""

from __future__ import annotations

from dataclasses import dataclass

from layergram.errors import LayergramError
from layergram.execution.ray_address import check_ray
from layergram.storage.executor import Share

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class Execution:
    """Where the work of a run is done.

    Attributes:
        on: local, ray (the Ray cluster that this machine is part of, or one of its own), or
            ray://HOST:PORT, a cluster elsewhere.
        shard: make only a share of the work, such as 3/64, while other processes make the others
            in the same folder.
        workers: processes on Ray, each with the model; by default one per GPU where the model is
            on a GPU, else one for every so many cores as it has threads.
        threads: of each worker on Ray; a local run takes those of this process.
    """

    on: str = LOCAL
    shard: str = ""
    workers: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        address = self.on.removeprefix(f"{RAY}://")
        if self.on not in (LOCAL, RAY) and (address == self.on or not address):
            raise LayergramError(
                f"on = {self.on}", allowed="local, ray, ray://HOST:PORT", do="choose one of these"
            )
        if self.shard:
            Share.parse(self.shard)
        if self.shard and self.on != LOCAL:
            raise LayergramError(
                f"shard {self.shard} on {self.on}",
                got="two ways to spread a run at once",
                do="leave one of them out: Ray's workers share the work among themselves",
            )
        if self.workers is not None and self.on == LOCAL:
            raise LayergramError(
                f"workers = {self.workers}", got="a local run", do="add --on ray, or leave it out"
            )
        for name in ("workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise LayergramError(f"{name} = {value}", allowed="at least 1")

    @property
    def share(self) -> Share | None:
        """The share that this process makes; ``None`` for everything."""
        return Share.parse(self.shard) if self.shard else None

    def check(self) -> None:
        """Refuse, before any long work, a Ray that is not installed or does not answer.

        Raises:
            LayergramError: saying which.
        """
        if self.on != LOCAL:
            check_ray(self.on)
