"""Whether the results in a run's folder are whole, and how to have the bad ones made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layergram.storage.folder import RunFolder, fingerprint_of, read_manifest
from layergram.storage.shards import DEFINITION, Shards, State


@dataclass(frozen=True)
class StageReport:
    """What the disk has of one stage.

    Attributes:
        name: of the stage.
        states: shard -> ``whole``, ``missing``, ``torn`` or ``altered``; the labels of arrays
            are the shard ``layout``. A stage that cannot be read has ``stage.json`` only.
        items: shard that is not whole -> its items.
    """

    name: str
    states: Mapping[str, State]
    items: Mapping[str, list[str]]

    def __str__(self) -> str:
        """One line, with the items that are not whole."""
        counts = Counter(self.states.values())
        words = [f"{self.name}: {counts['whole']} of {len(self.states)} shards whole"]
        for state in ("missing", "torn", "altered"):
            shards = [shard for shard, known in self.states.items() if known == state]
            if shards:
                items = [item for shard in shards for item in self.items.get(shard, [])]
                ends = f", items {items[0]!r} to {items[-1]!r}" if items else ""
                words.append(f"{len(shards)} {state} ({', '.join(shards[:5])}{ends})")
        return "; ".join(words)


@dataclass(frozen=True)
class Report:
    """What the disk has of a run.

    Attributes:
        folder: of the run.
        stages: in the order in which they began.
    """

    folder: Path
    stages: tuple[StageReport, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Shards by state."""
        return dict(Counter(state for stage in self.stages for state in stage.states.values()))

    @property
    def whole(self) -> bool:
        """Whether every shard of every stage is whole."""
        return self.counts.keys() <= {"whole"}

    @property
    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        stages = {
            stage.name: {"shards": dict(stage.states), "items": dict(stage.items)}
            for stage in self.stages
        }
        return {
            "folder": str(self.folder),
            "whole": self.whole,
            "counts": self.counts,
            "stages": stages,
        }


def verify(folder: str | Path) -> Report:
    """Read every file of a run's results, and compare it with what was written.

    Args:
        folder: of the run. A run at work there is not disturbed.

    Raises:
        LayergramError: if the folder is not one of a run.
    """
    folder = Path(folder)
    stages = read_manifest(folder)["stages"]
    return Report(folder, tuple(_stage(folder, *stage) for stage in stages.items()))


def repair(folder: str | Path) -> Report:
    """Let the next run make every shard again that is torn or altered, and no other.

    Args:
        folder: of the run; no run may be at work there.

    Returns:
        What was found.

    Raises:
        LayergramError: if the folder is not one of a run, or a run is at work there.
    """
    read_manifest(Path(folder))
    with RunFolder(folder) as opened:
        report = verify(opened.path)
        for stage in report.stages:
            for shard, state in stage.states.items():
                if state in ("torn", "altered"):
                    name = DEFINITION if shard == DEFINITION else f"shards/{shard}.json"
                    (opened.path / stage.name / name).unlink()
    return report


def _stage(folder: Path, name: str, fingerprint: str) -> StageReport:
    try:
        shards = Shards.open(folder / name)
    except FileNotFoundError:
        return StageReport(name, {DEFINITION: "missing"}, {})
    except ValueError:
        return StageReport(name, {DEFINITION: "torn"}, {})
    if fingerprint_of(shards.definition) != fingerprint:
        return StageReport(name, {DEFINITION: "altered"}, {})
    states = {part: shards.state(part) for part in shards.parts}
    items = {part: shards.items(part) for part in shards.parts if states[part] != "whole"}
    return StageReport(name, states, items)
