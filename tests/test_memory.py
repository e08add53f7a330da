"""Memory stays near that of the plain forward pass, however long the text."""

from __future__ import annotations

import subprocess
import sys

import pytest

PLAIN = """
with torch.inference_mode():
    model.network(input_ids=torch.tensor([ids]), logits_to_keep=1)
"""
TRACED = """
found = trace(model, text, measures=list(MEASURES))
assert found.sizes["token"] == len(ids), (found.sizes, len(ids))
assert all(np.isfinite(array.values[..., 1:]).all() for array in found.values())
"""
PROGRAM = """
import resource, sys
import numpy as np, torch
from layergram.atlas import trace
from layergram.measures import MEASURES
from layergram.models import load

model = load("smollm2", device="cpu")
words = "The layers of a model write into one stream and read from it again. "
text = words * {tokens}
ids = model.tokenizer(text)["input_ids"][:{tokens}]
text = model.tokenizer.decode(ids)
ids = model.tokenizer(text)["input_ids"]
{work}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak_mib(work: str, tokens: int) -> float:
    """Largest resident memory of a process that loads the embedded model and does the work."""
    program = PROGRAM.format(work=work, tokens=tokens)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


@pytest.mark.slow
def test_4096_tokens_stay_within_600_mib_of_the_plain_forward_pass(smollm2):
    plain, traced = peak_mib(PLAIN, 4096), peak_mib(TRACED, 4096)
    print(f"plain {plain:.0f} MiB, all measures {traced:.0f} MiB")
    assert traced < plain + 600


@pytest.mark.slow
def test_8192_tokens_work(smollm2):
    assert peak_mib(TRACED, 8192) < 4096
