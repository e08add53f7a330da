"""Write docs/architectures.md: every causal-LM type of transformers, and whether layergram works.

Run it from anywhere: ``python docs/make_architectures.py`` (a few minutes). A tiny untrained
model of every type is made, loaded, proved and traced, in float32 and in bfloat16; nothing here
knows a type by its name.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

import zoo  # noqa: E402
from layergram import LayergramError, tracing  # noqa: E402
from layergram.models.model import Model  # noqa: E402

PAGE = DOCS / "architectures.md"
WORKS, IN_PART, NOT = "works", "in part", "no"
IDS = [i * 7919 % zoo.VOCABULARY for i in range(1, 21)]
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2.0**-5}
"""How far two ways to the same number may part: four roundings of bfloat16."""


@dataclass(frozen=True)
class Row:
    """What was found about one model type."""

    model_type: str
    status: str
    in_half: str
    notes: str


def find(model_type: str) -> Row:
    """Make, load, prove and trace a tiny model of this type, in both precisions."""
    status, wrong, lacks, model = _tried(model_type, torch.float32)
    if model is None:
        return Row(model_type, status, status, "; ".join(wrong))
    remarks = _decoder_remarks(model_type) + _attention_remarks(model)
    in_half, wrong_there, lacks_there, _ = _tried(model_type, torch.bfloat16)
    for what in (*wrong_there, *lacks_there):
        if what not in (*wrong, *lacks):
            remarks.append(f"in bfloat16: {what}")
    return Row(model_type, status, in_half, "; ".join([*wrong, *lacks, *remarks]))


def _tried(model_type: str, dtype: torch.dtype) -> tuple[str, list[str], list[str], Model | None]:
    """Whether it works in one precision, what is wrong, what is absent, and the model itself."""
    try:
        network = zoo.tiny(model_type).to(dtype)
    except ValueError as error:
        return NOT, [f"not tried: {error}"], [], None
    try:
        model = zoo.load(network, tokenizer=zoo.word_tokenizer())
    except LayergramError as error:
        return NOT, [_refusal(error)], [], None
    lacks, wrong = _lacks(model), _wrong(model_type, model)
    status = NOT if any(what.startswith("wrong") for what in wrong) else WORKS
    return IN_PART if status == WORKS and (lacks or wrong) else status, wrong, lacks, model


def _refusal(error: LayergramError) -> str:
    part = error.asked.split(" of the model")[0]
    named = part in ("the layers", "the final norm", "the unembedding", "the logits")
    return f"{part}: {error.got}" if named else error.got.split(", ", 1)[-1]


def _decoder_remarks(model_type: str) -> list[str]:
    """Whether only a part of what goes by this name can be read, and how to say so."""
    default = CONFIG_MAPPING[model_type]()
    if getattr(default, "is_encoder_decoder", False):
        return ["its decoder alone; an encoder-decoder is refused"]
    if getattr(default, "is_decoder", None) is not False:
        return []
    try:
        zoo.load(zoo.tiny(model_type, is_decoder=False), tokenizer=zoo.word_tokenizer())
    except (LayergramError, ValueError, AssertionError):
        return ["with `is_decoder=True`; without, it is an encoder and refused"]
    return []


def _lacks(model: Model) -> list[str]:
    """What could not be proved because the model has no such thing."""
    absent = {proof.name for proof in model.proofs if proof.status == "absent"}
    lacks = []
    if "tap" in absent:
        lacks.append("no attention weights, so no maps of attention")
    elif "heads" in absent:
        lacks.append("no output projection whose input is the heads side by side")
    if "chunks" in absent:
        lacks.append("read at once, not in chunks")
    return lacks


def _attention_remarks(model: Model) -> list[str]:
    remarks = []
    heads = model.parts.heads
    if any(heads) and not all(heads):
        remarks.append("maps of attention have no values in the layers without it")
    if not model.batches:
        remarks.append("batches of one length")
    rows = next(proof for proof in model.proofs if proof.name == "rows")
    if rows.status == "proved" and rows.note:
        remarks.append("attention sinks")
    return remarks


def _wrong(model_type: str, model: Model) -> list[str]:
    """Where a map is not what the model's own eager attention says, or depends on the chunks."""
    measures = ["residual_norm"] + ["attention_received"] * model.has_attention
    chunked, whole = (
        tracing.trace(
            model,
            zoo.text(IDS),
            measures=measures,
            run=tracing.Run(chunk=chunk, heads="each"),
        )
        for chunk in (5, len(IDS))
    )
    wrong = []
    limit = TOLERANCE[model.dtype]
    if not all(_near(chunked[name], whole[name], limit) for name in measures):
        wrong.append(
            "beyond its window, reading in chunks gives other numbers than reading at once"
        )
    if model.has_attention:
        wrong += _against_eager(model_type, model, whole["attention_received"].values)
    return wrong


def _against_eager(model_type: str, model: Model, received: np.ndarray) -> list[str]:
    eager = zoo.tiny(model_type, attention="eager").to(model.dtype)
    with torch.no_grad():
        ids = torch.tensor([IDS])
        out = eager(input_ids=ids, use_cache=False, output_attentions=True)
    square = (len(IDS), len(IDS))  # what layers of linear attention return is no such thing
    shown = [
        w[0].float().numpy() for w in out.attentions if w is not None and w.shape[-2:] == square
    ]
    layers = [received[layer, :heads] for layer, heads in enumerate(model.parts.heads) if heads]
    if len(shown) != len(layers):
        return [f"{len(layers)} of {len(shown)} attention modules shown: the first of each layer"]
    for weights, found in zip(shown, layers, strict=True):
        seen = (weights > 0).any(0).sum(0)
        expected = np.where(seen > 0, weights.sum(1) / np.maximum(seen, 1), np.nan)
        if not _near(found, expected, TOLERANCE[model.dtype]):
            return ["wrong: attention differs from the model's own eager attention"]
    return []


def _near(a: Any, b: Any, limit: float) -> bool:
    return bool(np.allclose(np.asarray(a), np.asarray(b), limit, limit, equal_nan=True))


def page(rows: list[Row]) -> str:
    """The page, from its rows."""
    half = sum(row.in_half == WORKS for row in rows)
    counts = {status: sum(row.status == status for row in rows) for status in (WORKS, IN_PART, NOT)}
    lines = [
        "# Architectures\n",
        "Made by `python docs/make_architectures.py` with transformers "
        f"{transformers.__version__}, from an untrained tiny model of every type that it maps to a "
        "causal language model.\n",
        f"Of {len(rows)} types, {counts[WORKS]} work, {counts[IN_PART]} work in part, and "
        f"{counts[NOT]} do not or could not be tried; in bfloat16 {half} work. *Works* means: "
        "layers, final norm, "
        "unembedding and attention were found without a line of code for the type; the lens at the "
        "last layer equals the model's logits; the tapped forward pass equals the untapped one; "
        "attention rows sum to what they should and reach no later token; zeroing a head moves the "
        "logits; reading in chunks changes nothing; sequences of unequal length read together give "
        "what each gives by itself (else a note says so, and batches are of one length); and "
        "attention received equals what the model's "
        "own eager attention gives, all to 1e-4 in float32 and to four roundings in bfloat16. A "
        "model of a type that does not work is refused when it is "
        "loaded.\n",
        "| Type | Works? | In bfloat16 | Notes |",
        "|---|---|---|---|",
        *(f"| `{row.model_type}` | {row.status} | {row.in_half} | {row.notes} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def read_page() -> tuple[str, list[Row]]:
    """The version of transformers and the rows of the page as it is."""
    text = PAGE.read_text(encoding="utf-8")
    rows = []
    for line in text.splitlines():
        if line.startswith("| `"):
            kind, status, in_half, notes = (cell.strip() for cell in line.split("|")[1:5])
            rows.append(Row(kind.strip("`"), status, in_half, notes))
    return text.split("with transformers ")[1].split(",")[0], rows


def main() -> None:
    """Try all types and write the page."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    rows = []
    for model_type in zoo.types():
        rows.append(find(model_type))
        print(f"{rows[-1].model_type}: {rows[-1].status} {rows[-1].notes}", flush=True)
    PAGE.write_text(page(rows), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
