"""What layergram costs beside the least that the same work can cost, and beside other libraries.

    python benchmarks/bench.py              every row; writes benchmarks/RESULTS.md and pictures
    python benchmarks/bench.py --quick      short texts only, printed
    python benchmarks/bench.py --rows 1 2   these rows anew, the others as they were measured
    python benchmarks/bench.py --device cuda --dtype bfloat16 --shape llama-8b --out benchmarks/gpu

A ratio is that of two medians over runs that take turns in one process tree, so that other work on
the machine meets both sides. Absolute times are not kept: they say more about the machine than
about the code. The model is the embedded one unless a shape is asked for, which has random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import report
import rows_attention
import rows_growth
import rows_lens
import rows_plain_side
import rows_probes
import rows_replay
import stored
from peers import Setting, environment
from rows_growth import Curve
from texts import write_texts
from timing import Row
from transformers import AutoTokenizer

from layergram.models.sources.embedded import smollm2

SHAPES = {
    "llama-8b": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "max_position_embeddings": 131_072,
        "rope_theta": 500_000.0,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
    }
}
KINDS: dict[tuple[int, ...], Callable[[Setting], Iterator[Row]]] = {
    (1,): rows_attention.rows,
    (2, 3, 4): rows_lens.rows,
    (5, 7): rows_replay.rows,
    (6,): rows_probes.rows,
    (8, 9): rows_plain_side.rows,
}


def measured(setting: Setting, numbers: Sequence[int]) -> Iterator[Row | Curve]:
    """The rows of these numbers, and the curves of growth."""
    for kind, rows in KINDS.items():
        if set(kind) & set(numbers):
            yield from rows(setting)
    if 10 in numbers and not setting.quick:
        curves = list(rows_growth.curves(setting))
        yield from curves
        yield from rows_growth.rows(curves)


def folder_of(shape: str | None, home: Path) -> Path:
    """The folder of the embedded model, or one with a shape and the embedded tokenizer."""
    embedded = smollm2()
    if shape is None:
        return embedded
    folder = home / shape
    folder.mkdir()
    for name in embedded.glob("tokenizer*"):
        shutil.copy(name, folder)
    (folder / "config.json").write_text(json.dumps(SHAPES[shape]), encoding="utf-8")
    return folder


def main() -> None:
    """Measure and print; write the page unless the run is a quick one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short texts, few runs, no page")
    parser.add_argument("--rows", type=int, nargs="+", default=range(1, 11))
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--shape", choices=list(SHAPES), help="random weights of this shape")
    parser.add_argument("--out", type=Path, default=report.PAGE.parent)
    parser.add_argument(
        "--peers",
        default="installed",
        help="other libraries: installed (where they are), install, none, or their python",
    )
    given = parser.parse_args()
    python = Path(given.peers)
    if given.peers in ("installed", "install", "none"):
        python = None if given.peers == "none" else environment(install=given.peers == "install")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        folder, texts = folder_of(given.shape, home), home / "texts.json"
        longest = 8192 if given.device == "cpu" else max(rows_attention.GPU_LENGTHS)
        write_texts(texts, AutoTokenizer.from_pretrained(folder), tokens=longest)
        setting = Setting(
            folder, texts, given.threads, given.device, given.dtype, python, given.quick
        )
        print(f"{report.head(setting)}\n{report.HEAD}", flush=True)
        rows: list[Row] = []
        curves: list[Curve] = []
        for found in measured(setting, given.rows):
            if isinstance(found, Row):
                rows.append(found)
                print(report.line(found), flush=True)
            else:
                curves.append(found)
        if not given.quick:
            given.out.mkdir(parents=True, exist_ok=True)
            page = given.out / report.PAGE.name
            report.write(*stored.merged(rows, curves, given.out), setting, page)
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
