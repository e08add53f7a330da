"""Lenses in files: our own, written and read, and the published formats, which are only read.

Our own is one ``lens.safetensors`` with JSON in its metadata. Published are the folder of the
tuned-lens library (``config.json`` and ``params.pt``) and the ``.pt`` file of the Jacobian lens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from layergram.engine.lens import JacobianLens, Lens, TunedLens
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.storage.files import write_whole

SCHEMA = 1
FILE = "lens.safetensors"
KINDS: dict[str, tuple[str, ...]] = {"tuned": ("weights", "biases"), "jacobian": ("jacobians",)}
"""Kind of lens -> its tensors, [L − 1, …] each."""

CLASSES: dict[str, Callable[..., Lens]] = {"tuned": TunedLens, "jacobian": JacobianLens}
UNREADABLE = (
    OSError,
    RuntimeError,
    SafetensorError,
    UnpicklingError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    AttributeError,
    IndexError,
)


@dataclass(frozen=True, eq=False)
class FittedLens:
    """A lens that was fitted to a model, with how it was made.

    Attributes:
        kind: ``tuned`` or ``jacobian``.
        tensors: its tensors by name, float32: ``weights`` [L − 1, d, d] and ``biases`` [L − 1, d],
            or ``jacobians`` [L − 1, d, d].
        about: how it was made, as plain data: ``model``, ``revision``, ``texts_digest``, options,
            and what the fit says about itself.
    """

    kind: str
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """``sha256:`` and 16 digits of the tensors."""
        made = hashlib.sha256(self.kind.encode())
        for name in KINDS[self.kind]:
            made.update(self.tensors[name].contiguous().numpy().tobytes())
        return f"sha256:{made.hexdigest()[:16]}"

    def of(self, model: Model, *, at: str = "residual") -> Lens:
        """The lens over a model's own norm and unembedding, of what ``at`` says.

        Raises:
            LayergramError: for another model than the one it was fitted to, and where the last
                layer is not read as the model reads it.
        """
        self._check(model)
        lens = CLASSES[self.kind](model.parts.readout, **self.tensors, at=at)
        h = torch.randn(2, model.parts.width, generator=torch.Generator().manual_seed(0))
        h = h.to(model.dtype).to(model.device)
        if not torch.equal(lens.transform(h, model.layers), h):
            raise LayergramError(
                f"the {self.kind} lens of the model '{model.name}'",
                got="a lens that changes the stream of the last layer",
                allowed="the identity there",
            )
        return lens

    def save(self, folder: str | Path, model: Model) -> Path:
        """Write ``lens.safetensors`` into a folder; the file appears only when it is whole.

        Raises:
            LayergramError: for a lens that is not this model's, or a folder that cannot be written.
        """
        self.of(model)
        about = {"schema": SCHEMA, "kind": self.kind, **self.about}
        tensors = {name: one.contiguous() for name, one in self.tensors.items()}
        text = json.dumps(about, ensure_ascii=False)
        path = Path(folder) / FILE
        write_whole(path, to_bytes(tensors, metadata={"layergram": text}))
        return path

    def _check(self, model: Model) -> None:
        layers, width = model.layers - 1, model.parts.width
        shapes = {"weights": (layers, width, width), "biases": (layers, width)}
        shapes["jacobians"] = shapes["weights"]
        found = {name: tuple(self.tensors[name].shape) for name in KINDS[self.kind]}
        wrong = next((name for name, shape in found.items() if shape != shapes[name]), None)
        if wrong is not None:
            shape = found[wrong]
            of = f"{shape[0] + 1} layers of width {shape[-1]}" if shape else "no layer at all"
            raise self._refusal(model, f"one for {of}")
        revision = self.about.get("revision")
        if revision is not None and revision != model.revision:
            name = self.about.get("model")
            raise self._refusal(model, f"one that was fitted to '{name}', revision {revision}")

    def _refusal(self, model: Model, got: str) -> LayergramError:
        return LayergramError(
            f"a {self.kind} lens on the model '{model.name}'",
            got=got,
            allowed=f"{model.layers} layers of width {model.parts.width}, "
            f"revision {model.revision}",
            do=f"fit one to this model: layergram fit-lens {self.kind}",
        )


def read_lens(kind: str, path: str | Path) -> FittedLens:
    """A lens of this kind out of a file or folder, our own or in its published format.

    Args:
        kind: ``tuned`` or ``jacobian``.
        path: ``lens.safetensors`` or its folder; for ``tuned`` also a folder with ``config.json``
            and ``params.pt``; for ``jacobian`` also a ``.pt`` file.

    Raises:
        LayergramError: for no such file, a lens of the other kind, or a file that cannot be read.
    """
    given = Path(path)
    with suppress(RuntimeError):  # no user of that name: a path like any other
        given = given.expanduser()
    own = given / FILE if given.is_dir() else given
    published = given if kind == "jacobian" else given / "params.pt"
    asked = f"the {kind} lens in '{path}'"
    if own.is_file() and own.suffix == ".safetensors":
        read: Callable[[Path], FittedLens] = _own
    elif published.is_file() and published.suffix == ".pt":
        own, read = published, {"tuned": _tuned_published, "jacobian": _jacobian_published}[kind]
    else:
        raise LayergramError(
            asked,
            got="no lens there",
            allowed=f"a folder with {FILE}, or "
            + ("config.json and params.pt" if kind == "tuned" else "a .pt file"),
            do=f"fit one: layergram fit-lens {kind}",
        )
    try:
        lens = read(own)
    except UNREADABLE as error:
        raise LayergramError(
            asked,
            got=f"a file that is no such lens ({type(error).__name__}: {str(error)[:200]})",
            do=f"check the file, or fit one: layergram fit-lens {kind}",
        ) from None
    if lens.kind != kind:
        raise LayergramError(asked, got=f"a {lens.kind} lens", do=f"ask for {lens.kind}:{path}")
    return lens


def _own(path: Path) -> FittedLens:
    with safe_open(path, framework="pt") as kept:
        about = json.loads((kept.metadata() or {})["layergram"])
        if about.pop("schema") != SCHEMA:
            raise ValueError("a layout of another version")
        kind = about.pop("kind")
        return FittedLens(kind, {name: kept.get_tensor(name) for name in KINDS[kind]}, about)


def _tuned_published(path: Path) -> FittedLens:
    """Translators of the tuned-lens library: number i reads the stream before layer i + 1.

    The first reads the embedding, which is no layer here.
    """
    config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
    state = torch.load(path, map_location="cpu", weights_only=True)
    layers = range(1, int(config["num_hidden_layers"]))
    weights = torch.stack([state[f"{layer}.weight"].float() for layer in layers])
    plain = torch.zeros(weights.shape[1])
    biases = [state.get(f"{layer}.bias", plain).float() for layer in layers]
    about = {
        "format": "tuned-lens",
        "model": config.get("base_model_name_or_path"),
        "published_revision": config.get("base_model_revision"),
    }
    return FittedLens("tuned", {"weights": weights, "biases": torch.stack(biases)}, about)


def _jacobian_published(path: Path) -> FittedLens:
    """Jacobians by the number of their layer from 0, each that of the final stream."""
    kept = torch.load(path, map_location="cpu", weights_only=True)
    found = kept["J"]
    if sorted(found) != list(range(len(found))):
        raise ValueError(f"Jacobians of the layers {sorted(found)}, not of all but the last")
    about = {"format": "jacobian-lens", "texts": kept.get("n_prompts")}
    jacobians = torch.stack([found[layer].float() for layer in sorted(found)])
    return FittedLens("jacobian", {"jacobians": jacobians}, about)
