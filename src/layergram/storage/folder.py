"""The folder of a run: who works in it, and a manifest of its stages."""

from __future__ import annotations

import json
import reprlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError
from layergram.maps.files import PARTIAL
from layergram.storage.executor import Executor, Share, in_process
from layergram.storage.files import digest_of, json_bytes, write_whole
from layergram.storage.locks import Locks
from layergram.storage.shards import DEFINITION, SCHEMA, Shards

MANIFEST = "manifest.json"
ABSENT = "not given"
VERSION_1 = (
    "answers.manifest.json",
    "extracts.manifest.json",
    "own_answers.json",
    "features.json",
    "head_outputs.json",
    "sweep_*.json",
    "*.part.json",
)
"""Files that only version 1 wrote, which kept every stage in a form of its own."""


class RunFolder(AbstractContextManager["RunFolder"]):
    """A folder of results that this process works in; a second run in it is refused at once.

    Several processes that each make another share of the shards work there at the same time. The
    lock belongs to the operating system: it ends with the process, however that ends.

    Args:
        path: the folder, made if there is none.
        share: the shards that this process makes; ``None`` for all of them.
        executor: makes the shards (:func:`layergram.storage.executor.in_process`).
        threads: of each process that makes shards, written down with every shard.

    Raises:
        LayergramError: on entering, if another run is at work there, naming its process; if the
            results there are of another version of layergram; or if it cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        share: Share | None = None,
        executor: Executor = in_process,
        threads: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.share, self.executor, self.threads = share, executor, threads
        self.locks = Locks(self.path, share)

    def __enter__(self) -> RunFolder:
        """Take the lock, and begin a manifest if there is none."""
        if (self.path / MANIFEST).exists():
            read_manifest(self.path)
        else:
            _refuse_version_1(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.locks.acquire()
        except OSError as error:
            raise LayergramError(
                f"to write into the folder '{self.path}'",
                got=str(error.strerror or error),
                do="choose a folder that can be written with --out",
            ) from None
        try:
            if self.alone:
                for left in self.path.glob(f".*{PARTIAL}"):  # by a process that was killed
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            with self.locks.gate():
                if not (self.path / MANIFEST).exists():
                    self._write_manifest({})
        except BaseException:
            self.locks.release()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the lock back."""
        self.locks.release()

    @property
    def alone(self) -> bool:
        """Whether no other process works in the folder."""
        return self.share is None

    def within(self, name: str) -> RunFolder:
        """A folder in this folder, to be worked in by the same processes."""
        return RunFolder(
            self.path / name, share=self.share, executor=self.executor, threads=self.threads
        )

    def claim(self, definition: Mapping[str, Any]) -> Shards:
        """The shards of a stage: those in the folder, or those of a new stage.

        The order of the items and the size of the shards are fixed by whoever comes first; only
        what the results depend on is compared.

        Args:
            definition: what ``stage.json`` holds (:attr:`layergram.storage.stage.Stage.plain`).

        Raises:
            LayergramError: if the folder has the results of another run, naming what differs.
        """
        if not self.locks.held:
            raise ValueError("a RunFolder is used inside its with block")
        with self.locks.gate():
            return self._claim(definition)

    def _claim(self, definition: Mapping[str, Any]) -> Shards:
        name = definition["name"]
        path = self.path / name
        try:
            shards = Shards.open(path)
        except FileNotFoundError:
            shards = Shards(path, definition)
            shards.begin()
        except ValueError:
            raise LayergramError(
                f"to go on with the stage '{name}' in the folder '{self.path}'",
                got=f"a torn file '{path / DEFINITION}'",
                do=f"remove the folder '{path}', and start again",
            ) from None
        refuse_another_run(self.path, shards.definition, definition)
        stages, fingerprint = read_manifest(self.path)["stages"], fingerprint_of(definition)
        if stages.get(name) != fingerprint:
            self._write_manifest({**stages, name: fingerprint})
        return shards

    def _write_manifest(self, stages: Mapping[str, str]) -> None:
        plain = {"layergram": "run", "schema": SCHEMA, "stages": stages}
        write_whole(self.path / MANIFEST, json_bytes(plain, indent=1))


def refuse_another_run(
    folder: Path, known: Mapping[str, Any], definition: Mapping[str, Any]
) -> None:
    """Refuse to go on with a stage whose results depend on other things than those in the folder.

    Args:
        folder: of the run.
        known: the definition of the stage in the folder.
        definition: that of the stage to go on with.

    Raises:
        LayergramError: naming what differs.
    """
    differ = _differences(identity(known), identity(definition))
    if differ:
        raise LayergramError(
            f"to go on in the folder '{folder}'",
            got=f"the results of another run: stage '{definition['name']}': "
            f"{'; '.join(differ[:3])}",
            do="choose another folder with --out, or remove this one",
        )


def refuse_stages(folder: Path, others: Callable[[str], bool], asked: str) -> None:
    """Refuse a folder with stages of another kind of run, whose files would be written over.

    Args:
        folder: of the run, if it is there.
        others: whether a stage of this name belongs to another kind of run.
        asked: what the folder is wanted for, such as ``averaged maps``.

    Raises:
        LayergramError: naming such a stage.
    """
    stages = read_manifest(folder)["stages"] if (folder / MANIFEST).exists() else {}
    found = sorted(filter(others, stages))
    if found:
        raise LayergramError(
            f"{asked} in the folder '{folder}'",
            got=f"the results of another run (stage '{found[0]}')",
            do="choose another folder with --out",
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder.

    Raises:
        LayergramError: if the folder is not one of a run, or of another version of layergram.
    """
    path = folder / MANIFEST
    got, do = f"no file '{path}'", "check the path"
    try:
        manifest = json.loads(path.read_bytes())
        if manifest["layergram"] == "run" and manifest["schema"] == SCHEMA:
            return dict(manifest)
        got = f"'{path}' of another version (schema {manifest['schema']}, not {SCHEMA})"
    except (FileNotFoundError, NotADirectoryError):
        _refuse_version_1(folder)
        got, do = _no_run(folder, got)
    except OSError as error:
        got = f"'{path}': {error.strerror}"
    except (ValueError, KeyError, TypeError):
        got = f"'{path}', which is torn or of another program"
        do += "; if it is the folder of a run, remove this file and start the run again"
    raise LayergramError(f"the results of a run in '{folder}'", got=got, do=do)


def _no_run(folder: Path, got: str) -> tuple[str, str]:
    """What there is in the place of a run's folder, and what to do."""
    if not folder.exists():
        return "no such folder", "check the path"
    maps: set[str] = set()
    with suppress(OSError):  # a folder that may not be looked into
        maps = {path.suffix for path in ([folder] if folder.is_file() else folder.iterdir())}
    if maps & {".nc", ".zarr"}:
        what = "a map" if folder.is_file() else "a folder of maps, which keeps no shards"
        return (
            what,
            "look at a map with layergram describe or draw; only the folder of roles, heads, "
            "depth or map --texts can be verified",
        )
    return got, "name the folder that a run was given as --out"


def identity(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What the results of a stage depend on; neither order nor shards nor chunks are in it."""
    arrays = definition["arrays"]
    return {
        "made_from": definition["made_from"],
        "arrays": arrays
        and {name: {"axes": a["axes"], "dtype": a["dtype"]} for name, a in arrays.items()},
        "dim": definition["dim"],
        "items": sorted(definition["items"]),
    }


def fingerprint_of(definition: Mapping[str, Any]) -> str:
    """The digest of a stage's identity, as the manifest has it."""
    return digest_of(json.dumps(identity(definition), sort_keys=True))


def _differences(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, in words."""
    words = _of_mappings(known["made_from"], wanted["made_from"])
    keys = ("arrays", "dim")
    words += _of_mappings({key: known[key] for key in keys}, {key: wanted[key] for key in keys})
    only_one = sorted(set(known["items"]) ^ set(wanted["items"]))
    if only_one:
        counts = f"{len(known['items'])} items, now {len(wanted['items'])}"
        words.append(f"{counts} (such as {only_one[0]!r})")
    return words


def _of_mappings(known: Mapping[str, Any], wanted: Mapping[str, Any], path: str = "") -> list[str]:
    words: list[str] = []
    for key in {**wanted, **known}:
        a, b = known.get(key), wanted.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            words += _of_mappings(a, b, f"{path}{key}.")
        elif a != b:
            before, now = (reprlib.repr(of[key]) if key in of else ABSENT for of in (known, wanted))
            words.append(f"{path}{key} {before}, now {now}")
    return words


def _refuse_version_1(folder: Path) -> None:
    for pattern in VERSION_1:
        for file in folder.glob(pattern):
            raise LayergramError(
                f"to work in the folder '{folder}'",
                got=f"results of an older layergram ('{file.name}')",
                do="choose another folder with --out, or remove this one",
            )
