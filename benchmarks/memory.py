"""Peak memory of a trace beside that of the plain forward pass of the same text.

    python benchmarks/memory.py 4096 8192
    python benchmarks/memory.py 4096 --measures divergence attention_received

Each run is a process of its own; the peak is what the system counted for it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

PROGRAM = """
import resource, time
import numpy as np, torch
from layergram.tracing import trace
from layergram.measures import MEASURES
from layergram.models.load import load

model = load("smollm2", device="cpu")
sentence = "The layers of a model write into one stream and read from it again. "
text = sentence * ({tokens} // 15)  # 15 tokens each
ids = model.tokenizer(text)["input_ids"]
began = time.perf_counter()
measures = {measures}
if measures:
    found = trace(model, text, measures=MEASURES if measures == ["all"] else measures)
    assert found.sizes["token"] == len(ids)
    assert all(np.isfinite(array.values[..., 1:]).all() for array in found.values())
else:
    with torch.inference_mode():
        model.network(input_ids=torch.tensor([ids]), logits_to_keep=1)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(len(ids), peak, time.perf_counter() - began)
"""


def measured(tokens: int, *, measures: Sequence[str]) -> tuple[int, float, float]:
    """Tokens read, peak MiB and seconds; without measures the plain forward pass."""
    program = PROGRAM.format(tokens=tokens, measures=list(measures))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    count, peak, seconds = done.stdout.split()[-3:]
    return int(count), float(peak), float(seconds)


def peak_mib(tokens: int, *, measures: Sequence[str]) -> float:
    """Largest resident memory, MiB, of a process that loads the model and does the work."""
    return measured(tokens, measures=measures)[1]


def main() -> None:
    """Print a line for each length."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tokens", nargs="+", type=int)
    parser.add_argument("--measures", nargs="+", default=["all"])
    given = parser.parse_args()
    for tokens in given.tokens:
        for name, measures in (("plain", []), (" ".join(given.measures), given.measures)):
            count, peak, seconds = measured(tokens, measures=measures)
            print(f"{count:6} tokens  {peak:7.0f} MiB  {seconds:6.0f} s  {name}", flush=True)


if __name__ == "__main__":
    main()
