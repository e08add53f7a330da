"""What the fitted lenses of the embedded model gain over the logit lens.

    python benchmarks/lenses.py --out lenses

Both are fitted with the defaults on texts that the model writes itself. Printed are, for each lens,
the processor time of the fit, and the mean divergence of the middle third of the layers from the
final one, with a 95 % interval over texts: on held-out texts of the model, and on embedded
paragraphs that it did not write. ``--steps``, ``--rounds`` and ``--length`` make the fit shorter;
``--around zero`` fits the Jacobian lens as published; ``--texts`` takes texts that are there
already.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from layergram.datasets.paragraphs import PARAGRAPHS
from layergram.datasets.texts import read_texts
from layergram.experiments.lenses.evaluation import gain, middle
from layergram.experiments.lenses.options import LensOptions
from layergram.experiments.lenses.pieces import OWN_TEXTS, own_texts
from layergram.experiments.lenses.run import fit_lens
from layergram.models.load import load
from layergram.tokens import encode


def main() -> None:
    """Fit both, and print what they gain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--number", type=int, default=OWN_TEXTS)
    parser.add_argument("--texts")
    parser.add_argument("--steps", type=int, default=LensOptions().steps)
    parser.add_argument("--rounds", type=int, default=LensOptions().rounds)
    parser.add_argument("--length", type=int, default=LensOptions().length)
    parser.add_argument("--around", default=LensOptions().around)
    parser.add_argument("--kinds", nargs="+", default=["tuned", "jacobian"])
    given = parser.parse_args()
    model = load("smollm2", device="cpu")
    layers = middle(model.layers)
    paragraphs = [[encode(model.tokenizer, text).ids] for text in PARAGRAPHS]
    began = time.process_time()
    if given.texts is None:
        texts = own_texts(model, number=given.number)
    else:
        texts = [encode(model.tokenizer, text).ids for text in read_texts(given.texts)]
    seconds = time.process_time() - began
    print(f"{len(texts)} texts, {sum(map(len, texts))} tokens: {seconds:.0f} s", flush=True)
    options = LensOptions(
        length=given.length, steps=given.steps, rounds=given.rounds, around=given.around
    )
    for kind in given.kinds:
        began = time.process_time()
        result = fit_lens(model, kind, texts, out=given.out / kind, options=options)
        print(f"{kind}: {time.process_time() - began:.0f} s of processor time", flush=True)
        print("\n".join(result.sentences), flush=True)
        other = gain(model, paragraphs, result.lens.of(model)).of_middle()
        print(
            f"paragraphs, layers {layers[0]} to {layers[-1]}: {other['fitted']:.3f} bit, logit "
            f"lens {other['logit']:.3f}, lowered by {other['lowered']:.3f} ({other['low']:.3f} to "
            f"{other['high']:.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
