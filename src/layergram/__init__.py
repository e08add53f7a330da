"""layergram: maps of what happens inside a language model, layer by layer.

    import layergram as lg

    model = lg.load("smollm2")
    maps = lg.trace(model, "The capital of France is Paris.")
    figure = lg.draw(maps["divergence"])
    print(lg.describe(maps["divergence"]))

What a name needs is imported when it is first used: showing maps never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergram.errors import LayergramError
    from layergram.figures import draw, save
    from layergram.maps import difference, read, write
    from layergram.models.load import load
    from layergram.recipe import Run
    from layergram.tracing import trace
    from layergram.words import describe

_HOMES = {
    "LayergramError": "errors",
    "Run": "recipe",
    "describe": "words",
    "difference": "maps",
    "draw": "figures",
    "load": "models.load",
    "read": "maps",
    "save": "figures",
    "trace": "tracing",
    "write": "maps",
}

__all__ = [
    "LayergramError",
    "Run",
    "describe",
    "difference",
    "draw",
    "load",
    "read",
    "save",
    "trace",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'layergram' has no attribute '{name}'")
    return getattr(import_module(f"layergram.{_HOMES[name]}"), name)
