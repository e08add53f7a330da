"""Shards made by workers on Ray: plain actors that live as long as the run.

Ray Data's actor pools start anew for every stage; a run has several stages, and its model would be
loaded once per stage and worker. A plain actor loads it once.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError
from layergram.execution.ray_address import no_answer
from layergram.storage.folder import MANIFEST

RETRIES = 3  # of a shard whose worker died
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class Worker:
    """One process on Ray: it makes shards, and keeps the model from one to the next.

    Args:
        home: the folder that the run was started in.
        folder: of the run, seen from there.
    """

    def __init__(self, home: str, folder: str) -> None:
        self.stage: tuple[Any, Callable[[str], Any] | None] = (None, None)
        self.error: LayergramError | None = None
        if Path(home).is_dir():
            os.chdir(home)
        if not (Path(folder) / MANIFEST).exists():
            self.error = LayergramError(
                f"to work in the folder '{folder}' on Ray",
                got=f"a worker on {socket.gethostname()} that does not see it",
                do="choose a folder on a disk that all workers share with --out",
            )

    def make(self, stage: tuple[Any], shard: str) -> Any:
        """Make a shard of a stage, which is one reference to what makes shards."""
        import ray

        if self.error is not None:
            raise self.error
        if self.stage[0] != stage[0]:
            self.stage = (stage[0], ray.cloudpickle.loads(ray.get(stage[0])))
        assert self.stage[1] is not None
        return self.stage[1](shard)


class RayWorkers(AbstractContextManager["RayWorkers"]):
    """An executor: the workers of a run, started when there is something to do.

    A worker that dies is started again by Ray, and its shard is made again.

    Args:
        on: ``ray`` or ``ray://HOST:PORT``.
        workers: how many; ``None`` for as many as the cluster has room for.
        threads: of each.
        gpus: of each.
        folder: of the run.
    """

    def __init__(
        self, on: str, *, workers: int | None, threads: int, gpus: int, folder: Path
    ) -> None:
        self.on, self.workers, self.threads, self.gpus = on, workers, threads, gpus
        self.folder = folder
        self.actors: list[Any] = []
        self.stack = ExitStack()

    def __exit__(self, *exception: object) -> None:
        """Stop the workers, and Ray if it was started for them."""
        self.stack.close()
        self.actors = []

    def __call__(self, make: Callable[[str], Any], shards: Sequence[str]) -> Iterator[Any]:
        """Make shards, in any order.

        Raises:
            LayergramError: if Ray cannot be reached, has too little room, or loses the workers of
                one shard again and again; and what the work itself raises.
        """
        if not shards:
            return
        import ray
        from ray.exceptions import RayActorError, RayTaskError
        from ray.util import ActorPool

        work = ray.cloudpickle.dumps(make)
        if not self.actors:
            self._start()
        stage = (ray.put(work),)
        pool = ActorPool(self.actors)
        try:
            yield from pool.map_unordered(lambda one, shard: one.make.remote(stage, shard), shards)
        except RayTaskError as error:
            raise (error.cause if isinstance(error.cause, LayergramError) else error) from None
        except RayActorError:
            raise LayergramError(
                f"{len(shards)} shards made on Ray",
                got=f"a shard whose worker died {RETRIES + 1} times",
                do="give the workers more memory, or have fewer of them (--workers); start the "
                "run again: everything finished so far is kept",
                exit_code=1,
            ) from None

    def _start(self) -> None:
        import ray

        if not ray.is_initialized():
            self._connect()
            self.stack.callback(ray.shutdown)
        count = self._count([node["Resources"] for node in ray.nodes() if node["Alive"]])
        kind = ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, max_restarts=-1, max_task_retries=RETRIES
        )(Worker)
        of_threads = {"OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
        options = {"runtime_env": {"env_vars": of_threads}}
        for _ in range(count):
            actor = kind.options(**options).remote(str(Path.cwd()), str(self.folder))
            self.actors.append(actor)
            self.stack.callback(ray.kill, actor)

    def _connect(self) -> None:
        """Join the cluster, or begin one on this machine that ends with the run."""
        import ray

        quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
        elsewhere = "://" in self.on
        try:
            with _variables({} if elsewhere else QUIET):
                if elsewhere:
                    ray.init(self.on, **quiet)
                    return
                try:
                    ray.init("auto", **quiet)
                except ConnectionError:
                    cores = max(os.cpu_count() or 1, (self.workers or 1) * self.threads)
                    ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise no_answer(self.on, " ".join(str(error).split())[:200]) from None

    def _count(self, nodes: list[dict[str, float]]) -> int:
        """How many workers, if the nodes of the cluster have room for them."""
        cores, gpus = (sum(int(node.get(name, 0)) for node in nodes) for name in ("CPU", "GPU"))
        room = sum(room_on(node, threads=self.threads, gpus=self.gpus) for node in nodes)
        if room < (self.workers or 1):
            gpu = " and a GPU" if self.gpus else ""
            raise LayergramError(
                f"{self.workers or 1} workers on Ray, each with {self.threads} cores{gpu}",
                got=f"a cluster of {cores} cores and {gpus} GPUs on {len(nodes)} nodes",
                allowed=f"at most {room} such workers",
                do="ask for fewer --workers or --threads, or add nodes to the cluster",
            )
        return self.workers or room


def room_on(node: dict[str, float], *, threads: int, gpus: int) -> int:
    """How many workers a node has room for.

    Args:
        node: its resources, as Ray names them.
        threads: cores of each worker.
        gpus: GPUs of each worker.

    Example:
        >>> room_on({"CPU": 6.0, "GPU": 1.0}, threads=4, gpus=0)
        1
        >>> room_on({"GPU": 1.0}, threads=1, gpus=1), room_on({"CPU": 8.0}, threads=1, gpus=1)
        (0, 0)
    """
    room = int(node.get("CPU", 0)) // threads
    return min(room, int(node.get("GPU", 0)) // gpus) if gpus else room


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """A context with some environment variables, which are as before after it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
