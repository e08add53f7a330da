"""Lenses in files: our own, written and read, and the published formats, which are only read.

Our own is one ``lens.safetensors`` with JSON in its metadata. Published are the folder of the
tuned-lens library (``config.json`` and ``params.pt``) and the ``.pt`` file of the Jacobian lens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

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
"""Kind of lens -> the tensors that it has, [L − 1, …] each."""

OPTIONAL: dict[str, tuple[str, ...]] = {"tuned": (), "jacobian": ("offsets",)}
"""Kind of lens -> the tensors that it can have besides."""

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
            or ``jacobians`` [L − 1, d, d], and where a constant is added ``offsets`` [L − 1, d].
        about: how it was made, as plain data: ``model``, ``revision``, ``texts_digest``, options,
            and what the fit says about itself.
    """

    kind: str
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def _names(self) -> list[str]:
        return [*KINDS[self.kind], *(name for name in OPTIONAL[self.kind] if name in self.tensors)]

    @property
    def digest(self) -> str:
        """``sha256:`` and 16 digits of the tensors."""
        made = hashlib.sha256(self.kind.encode())
        for name in self._names:
            made.update(self.tensors[name].contiguous().numpy().tobytes())
        return f"sha256:{made.hexdigest()[:16]}"

    def of(self, model: Model, *, at: str = "residual") -> Lens:
        """The lens over a model's own norm and unembedding, of what ``at`` says.

        Offsets belong to whole streams: what single attention or MLP outputs say is read without.

        Raises:
            LayergramError: for another model than the one it was fitted to, and where the last
                layer is not read as the model reads it.
        """
        self._check(model)
        names = self._names if at == "residual" else KINDS[self.kind]
        own = {name: self.tensors[name] for name in names}
        lens = CLASSES[self.kind](model.parts.readout, **own, at=at)
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
        shapes |= {"jacobians": shapes["weights"], "offsets": shapes["biases"]}
        found = {name: tuple(self.tensors[name].shape) for name in self._names}
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
    file = check_lens_file(kind, path)
    with _refusing(kind, path):
        if file.suffix == ".safetensors":
            return _own(file)
        return {"tuned": _tuned_published, "jacobian": _jacobian_published}[kind](file)


def check_lens_file(kind: str, path: str | Path) -> Path:
    """Refuse a path at which there is no lens of this kind, without reading its numbers.

    Args:
        kind: ``tuned`` or ``jacobian``.
        path: as of :func:`read_lens`.

    Returns:
        The file with the tensors.

    Raises:
        LayergramError: for no such file, a lens of the other kind, or a file that is no lens.
    """
    given = Path(path)
    with suppress(RuntimeError):  # no user of that name: a path like any other
        given = given.expanduser()
    own = given / FILE if given.is_dir() else given
    published = given if kind == "jacobian" else given / "params.pt"
    if own.is_file() and own.suffix == ".safetensors":
        with _refusing(kind, path):
            found = _own_kind(own)
        if found != kind:
            raise LayergramError(
                _asked(kind, path), got=f"a {found} lens", do=f"ask for {found}:{path}"
            )
        return own
    if published.is_file() and published.suffix == ".pt":
        with _refusing(kind, path):
            _check_published(kind, published)
        return published
    raise LayergramError(
        _asked(kind, path),
        got="no lens there",
        allowed=f"a folder with {FILE}, or "
        + ("config.json and params.pt" if kind == "tuned" else "a .pt file"),
        do=f"fit one: layergram fit-lens {kind}",
    )


def _asked(kind: str, path: str | Path) -> str:
    return f"the {kind} lens in '{path}'"


@contextmanager
def _refusing(kind: str, path: str | Path) -> Iterator[None]:
    """A context in which a file that cannot be read as a lens is refused."""
    try:
        yield
    except UNREADABLE as error:
        raise LayergramError(
            _asked(kind, path),
            got=f"a file that is no such lens ({type(error).__name__}: {str(error)[:200]})",
            do=f"check the file, or fit one: layergram fit-lens {kind}",
        ) from None


def _about(kept: Any) -> dict[str, Any]:
    """What an open file of our own says about its lens."""
    about: dict[str, Any] = json.loads((kept.metadata() or {})["layergram"])
    if about.pop("schema") != SCHEMA:
        raise ValueError("a layout of another version")
    return about


def _own_kind(path: Path) -> str:
    """The kind of lens in a file of our own that has all tensors of that kind."""
    with safe_open(path, framework="pt") as kept:
        kind: str = _about(kept)["kind"]
        lacking = set(KINDS[kind]) - set(kept.keys())
    if lacking:
        raise ValueError(f"no {', '.join(sorted(lacking))}")
    return kind


def _check_published(kind: str, path: Path) -> None:
    """Raise what reading a published file would, as far as its names and numbers of layers say."""
    kept = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    if kind == "tuned":
        for layer in _tuned_layers(path):
            kept[f"{layer}.weight"]
    else:
        _jacobian_layers(kept)


def _own(path: Path) -> FittedLens:
    with safe_open(path, framework="pt") as kept:
        about = _about(kept)
        kind = about.pop("kind")
        names = [*KINDS[kind], *(name for name in OPTIONAL[kind] if name in set(kept.keys()))]
        return FittedLens(kind, {name: kept.get_tensor(name) for name in names}, about)


def _tuned_published(path: Path) -> FittedLens:
    """Translators of the tuned-lens library: number i reads the stream before layer i + 1.

    The first reads the embedding, which is no layer here.
    """
    config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
    state = torch.load(path, map_location="cpu", weights_only=True)
    layers = _tuned_layers(path)
    weights = torch.stack([state[f"{layer}.weight"].float() for layer in layers])
    plain = torch.zeros(weights.shape[1])
    biases = [state.get(f"{layer}.bias", plain).float() for layer in layers]
    about = {
        "format": "tuned-lens",
        "model": config.get("base_model_name_or_path"),
        "published_revision": config.get("base_model_revision"),
    }
    return FittedLens("tuned", {"weights": weights, "biases": torch.stack(biases)}, about)


def _tuned_layers(path: Path) -> range:
    """The numbers of the translators that are read, by the configuration beside the file."""
    config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
    return range(1, int(config["num_hidden_layers"]))


def _jacobian_layers(kept: Mapping[str, Any]) -> list[int]:
    """The layers of a published Jacobian lens, from 0: all but the last of the model."""
    found = sorted(kept["J"])
    if found != list(range(len(found))):
        raise ValueError(f"Jacobians of the layers {found}, not of all but the last")
    return found


def _jacobian_published(path: Path) -> FittedLens:
    """Jacobians by the number of their layer from 0, each that of the final stream."""
    kept = torch.load(path, map_location="cpu", weights_only=True)
    about = {"format": "jacobian-lens", "texts": kept.get("n_prompts")}
    jacobians = torch.stack([kept["J"][layer].float() for layer in _jacobian_layers(kept)])
    return FittedLens("jacobian", {"jacobians": jacobians}, about)
