"""Attention heads: labelled steps, what each head has to do with them, and what breaks without it.

Steps can be loaded, and a wrong request refused (:func:`load_steps`), before torch is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergram.heads.causal import causal_test
    from layergram.heads.effects import causal_matrix
    from layergram.heads.loading import load_steps
    from layergram.heads.masking import Masking
    from layergram.heads.means import mean_outputs
    from layergram.heads.scoring import scores
    from layergram.heads.steering import compare, random_steering, steering_edit
    from layergram.heads.steps import FUNCTIONS, Step, StepSet
    from layergram.heads.sweep import measure_gauge, score_gauge, sweep_heads
    from layergram.heads.unlabelled import head_maps

_HOMES = {
    "FUNCTIONS": "steps",
    "Masking": "masking",
    "Step": "steps",
    "StepSet": "steps",
    "causal_matrix": "effects",
    "causal_test": "causal",
    "compare": "steering",
    "head_maps": "unlabelled",
    "load_steps": "loading",
    "mean_outputs": "means",
    "measure_gauge": "sweep",
    "random_steering": "steering",
    "score_gauge": "sweep",
    "scores": "scoring",
    "steering_edit": "steering",
    "sweep_heads": "sweep",
}

__all__ = [
    "FUNCTIONS",
    "Masking",
    "Step",
    "StepSet",
    "causal_matrix",
    "causal_test",
    "compare",
    "head_maps",
    "load_steps",
    "mean_outputs",
    "measure_gauge",
    "random_steering",
    "score_gauge",
    "scores",
    "steering_edit",
    "sweep_heads",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'layergram.heads' has no attribute '{name}'")
    return getattr(import_module(f"layergram.heads.{_HOMES[name]}"), name)
