"""Pin what layergram computes, so that a changed layergram can be compared with this one.

    python benchmarks/pins.py write BEFORE             all parts, about 6 minutes
    python benchmarks/pins.py compare BEFORE AFTER     a table; exit code 1 on a difference

``--only zoo,prompts`` writes, or compares, these parts alone.

Parts, each a folder with ``arrays.npz`` and ``facts.json``:

zoo       all measures of eight untrained tiny models on five texts (10 s)
maps      the same of the embedded model (2 to 3 min)
prompts   greedy answers of the embedded model to two prompts, with two maps (20 s)
samples   12 questions, greedy answers and two drawn ones each (20 s)
roles     ``layergram roles capitals --limit 60``: answers, hidden states, scores, AUROC
heads     ``layergram heads --limit 16``: head outputs, importance, AUROC, top heads, masking

``compare`` also runs the probes of the layergram it imports on the features pinned in BEFORE, and
expects the AUROC and importance of BEFORE (``--no-probes`` leaves that out, about a minute).
``pin_rules.py`` has the rules. Run both sides on one machine with OMP_NUM_THREADS=1: other threads
round otherwise, and wait for each other where the machine has other work.

All calls into layergram stand in ``pin_calls.py``: adapt that file when names move, and no other.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pin_calls as calls
import torch
import xarray as xr
from pin_rules import Part, compare_parts, table

NAMES = {"panel": "function"}
ORDER = ("masked", "function", "example", "layer", "role", "head", "token", "feature")

TYPES = ("llama", "gpt2", "gemma2", "gpt_oss", "mixtral", "bloom", "bamba", "mamba")
LICENSE = (calls.ROOT / "LICENSE").read_text(encoding="utf-8").strip()
TEXTS = {
    "english": "A layer reads what the layers before it wrote, and adds what it has found; a head "
    "moves something from one token to another. The capital of France is Paris, the capital of "
    "Italy is Rome, and 8 + 5 is 13, so the sum of the two numbers is thirteen, said the fox.",
    "chinese": "中国的首都是北京,法国的首都是巴黎。🎉 今天天气很好 👩‍🚀🚀,我们去公园吧!北京很大。",
    "latex": r"\begin{align} \int_0^1 x^2\,\mathrm{d}x &= \frac{1}{3} \\ \sum_{i=1}^{n} i "
    r"&= \frac{n(n+1)}{2} \end{align} Hence the answer is \boxed{\frac{1}{3}}.",
    "repeated": "the cat sat on the mat " * 8,
}
LONG = {"embedded": LICENSE[:3550], "tiny": LICENSE[:850]}  # about 700 tokens each
G = {"embedded": 0.5, "tiny": 0.1}  # thresholds of settling_depth that split the tokens
PROMPTS = ("What is the capital of France?", "Write one sentence about the sea.")


def as_array(array: xr.DataArray) -> tuple[np.ndarray, dict[str, Any]]:
    """The numbers of a map in the order of ORDER, and its dimensions with their labels."""
    array = array.rename({old: new for old, new in NAMES.items() if old in array.dims})
    array = array.transpose(*sorted(array.dims, key=ORDER.index))
    labels = {d: array[d].values.tolist() if d in array.coords else None for d in array.dims}
    return array.values, labels


def put_map(part: Part, key: str, array: xr.DataArray) -> None:
    """Keep a map, and its intervals and p-values beside it."""
    part.arrays[key], part.facts["axes"][key] = as_array(array)
    for name in ("low", "high", "p_value"):
        if name in array.coords:
            part.arrays[f"{key}/{name}"], _ = as_array(array[name])


def put_trace(part: Part, key: str, found: xr.Dataset) -> None:
    """Keep the maps of a trace, and the tokens that they share."""
    for name, array in found.data_vars.items():
        put_map(part, f"{key}/{name}", array)
    columns = ("token_id", "token_text", "char_start", "char_end", "part")
    part.facts["tokens"][key] = {name: found[name].values.tolist() for name in columns}


def write_zoo(part: Part) -> None:
    """All measures of the tiny models on all texts."""
    put_models(part, {kind: functools.partial(calls.tiny_model, kind) for kind in TYPES}, "tiny")


def write_maps(part: Part) -> None:
    """All measures of the embedded model on all texts, and of each of its heads on one."""
    per_head = [name for name, heads in calls.all_measures().items() if heads]
    put_models(part, {"embedded": the_model}, "embedded")
    text, g = TEXTS["english"], G["embedded"]
    found = calls.trace_maps(the_model(), per_head, text=text, heads="each", g=g)
    put_trace(part, "embedded/english/each", found)


def put_models(part: Part, models: dict[str, Callable[[], Any]], size: str) -> None:
    """Keep the maps of models by name on all texts."""
    calls.add_rank_bounds()
    part.facts |= {"tokens": {}, "refused": {}, "weights": {}, "g": {}}
    for kind, load in models.items():
        model = load()
        part.facts["weights"][kind] = digest_of(calls.network_of(model))
        for title, text in (TEXTS | {"long": LONG[size]}).items():
            key = f"{kind}/{title}"
            refused = calls.refused_measures(model, text)
            wanted = [name for name in calls.all_measures() if name not in refused]
            part.facts["refused"][key] = refused
            part.facts["g"][f"{key}/mean"] = G[size]
            found = calls.trace_maps(model, wanted, text=text, heads="mean", g=G[size])
            put_trace(part, f"{key}/mean", found)


def write_prompts(part: Part) -> None:
    """Greedy answers, with two maps."""
    part.facts |= {"tokens": {}, "prompts": PROMPTS}
    for number, prompt in enumerate(PROMPTS):
        wanted = ("divergence", "attention_received")
        put_trace(part, str(number), calls.trace_answer(the_model(), wanted, prompt=prompt))


def write_samples(part: Part) -> None:
    """Ids of greedy and of drawn answers."""
    part.facts["ids"] = calls.answer_samples(the_model())


def write_roles(part: Part) -> None:
    """A run of ``roles``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "roles"
        words = ("roles", "capitals", "--limit", 60, "--permutations", calls.PERMUTATIONS)
        calls.run_command(*map(str, words), "--out", folder)
        part.facts["answers"] = calls.answers_in(folder)
        part.arrays |= calls.role_features_in(folder)
        put_map(part, "auroc", calls.maps_in(folder)["auroc"])
        part.facts["baselines"] = calls.baselines_in(folder)


def write_heads(part: Part) -> None:
    """A run of ``heads``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "heads"
        words = ("heads", "--limit", 16, "--permutations", calls.HEAD_PERMUTATIONS, "--draws", 2)
        words += ("--top", 4)  # else a function may have no top heads
        calls.run_command(*map(str, words), "--out", folder)
        part.facts |= {"steps": calls.steps_in(folder), **calls.head_tables_in(folder)}
        part.arrays["head_outputs"] = calls.head_outputs_in(folder)
        for key, array in calls.maps_in(folder).items():
            put_map(part, key, array)


WRITERS: dict[str, Callable[[Part], None]] = {
    "zoo": write_zoo,
    "maps": write_maps,
    "prompts": write_prompts,
    "samples": write_samples,
    "roles": write_roles,
    "heads": write_heads,
}


def probe_again(name: str, before: Part) -> dict[str, np.ndarray]:
    """Maps that the probes imported here make of pinned features, with intervals, by key."""
    found = Part()
    if name == "roles":
        used = [answer for answer in before.facts["answers"] if answer["exact_tokens"]]
        wrong = [not answer["right"] for answer in used]
        groups = [answer["group"] for answer in used]
        put_map(found, "auroc", calls.probe_roles(before.arrays["features"], wrong, groups))
    if name == "heads":
        mapped = [at for at, step in enumerate(before.facts["steps"]) if step["use"] == "map"]
        steps = [before.facts["steps"][at] for at in mapped]
        functions, groups = ([step[key] for step in steps] for key in ("function", "group"))
        outputs = before.arrays["head_outputs"][mapped]
        for key, array in calls.probe_heads(outputs, functions, groups).items():
            put_map(found, key, array)
    return found.arrays


@functools.cache
def the_model() -> Any:
    """The embedded model, loaded once."""
    return calls.embedded_model()


def digest_of(network: torch.nn.Module) -> str:
    """A digest of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.named_parameters()):
        digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def write(folder: Path, parts: Iterable[str]) -> int:
    """Write the parts, each when it is whole."""
    machine = {"threads": torch.get_num_threads()}
    machine |= {name: version(name) for name in ("torch", "transformers", "numpy")}
    for name in parts:
        began = time.perf_counter()
        part = Part()
        WRITERS[name](part)
        seconds = round(time.perf_counter() - began, 1)
        part.facts |= {"seconds": seconds, "machine": machine}
        part.save(folder / name)
        print(f"{name}: {len(part.arrays)} arrays in {seconds:.0f} s", flush=True)
    return 0


def compare(before: Path, after: Path, parts: Iterable[str], *, probes: str) -> int:
    """Print what differs; 1 if anything does that should not."""
    again = probe_again if probes == "run" else None
    lines = compare_parts(before, after, parts, probe_again=again)
    print(table(lines))
    return int(any(line.verdict == "DIFFERENT" for line in lines))


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--only", default=",".join(WRITERS), help="parts, joined by commas")
    parser.add_argument("--no-probes", action="store_true", help="compare files alone")
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := [name for name in parts if name not in WRITERS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(WRITERS)}")
    if len(given.folders) != (1 if given.what == "write" else 2):
        parser.error("write takes one folder, compare two")
    if given.what == "write":
        return write(given.folders[0], parts)
    return compare(*given.folders, parts, probes="skip" if given.no_probes else "run")


if __name__ == "__main__":
    sys.exit(main())
