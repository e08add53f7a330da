"""Processes that do the work: layergram's, and those of other libraries.

The other libraries live in an environment of their own (``benchmarks/requirements.txt`` into
``benchmarks/.venv``). One that is not there, or fails, is named in the table with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORKERS = HERE / "workers"
ENVIRONMENT = HERE / ".venv"
REQUIREMENTS = HERE / "requirements.txt"


class WorkFailed(Exception):
    """A worker could not do what it was asked to; the message says why."""


@dataclass(frozen=True)
class Setting:
    """What every worker is started with.

    Attributes:
        folder: of the model.
        texts: the file of what is read.
        threads: of each worker.
        device: where the model is.
        dtype: of its weights.
        python: the interpreter of the other libraries, or ``None`` where there is none.
        quick: whether repetitions and sizes are small.
    """

    folder: Path
    texts: Path
    threads: int
    device: str = "cpu"
    dtype: str = "float32"
    python: Path | None = None
    quick: bool = False


@dataclass(frozen=True)
class Peer:
    """Another way to the same maps.

    Attributes:
        name: for the table.
        script: the worker.
        package: what its environment has to hold; ``None`` for transformers alone.
    """

    name: str
    script: str
    package: str | None = None


LAYERGRAM = Peer("layergram", "with_layergram.py")
PLAIN = Peer("transformers, naive loop", "plain.py")
LIBRARIES = (
    Peer("TransformerLens", "with_transformer_lens.py", "transformer-lens"),
    Peer("nnsight", "with_nnsight.py", "nnsight"),
    Peer("tuned-lens", "with_tuned_lens.py", "tuned-lens"),
    Peer("deep-think-tokens", "with_deep_think_tokens.py", "deep-think-tokens"),
)


class Worker:
    """A process with the model, ready to work.

    Args:
        peer: which library.
        setting: what it is started with.

    Raises:
        WorkFailed: where its environment is not there.
    """

    def __init__(self, peer: Peer, setting: Setting) -> None:
        self.peer = peer
        python = sys.executable if peer.package is None else setting.python
        if python is None:
            raise WorkFailed("not installed")
        environment = {**os.environ, "OMP_NUM_THREADS": str(setting.threads), "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [
                *(str(python), str(WORKERS / peer.script), str(setting.folder), str(setting.texts)),
                *("--device", setting.device, "--dtype", setting.dtype),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def do(self, work: str, **sizes: Any) -> dict[str, float]:
        """Do a piece of work once: ``wall`` and ``cpu`` in seconds, and its ``value``."""
        return self._ask({"work": work, **sizes})

    def peak(self) -> float:
        """The largest resident memory so far, MiB."""
        return self._ask({"peak": True})["mib"]

    def _ask(self, question: dict[str, Any]) -> dict[str, float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self.process.wait()
            killed = code in (-9, 137)
            raise WorkFailed("out of memory" if killed else f"its process ended with {code}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkFailed(answer["error"])
        return answer

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def started(peers: Sequence[Peer], setting: Setting) -> Iterator[dict[str, Worker | str]]:
    """Workers by name, stopped at the end; the reason in place of one that does not start."""
    workers: dict[str, Worker | str] = {}
    try:
        for peer in peers:
            try:
                workers[peer.name] = Worker(peer, setting)
            except WorkFailed as failed:
                workers[peer.name] = str(failed)
        yield workers
    finally:
        for worker in workers.values():
            if isinstance(worker, Worker):
                worker.stop()


def environment(*, install: bool) -> Path | None:
    """The interpreter of the other libraries; ``None`` where they are not to be had.

    Args:
        install: install them first, where they are not there yet.
    """
    python = ENVIRONMENT / "bin" / "python"
    marker = ENVIRONMENT / ".installed"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
        return python
    if not install:
        return None
    print("installing other libraries into benchmarks/.venv (minutes, once)", file=sys.stderr)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"other libraries are not to be had: {error}", file=sys.stderr)
        return None
    marker.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path | None) -> dict[str, str]:
    """The versions of the other libraries, by name of the package."""
    names = [peer.package for peer in LIBRARIES]
    if python is None:
        return {}
    program = (
        "import json, sys; from importlib.metadata import version\n"
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [str(python), "-c", program, *map(str, names)], capture_output=True, text=True
    )
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found
