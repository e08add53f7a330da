"""Which differences between two folders of ``pins.py`` are rounding, and which are changes.

maps            within 1e-5 of the map's range, NaN at the same places
lens_rank       equal but for ties: tokens as likely as the next one, to 1e-6 and to 2e-4 of it
settling_depth  equal where the divergence is not within 1e-5 of the threshold
ids             of greedy answers equal; of drawn ones reported only
features        each number, and each head, within 1e-5 of its range over the examples
AUROC           within .005; by probes of the same features within 1e-6
importance      rank correlation of .99 or more; by probes of the same features within 1e-6
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

NEAR = 1e-5  # of a range
TIE_P, TIE_NATS = 1e-6, 2e-4  # how much likelier another token of a tie may be
TIE_BIT = 1e-5  # how near a divergence may be to the threshold of settling_depth
AUROC, AGAIN, RANKS = 0.005, 1e-6, 0.99
ACCURACY, MASKING = 0.03, 1e-3
ANSWER = ("ids", "prompt_tokens", "reply", "right", "exact", "extractor", "exact_tokens", "roles")
STEP = ("group", "function", "tokens", "content", "use")

ProbeAgain = Callable[[str, "Part"], Mapping[str, np.ndarray]]


@dataclass
class Part:
    """Arrays by key, and plain facts; ``axes`` has the dimensions of a key with their labels."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=lambda: {"axes": {}})

    def save(self, folder: Path) -> None:
        """Write ``arrays.npz`` and ``facts.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "arrays.npz", **self.arrays)
        text = json.dumps(self.facts, ensure_ascii=False, indent=1)
        (folder / "facts.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Part:
        """Read both files."""
        with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
            facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
            return cls(dict(arrays), facts)


@dataclass(frozen=True)
class Line:
    """One line of the table; the verdict is ``ok``, ``DIFFERENT`` or ``note``."""

    what: str
    found: str
    allowed: str
    verdict: str


def line(what: str, worst: float, allowed: float, *, of: str = "") -> Line:
    """A line about the largest difference; infinite where shapes or NaN places differ."""
    found = f"{worst:.1e}{of}" if np.isfinite(worst) else "other shape or NaN places"
    return Line(what, found, f"{allowed:g}", "ok" if worst <= allowed else "DIFFERENT")


def equal(what: str, before: Any, after: Any) -> Line:
    """A line about plain values that have to be equal; lists and dicts item by item."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = before.keys() | after.keys()
        other = sorted(str(key) for key in keys if before.get(key, ...) != after.get(key, ...))
        found = f"{len(other)} of {len(keys)} differ" + (f": {', '.join(other[:3])}" * bool(other))
    else:
        other = [] if before == after else [""]
        found = f"{before} -> {after}" if other else f"{before}"
    return Line(what, found[:70], "equal", "DIFFERENT" if other else "ok")


def largest(before: np.ndarray, after: np.ndarray) -> float:
    """The largest difference, infinite where shapes or NaN places differ."""
    if before.shape != after.shape or (np.isnan(before) != np.isnan(after)).any():
        return np.inf
    known = ~np.isnan(before)
    difference = np.abs(np.subtract(before[known], after[known], dtype=np.float64))
    difference[before[known] == after[known]] = 0  # infinities
    return float(difference.max(initial=0.0))


def share_of_range(before: np.ndarray, after: np.ndarray) -> float:
    """The largest difference as a share of the range (of the size, where all values are one)."""
    worst = largest(before, after)
    known = before[np.isfinite(before)]
    if worst in (0, np.inf) or not known.size:
        return worst
    return worst / float(np.ptp(known) or abs(known[0]) or 1.0)


def share_of_feature(before: np.ndarray, after: np.ndarray, over: tuple[int, ...]) -> float:
    """The largest difference as a share of each feature's range over some axes."""
    if largest(before, after) in (0, np.inf):
        return largest(before, after)
    low = np.where(np.isnan(before), np.inf, before).min(over, keepdims=True)
    high = np.where(np.isnan(before), -np.inf, before).max(over, keepdims=True)
    size = np.where(high > low, high - low, np.abs(high))
    size = np.where(size > 0, size, 1.0)
    difference = np.abs(np.subtract(before, after, dtype=np.float64))
    known = difference > 0
    return float((difference[known] / np.broadcast_to(size, before.shape)[known]).max())


def ranks(key: str, before: Part, after: Part) -> Line | None:
    """Ranks of the next token, equal but for ties; nothing to say where all are equal."""
    one, other = before.arrays[key], after.arrays[key]
    worst = largest(one, other)
    if worst in (0, np.inf):
        return line(key, worst, 0) if worst else None
    cells = (one != other) & ~np.isnan(one)
    low, high = (before.arrays[f"{key}_{end}"][cells] for end in ("low", "high"))
    ties = (low <= other[cells]) & (other[cells] <= high)
    found = f"{cells.sum()} of {one.size} cells by {worst:.0f} at most, {ties.sum()} are ties"
    return Line(key, found, "ties", "ok" if ties.all() else "DIFFERENT")


def depths(key: str, before: Part, after: Part) -> Line | None:
    """Settling depths, equal but where the divergence is next to the threshold."""
    one, other = before.arrays[key], after.arrays[key]
    worst = largest(one, other)
    if worst in (0, np.inf):
        return line(key, worst, 0) if worst else None
    title = key.rpartition("/")[0]
    tokens = np.flatnonzero((one != other) & ~np.isnan(one))
    first = np.minimum(one, other)[tokens].astype(int) - 1
    divergence = before.arrays[f"{title}/divergence"][first, tokens]
    far = float(np.abs(divergence - before.facts["g"][title]).max())
    found = f"{len(tokens)} of {one.size} tokens, divergence within {far:.1e} of g"
    return Line(key, found, f"{TIE_BIT:g}", "ok" if far < TIE_BIT else "DIFFERENT")


def keys_of(before: Part, after: Part) -> Iterator[Line]:
    """Lines about arrays that only one side has, and about other axes."""
    gone = sorted(before.arrays.keys() - after.arrays.keys() - optional(before))
    new = sorted(after.arrays.keys() - before.arrays.keys())
    yield from (Line(key, "not there", "there", "DIFFERENT") for key in gone)
    yield from (Line(key, "new", "", "note") for key in new)
    both = before.arrays.keys() & after.arrays.keys()
    axes = [{k: v for k, v in p.facts["axes"].items() if k in both} for p in (before, after)]
    yield equal("dimensions and labels", *axes)


def optional(before: Part) -> set[str]:
    """Bounds of ranks, which are read from the first folder alone."""
    return {key for key in before.arrays if key.endswith(("lens_rank_low", "lens_rank_high"))}


def of_maps(before: Part, after: Part) -> Iterator[Line]:
    """Maps of texts or answers: tokens, values; one line for the maps of a text."""
    for name in ("weights", "prompts"):
        if name in before.facts:
            yield equal(name, before.facts[name], after.facts[name])
    if "refused" in before.facts:
        sides = [{k: sorted(v) for k, v in p.facts["refused"].items()} for p in (before, after)]
        yield equal("refused measures", *sides)
    yield equal("tokens", before.facts["tokens"], after.facts["tokens"])
    yield from keys_of(before, after)
    for title in before.facts["tokens"]:
        shares = {}
        for key in sorted(before.arrays.keys() & after.arrays.keys() - optional(before)):
            text, _, name = key.rpartition("/")
            if text == title and name in TIES:
                yield from filter(None, [TIES[name](key, before, after)])
            elif text == title:
                shares[key] = share_of_range(before.arrays[key], after.arrays[key])
        far = [key for key, share in shares.items() if not share <= NEAR]
        yield from (line(key, shares.pop(key), NEAR, of=" of range") for key in far)
        if shares:
            worst = max(shares, key=lambda key: shares[key])
            what = f"{title}: {len(shares)} maps, worst {worst.rpartition('/')[2]}"
            yield line(what, shares[worst], NEAR, of=" of range")


TIES = {"lens_rank": ranks, "settling_depth": depths}


def of_samples(before: Part, after: Part) -> Iterator[Line]:
    """Ids of greedy answers, and how many of the drawn ones are the same."""
    greedy, drawn = (
        [
            {k: v for k, v in p.facts["ids"].items() if k.endswith("/0") == first}
            for p in (before, after)
        ]
        for first in (True, False)
    )
    yield equal("greedy ids", *greedy)
    found = equal("drawn ids", *drawn)
    yield Line(found.what, found.found, "anything", "note")


def of_roles(before: Part, after: Part, again: Mapping[str, np.ndarray]) -> Iterator[Line]:
    """A run of ``roles``."""
    yield from keys_of(before, after)
    sides = [{a["id"]: a for a in p.facts["answers"]} for p in (before, after)]
    yield from items("answers", sides, ANSWER)
    used = [[a["id"] for a in p.facts["answers"] if a["exact_tokens"]] for p in (before, after)]
    yield from aligned("features", before, after, used, over=(0, 2))
    yield from aligned("scores", before, after, used, over=(0,))
    yield from evaluated("auroc", before, after, AUROC)
    baselines = [p.facts["baselines"] for p in (before, after)]
    yield numbers("AUROC of baselines and controls", *baselines, allowed=AUROC)
    yield from probed(before, again)


def of_heads(before: Part, after: Part, again: Mapping[str, np.ndarray]) -> Iterator[Line]:
    """A run of ``heads``."""
    yield from keys_of(before, after)
    sides = [{s["id"]: s for s in p.facts["steps"]} for p in (before, after)]
    yield from items("steps", sides, STEP)
    said = equal(
        "predicted functions", *({k: s["said"] for k, s in side.items()} for side in sides)
    )
    yield Line(said.what, said.found, "anything", "note")
    yield from aligned("head_outputs", before, after, [list(side) for side in sides], over=(0, 3))
    yield from evaluated("head_auroc", before, after, AUROC)
    for key in ("importance", "contribution"):
        for at, function in enumerate(before.facts["axes"][key]["function"]):
            yield correlated(f"{key} of {function}", before.arrays[key][at], after.arrays[key][at])
    probes = ("head_auroc", "importance", "contribution", "masked_", "head_outputs")
    for key in sorted(before.arrays.keys() & after.arrays.keys()):
        if not key.startswith(probes):
            share = share_of_range(before.arrays[key], after.arrays[key])
            yield line(key, share, NEAR, of=" of range")
    yield numbers("accuracies", before.facts["accuracy"], after.facts["accuracy"], allowed=ACCURACY)
    yield from masked(before.facts, after.facts)
    yield from probed(before, again)


def items(what: str, sides: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> Iterator[Line]:
    """Lines about records by id, field by field."""
    for name in fields:
        yield equal(
            f"{what}: {name}", *({k: v.get(name) for k, v in side.items()} for side in sides)
        )


def aligned(
    key: str, before: Part, after: Part, ids: Sequence[list[str]], *, over: tuple[int, ...]
) -> Iterator[Line]:
    """Features of the examples that both sides have, as a share of each feature's range."""
    both = [name for name in ids[0] if name in set(ids[1])]
    if key in after.arrays:
        one, other = (
            part.arrays[key][[own.index(name) for name in both]]
            for part, own in zip((before, after), ids, strict=True)
        )
        what = f"{key} of {len(both)} examples"
        yield line(what, share_of_feature(one, other, over), NEAR, of=" of range")


def evaluated(key: str, before: Part, after: Part, allowed: float) -> Iterator[Line]:
    """A map of AUROC, and what became of its intervals and p-values."""
    for name in (key, f"{key}/low", f"{key}/high", f"{key}/p_value"):
        if name in before.arrays and name in after.arrays:
            found = line(name, largest(before.arrays[name], after.arrays[name]), allowed)
            yield found if name == key else Line(name, found.found, "anything", "note")


def correlated(what: str, before: np.ndarray, after: np.ndarray) -> Line:
    """Rank correlation over the cells of two maps."""
    if largest(before, after) == np.inf:
        return line(what, np.inf, 0)
    known = ~np.isnan(before)
    found = 1.0
    if largest(before, after) > 0:
        found = float(spearmanr(before[known], after[known]).statistic)
    verdict = "ok" if found >= RANKS else "DIFFERENT"
    return Line(what, f"rank correlation {found:.4f}", f"{RANKS}", verdict)


def numbers(
    what: str, before: Mapping[str, float], after: Mapping[str, float], *, allowed: float
) -> Line:
    """The largest difference of numbers by name."""
    if before.keys() != after.keys():
        return equal(what, before, after)
    values = [np.array([side[name] for name in before]) for side in (before, after)]
    return line(what, largest(*values), allowed)


def masked(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Line]:
    """Top heads; what masking does, for functions whose top heads are the same."""
    tops = [{k: {tuple(h) for h in v} for k, v in side["top"].items()} for side in (before, after)]
    same = {name for name in tops[0] if tops[0][name] == tops[1].get(name)}
    for name in sorted(tops[0].keys() - same):
        shared = len(tops[0][name] & tops[1].get(name, set()))
        sizes = f"{len(tops[0][name])} and {len(tops[1].get(name, ()))}"
        yield Line(f"top heads of {name}", f"{shared} shared of {sizes}", "anything", "note")
    yield Line("top heads", f"the same for {len(same)} of {len(tops[0])}", "anything", "note")
    sides = [
        {
            f"{key}/{at}": np.nan if number is None else number
            for key, of_key in side["masking"].items()
            if key.split("/")[1] in same
            for at, number in enumerate(of_key)
        }
        for side in (before, after)
    ]
    yield numbers(f"masking of {len(same)} functions", *sides, allowed=MASKING)


def probed(before: Part, again: Mapping[str, np.ndarray]) -> Iterator[Line]:
    """Maps of probes of the pinned features, against the pinned maps."""
    for key, values in again.items():
        yield line(f"from pinned features: {key}", largest(before.arrays[key], values), AGAIN)


def compare_parts(
    before: Path, after: Path, parts: Iterable[str], *, probe_again: ProbeAgain | None = None
) -> list[Line]:
    """All lines; the name of its part comes before each."""
    lines = []
    for name in parts:
        missing = [str(f) for f in (before, after) if not (f / name / "facts.json").exists()]
        if missing:
            lines.append(Line(name, f"not in {', '.join(missing)}", "there", "DIFFERENT"))
            continue
        one, other = (Part.load(folder / name) for folder in (before, after))
        machine = equal("machine", one.facts.get("machine"), other.facts.get("machine"))
        of_part = [Line(machine.what, machine.found, "equal", "note")] * (machine.verdict != "ok")
        if name in ("roles", "heads"):
            again = {} if probe_again is None else probe_again(name, one)
            of_part += (of_roles if name == "roles" else of_heads)(one, other, again)
        else:
            of_part += (of_samples if name == "samples" else of_maps)(one, other)
        lines += [
            Line(f"{name}: {one.what}", one.found, one.allowed, one.verdict) for one in of_part
        ]
    return lines


def table(lines: Sequence[Line]) -> str:
    """The lines in columns, and how many differ."""
    rows = [("what", "found", "allowed", "")]
    rows += [(one.what, one.found, one.allowed, one.verdict) for one in lines]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    text = ["  ".join(c.ljust(w) for c, w in zip(row, (*widths, 0), strict=True)) for row in rows]
    different = sum(one.verdict == "DIFFERENT" for one in lines)
    return "\n".join(
        [*text, f"{different} of {len(lines)} lines differ" if different else "the same"]
    )
