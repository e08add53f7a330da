"""What was found and proved about a model before, kept in the cache folder.

Finding the parts of a model and proving them takes a few forward passes. For the same weights,
configuration, types, library versions and code of this folder the outcome is the same, so it is
kept; ``layergram check`` tries everything out anew.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from layergram.maps import layergram_version, replacing
from layergram.models.locate import ACTIVATIONS
from layergram.models.parts import Parts, Proof, Readout
from layergram.models.sources.cache import cache_folder
from layergram.models.sources.open import Source

Known = tuple[Parts, tuple[Proof, ...]]


def recall(source: Source) -> Known | None:
    """The parts and proofs of a model from files; ``None`` if they are not known, or damaged."""
    path = _path(source)
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return _parts(source.model, found["parts"]), tuple(Proof(**one) for one in found["proofs"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def keep(source: Source, parts: Parts, proofs: tuple[Proof, ...]) -> None:
    """Keep the parts and proofs of a model from files, if none failed and there is a place."""
    path = _path(source)
    if path is None or any(proof.status == "failed" for proof in proofs):
        return
    plain = {"parts": _plain(parts), "proofs": [asdict(proof) for proof in proofs]}
    with suppress(OSError, KeyError):  # a part without a name in the model cannot be found again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(plain), encoding="utf-8")


def _path(source: Source) -> Path | None:
    if not source.from_files:
        return None
    model = source.model
    facts = [
        layergram_version(),
        _digest_of_code(),
        transformers.__version__,
        torch.__version__,
        source.revision,
        model.config.to_json_string(use_diff=False),
        model.config._attn_implementation,
        str(model.dtype),
        model.device.type,
    ]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return cache_folder() / "proofs" / f"{digest[:32]}.json"


@cache
def _digest_of_code() -> str:
    """Changes with any file of this folder, so that no change of a proof goes unseen."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _plain(parts: Parts) -> dict[str, Any]:
    def named(modules: tuple[torch.nn.Module | None, ...]) -> list[str | None]:
        return [None if module is None else parts.names[module] for module in modules]

    readout = parts.readout
    path = [ACTIVATIONS.index(m) if m in ACTIVATIONS else parts.names[m] for m in readout.path]
    facts = ("way", "heads", "kv_groups", "head_widths", "width", "positions")
    return {
        "layers": named(parts.layers),
        "attention": named(parts.attention),
        "projections": named(parts.projections),
        **{name: getattr(parts, name) for name in facts},
        "readout": {
            "path": path,
            "unembedding": parts.names[readout.unembedding],
            "scale": readout.scale,
            "cap": readout.cap,
            "vocabulary": readout.vocabulary,
            "dtype": str(readout.dtype).removeprefix("torch."),
        },
    }


def _parts(network: Any, plain: dict[str, Any]) -> Parts:
    def modules(names: list[str | None]) -> tuple[torch.nn.Module | None, ...]:
        return tuple(None if name is None else network.get_submodule(name) for name in names)

    def whole(name: str) -> tuple[int, ...] | None:
        return None if plain[name] is None else tuple(plain[name])

    read = plain["readout"]
    path = tuple(
        ACTIVATIONS[step] if isinstance(step, int) else network.get_submodule(step)
        for step in read["path"]
    )
    readout = Readout(
        path,
        network.get_submodule(read["unembedding"]),
        read["scale"],
        read["cap"],
        read["vocabulary"],
        getattr(torch, read["dtype"]),
    )
    return Parts(
        layers=modules(plain["layers"]),  # type: ignore[arg-type]
        attention=modules(plain["attention"]),
        way=plain["way"],
        heads=tuple(plain["heads"]),
        kv_groups=whole("kv_groups"),
        head_widths=tuple(plain["head_widths"]),
        projections=modules(plain["projections"]),
        readout=readout,
        width=plain["width"],
        names={module: path for path, module in network.named_modules()},
        positions=plain["positions"],
    )
