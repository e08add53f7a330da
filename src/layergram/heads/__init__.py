"""Attention heads: labelled steps, what each head has to do with them, and what breaks without it.

Steps can be loaded, and a wrong request refused (:func:`load_steps`), before torch is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergram.heads.loading import load_steps
    from layergram.heads.steps import FUNCTIONS, Step, StepSet

_HOMES = {
    "FUNCTIONS": "steps",
    "Step": "steps",
    "StepSet": "steps",
    "load_steps": "loading",
}

__all__ = ["FUNCTIONS", "Step", "StepSet", "load_steps"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'layergram.heads' has no attribute '{name}'")
    return getattr(import_module(f"layergram.heads.{_HOMES[name]}"), name)
