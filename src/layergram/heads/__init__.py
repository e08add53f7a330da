"""Attention heads: labelled steps, what each head has to do with them, and what breaks without it.

Steps can be loaded, and a wrong request refused (:func:`load_steps`), before torch is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergram.heads.alone import head_probes
    from layergram.heads.causal import causal_test
    from layergram.heads.choosing import top_heads
    from layergram.heads.effects import causal_matrix
    from layergram.heads.features import ANSWER_TOKENS, check_answer_tokens, head_outputs
    from layergram.heads.joint import Training, joint_probes
    from layergram.heads.loading import load_steps
    from layergram.heads.making import Headed, Recipe, check_split, heads_of
    from layergram.heads.masking import Masking
    from layergram.heads.means import mean_outputs
    from layergram.heads.reading import readings
    from layergram.heads.scoring import scores
    from layergram.heads.steering import compare, random_steering, steering_edit
    from layergram.heads.steps import FUNCTIONS, Step, StepSet
    from layergram.heads.sweep import measure_gauge, score_gauge, sweep_heads
    from layergram.heads.telling import sentences, summary
    from layergram.heads.unlabelled import head_maps
    from layergram.heads.writing import write

_HOMES = {
    "ANSWER_TOKENS": "features",
    "FUNCTIONS": "steps",
    "Headed": "making",
    "Masking": "masking",
    "Recipe": "making",
    "Step": "steps",
    "StepSet": "steps",
    "Training": "joint",
    "causal_matrix": "effects",
    "causal_test": "causal",
    "check_answer_tokens": "features",
    "check_split": "making",
    "compare": "steering",
    "head_maps": "unlabelled",
    "head_outputs": "features",
    "head_probes": "alone",
    "heads_of": "making",
    "joint_probes": "joint",
    "load_steps": "loading",
    "mean_outputs": "means",
    "measure_gauge": "sweep",
    "random_steering": "steering",
    "readings": "reading",
    "score_gauge": "sweep",
    "scores": "scoring",
    "sentences": "telling",
    "steering_edit": "steering",
    "summary": "telling",
    "sweep_heads": "sweep",
    "top_heads": "choosing",
    "write": "writing",
}

__all__ = [
    "ANSWER_TOKENS",
    "FUNCTIONS",
    "Headed",
    "Masking",
    "Recipe",
    "Step",
    "StepSet",
    "Training",
    "causal_matrix",
    "causal_test",
    "check_answer_tokens",
    "check_split",
    "compare",
    "head_maps",
    "head_outputs",
    "head_probes",
    "heads_of",
    "joint_probes",
    "load_steps",
    "mean_outputs",
    "measure_gauge",
    "random_steering",
    "readings",
    "score_gauge",
    "scores",
    "sentences",
    "steering_edit",
    "summary",
    "sweep_heads",
    "top_heads",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'layergram.heads' has no attribute '{name}'")
    return getattr(import_module(f"layergram.heads.{_HOMES[name]}"), name)
