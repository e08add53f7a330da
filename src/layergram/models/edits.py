"""Edits: go on with other head outputs than a model's own, until a block ends.

An edit lives in a context manager and is gone after it, also after an exception. It acts at the
input of a layer's output projection, where the heads' outputs lie side by side, so whatever else is
done inside the block (tracing, scoring, generating) sees the edited model::

    with edited(model, HeadEdit(heads=((3, 1), (3, 4)))):
        maps = trace(model, "The capital of France is Paris.")
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from layergram.errors import LayergramError, unknown_name
from layergram.models.parts import Parts, WithParts

HOW = {
    "zero": "the output is 0",
    "scale": "the output is multiplied by a factor",
    "mean": "the output is replaced by a given vector, such as its mean over texts",
    "add": "a given vector is added to the output",
}
"""What can be done to a head's output, in words."""

POSITIONS = {
    "every": "at every position",
    "last": "at the last position of each forward pass",
}
"""Where in a text it can be done, in words."""

MASK = 1e-4
"""Factor that masks a head in the published work (arXiv:2512.10978)."""

Head = tuple[int, int]


@dataclass(frozen=True, eq=False)
class HeadEdit:
    """What is done to the outputs of some heads.

    Attributes:
        heads: the heads, each as its layer (from 1) and its number in the layer (from 0).
        how: ``zero``, ``scale``, ``mean`` or ``add`` (:data:`HOW`).
        factor: of ``scale``; 1 changes nothing.
        vectors: of ``mean`` and ``add``: for each head, in order, d_head numbers.
        positions: ``every``, or ``last`` for the last position of each forward pass alone: while a
            model generates, the token that it is at.

    Example:
        >>> HeadEdit(heads=((3, 1), (3, 4), (5, 0)), how="scale", factor=0.5).words
        'scale by 0.5: layer 3, heads 1 and 4; layer 5, head 0'
    """

    heads: tuple[Head, ...]
    how: str = "zero"
    factor: float = MASK
    vectors: Sequence[Any] = ()
    positions: str = "every"

    def __post_init__(self) -> None:
        """Refuse what is no edit of any model."""
        heads = tuple((int(layer), int(head)) for layer, head in self.heads)
        object.__setattr__(self, "heads", heads)
        object.__setattr__(self, "vectors", tuple(map(_on_cpu, self.vectors)))
        if self.how not in HOW:
            raise unknown_name("edit of a head", self.how, HOW)
        if self.positions not in POSITIONS:
            raise unknown_name("place of an edit", self.positions, POSITIONS)
        if not self.heads:
            raise LayergramError("an edit of heads", got="no head", do="name a layer and a head")
        twice = sorted({head for head in self.heads if self.heads.count(head) > 1})
        if twice:
            raise LayergramError(
                f"the edit '{self.how}' of {named(self.heads)}",
                got=f"{named(twice)} more than once",
                allowed="every head once",
            )
        wanted = len(self.heads) if self.how in ("mean", "add") else 0
        if len(self.vectors) != wanted:
            raise LayergramError(
                f"the edit '{self.how}' of {named(self.heads)}",
                got=f"{len(self.vectors)} vectors",
                allowed="one vector per head" if wanted else "none: vectors belong to mean and add",
            )

    @property
    def words(self) -> str:
        """The edit in words, as maps made under it carry them."""
        what = {"scale": f"scale by {self.factor:g}"}.get(self.how, self.how)
        if self.vectors:
            numbers = b"".join(vector.numpy().tobytes() for vector in self.vectors)
            what += f" (vectors {hashlib.sha256(numbers).hexdigest()[:12]})"
        where = "" if self.positions == "every" else f", {POSITIONS[self.positions]}"
        return f"{what}: {named(self.heads)}{where}"


def named(heads: Sequence[Head]) -> str:
    """Heads in words.

    Example:
        >>> named([(5, 0), (3, 4), (3, 1)])
        'layer 3, heads 1 and 4; layer 5, head 0'
    """
    of_layer: dict[int, list[int]] = {}
    for layer, head in sorted(heads):
        of_layer.setdefault(layer, []).append(head)
    return "; ".join(
        f"layer {layer}, head {found[0]}"
        if len(found) == 1
        else f"layer {layer}, heads {', '.join(map(str, found[:-1]))} and {found[-1]}"
        for layer, found in of_layer.items()
    )


# What is in force, by the first layer of the model that it is in force in.
_in_force: WeakKeyDictionary[nn.Module, dict[object, HeadEdit]] = WeakKeyDictionary()


@contextmanager
def edited(model: WithParts, *edits: HeadEdit) -> Iterator[None]:
    """The model's heads are edited until the block ends; later edits act on what earlier ones left.

    Raises:
        LayergramError: for a layer or head that the model does not have, a layer whose heads'
            outputs do not lie side by side, or vectors of another size than the head's.
    """
    in_force = _in_force.setdefault(model.parts.layers[0], {})
    with ExitStack() as stack:
        for edit in edits:
            stack.enter_context(heads_edited(model.parts, edit))
            in_force[mark := object()] = edit
            stack.callback(in_force.pop, mark)
        yield


def edits_in_force(model: WithParts) -> tuple[str, ...]:
    """The edits that act on a model now, in words, in the order in which they act."""
    return tuple(edit.words for edit in _in_force.get(model.parts.layers[0], {}).values())


def record_of_edits(model: WithParts) -> dict[str, str]:
    """``{"edits": words}`` for what is made of a model now; nothing where no edit is in force."""
    edits = edits_in_force(model)
    return {"edits": "; then ".join(edits)} if edits else {}


@contextmanager
def heads_edited(parts: Parts, edit: HeadEdit) -> Iterator[None]:
    """One edit by a model's parts alone, unknown to :func:`edits_in_force`."""
    with ExitStack() as stack:
        for layer in sorted({layer for layer, _ in edit.heads}):
            places = [at for at, (own, _) in enumerate(edit.heads) if own == layer]
            projection = _checked(parts, edit, layer, places)
            hook = _hook(edit, places, heads=parts.heads[layer - 1])
            stack.callback(projection.register_forward_pre_hook(hook).remove)
        yield


def _hook(edit: HeadEdit, places: Sequence[int], *, heads: int) -> Callable[..., Any]:
    """Edits the input of one layer's output projection, [n, tokens, heads · d_head]."""
    own = [edit.heads[at][1] for at in places]
    rows = slice(-1, None) if edit.positions == "last" else slice(None)
    vectors = torch.stack([edit.vectors[at] for at in places]) if edit.vectors else None

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        outputs = args[0].clone().unflatten(-1, (heads, -1))
        before = outputs[:, rows, own]
        if vectors is None:
            factor = 0.0 if edit.how == "zero" else edit.factor
            outputs[:, rows, own] = before * factor
        else:
            given = vectors.to(before)
            outputs[:, rows, own] = (
                given.expand_as(before) if edit.how == "mean" else before + given
            )
        return (outputs.flatten(-2), *args[1:])

    return hook


def editable_heads(parts: Parts) -> tuple[Head, ...]:
    """All heads whose outputs can be edited, (layer, head), layer by layer."""
    return tuple(
        (layer, head)
        for layer, (projection, heads) in enumerate(
            zip(parts.projections, parts.heads, strict=True), start=1
        )
        if projection is not None
        for head in range(heads)
    )


def _checked(parts: Parts, edit: HeadEdit, layer: int, places: Sequence[int]) -> nn.Module:
    """The output projection of a layer, if the edit of its heads is possible."""
    heads = [edit.heads[at] for at in places]
    asked = f"the edit '{edit.how}' of {named(heads)}"
    last = len(parts.layers)
    if not 1 <= layer <= last:
        raise LayergramError(
            asked, got=f"a model of {last} layers", allowed=f"layers 1 to {last}", do="count from 1"
        )
    projection = parts.projections[layer - 1]
    if projection is None:
        possible = sorted({own for own, _ in editable_heads(parts)})
        raise LayergramError(
            asked,
            got=f"a layer {layer} whose heads' outputs do not lie side by side",
            allowed=f"layers {', '.join(map(str, possible))}" if possible else "",
            do="choose one of these layers" if possible else "choose another model",
        )
    count, width = parts.heads[layer - 1], parts.head_widths[layer - 1]
    if not all(0 <= head < count for _, head in heads):
        raise LayergramError(
            asked,
            got=f"a layer {layer} of {count} heads",
            allowed=f"heads 0 to {count - 1}",
            do="count from 0",
        )
    shapes = {tuple(edit.vectors[at].shape) for at in places if edit.vectors}
    if shapes - {(width,)}:
        raise LayergramError(
            asked,
            got=f"vectors of shape {', '.join(map(str, sorted(shapes)))}",
            allowed=f"shape ({width},): the numbers that a head of layer {layer} hands on",
        )
    return projection


def _on_cpu(vector: Any) -> Tensor:
    return torch.as_tensor(vector, dtype=torch.float32, device="cpu").detach()
