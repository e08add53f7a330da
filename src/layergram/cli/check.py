"""``layergram check``: does this model work here, and what is proved about it?"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from layergram.cli.common import Dtype, Group, PrintOptions, tell
from layergram.errors import LayergramError

if TYPE_CHECKING:
    from layergram.models.model import Model
    from layergram.models.parts import Proof

SIGNS = {"proved": "proved", "failed": "FAILED", "absent": "absent"}


def command(
    model: str = "smollm2",
    /,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: Dtype = "auto",
    output: Annotated[PrintOptions | None, Group] = None,
) -> None:
    """Load a model and try out on it everything that its maps take for granted.

    Exits with 0 if nothing failed. What a model does not have (attention in a state-space model,
    say) is named as absent, with what follows from it.

    Args:
        model: hub id, folder, .gguf file, or smollm2, the embedded model.
        revision: of a hub model: a branch, tag or commit.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: type of the weights.
        output: how much to print.
    """
    output = output or PrintOptions()
    from layergram.models.load import examine, require
    from layergram.models.sources.request import check_request

    check_request(model, device=device, dtype=dtype, revision=revision)
    found = examine(model, device=device, dtype=dtype, revision=revision)
    if output.json:
        output.summary(_plain(found))
    elif not output.quiet:
        tell(*_lines(found))
    try:
        require(found.proofs, found.name)
    except LayergramError as error:
        error.exit_code = 1
        raise


def _facts(model: Model) -> dict[str, Any]:
    parts = model.parts
    readout = parts.readout
    return {
        "model": model.name,
        "revision": model.revision,
        "architecture": model.model_type,
        "layers": model.layers,
        "heads_per_layer": list(parts.heads),
        "context": model.context,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "final_norm": [parts.names[module] for module in readout.path],
        "unembedding": parts.names[readout.unembedding],
        "logit_scale": readout.scale,
        "logit_soft_cap": readout.cap,
    }


def _plain(model: Model) -> dict[str, Any]:
    proofs = [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(p).items()}
        for p in model.proofs
    ]
    return {**_facts(model), "proofs": proofs}


def _lines(model: Model) -> list[str]:
    facts = {name.replace("_", " "): value for name, value in _facts(model).items()}
    facts["final norm"] = ", ".join(facts["final norm"])
    if len(set(facts["heads per layer"])) == 1:
        facts["heads per layer"] = facts["heads per layer"][0]
    width = max(map(len, facts))
    lines = [f"{name:{width}}  {value}" for name, value in facts.items() if value not in (None, "")]
    return [*lines, "", *(_line(proof) for proof in model.proofs)]


def _line(proof: Proof) -> str:
    number = ""
    if not math.isnan(proof.measured):
        number = f" (largest deviation {abs(proof.measured):.2g}"
        number += "" if math.isnan(proof.limit) else f", at most {proof.limit:.2g} allowed"
        number += ")"
    note = f"; {proof.note}" if proof.note else ""
    return f"{SIGNS[proof.status]:6}  {proof.statement}{number}{note}"
