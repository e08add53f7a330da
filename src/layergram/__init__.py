"""layergram: maps of what happens inside a language model, layer by layer.

    import layergram as lg

    model = lg.load("smollm2")
    maps = lg.trace(model, "The capital of France is Paris.")
    lg.show(maps["divergence"])

What a name needs is imported when it is first used: showing maps never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from layergram.lazy import imported

if TYPE_CHECKING:
    from layergram.answers.ask import AnswerOptions as AnswerOptions
    from layergram.answers.judge import judge as judge
    from layergram.datasets.labelled import labelled as labelled
    from layergram.datasets.questions import questions as questions
    from layergram.datasets.step_sequences import step_sequences as step_sequences
    from layergram.datasets.steps import steps as steps
    from layergram.errors import LayergramError as LayergramError
    from layergram.execution.options import Execution as Execution
    from layergram.experiments.averages.run import average_maps as average_maps
    from layergram.experiments.depth.pipeline import DepthOptions as DepthOptions
    from layergram.experiments.depth.run import depth as depth
    from layergram.experiments.heads.options import HeadMapOptions as HeadMapOptions
    from layergram.experiments.heads.patterns import attention_patterns as attention_patterns
    from layergram.experiments.heads.run import head_maps as head_maps
    from layergram.experiments.lenses.options import LensOptions as LensOptions
    from layergram.experiments.lenses.run import fit_lens as fit_lens
    from layergram.experiments.plans import plan as plan
    from layergram.experiments.roles.applications import predict_wrong as ask  # noqa: F401
    from layergram.experiments.roles.over import probe_over as probe_over
    from layergram.experiments.roles.pipeline import RoleMapOptions as RoleMapOptions
    from layergram.experiments.roles.run import role_map as role_map
    from layergram.export import save_page as save_page
    from layergram.export import show as show
    from layergram.features.head_outputs import head_outputs as head_outputs
    from layergram.features.hidden_states import FeatureSpec as FeatureSpec
    from layergram.figures import Style as Style
    from layergram.figures import draw as draw
    from layergram.figures import save as save
    from layergram.interventions.causal_test import causal_test as causal_test
    from layergram.interventions.masking import Masking as Masking
    from layergram.interventions.mean_outputs import mean_outputs as mean_outputs
    from layergram.interventions.steering import compare_edits as compare_edits
    from layergram.interventions.steering import random_steering as random_steering
    from layergram.interventions.steering import steering_edit as steering_edit
    from layergram.interventions.sweep import measure_metric as measure_metric
    from layergram.interventions.sweep import score_metric as score_metric
    from layergram.interventions.sweep import sweep_heads as sweep_heads
    from layergram.maps import difference as difference
    from layergram.maps import join_tokens as join_tokens
    from layergram.maps import part_of as part_of
    from layergram.maps import read as read
    from layergram.maps import write as write
    from layergram.models.edits import HeadEdit as HeadEdit
    from layergram.models.edits import edited as edited
    from layergram.models.load import examine as check  # noqa: F401
    from layergram.models.load import load as load
    from layergram.notebook import explore as explore
    from layergram.probes import Evaluation as Evaluation
    from layergram.probes import load_probe as load_probe
    from layergram.recipe import Run as Run
    from layergram.storage.verify import verify as verify
    from layergram.tracing import stream as stream
    from layergram.tracing import trace as trace
    from layergram.words import describe as describe

    diff = difference

_HOMES = {
    "AnswerOptions": "answers.ask",
    "DepthOptions": "experiments.depth.pipeline",
    "Evaluation": "probes",
    "Execution": "execution.options",
    "FeatureSpec": "features.hidden_states",
    "HeadEdit": "models.edits",
    "HeadMapOptions": "experiments.heads.options",
    "LayergramError": "errors",
    "LensOptions": "experiments.lenses.options",
    "Masking": "interventions.masking",
    "RoleMapOptions": "experiments.roles.pipeline",
    "Run": "recipe",
    "Style": "figures",
    "ask": "experiments.roles.applications:predict_wrong",
    "attention_patterns": "experiments.heads.patterns",
    "average_maps": "experiments.averages.run",
    "causal_test": "interventions.causal_test",
    "check": "models.load:examine",
    "compare_edits": "interventions.steering",
    "depth": "experiments.depth.run",
    "describe": "words",
    "diff": "maps:difference",
    "difference": "maps",
    "draw": "figures",
    "edited": "models.edits",
    "explore": "notebook",
    "fit_lens": "experiments.lenses.run",
    "head_maps": "experiments.heads.run",
    "head_outputs": "features.head_outputs",
    "join_tokens": "maps",
    "judge": "answers.judge",
    "labelled": "datasets.labelled",
    "load": "models.load",
    "load_probe": "probes",
    "mean_outputs": "interventions.mean_outputs",
    "measure_metric": "interventions.sweep",
    "part_of": "maps",
    "plan": "experiments.plans",
    "probe_over": "experiments.roles.over",
    "questions": "datasets.questions",
    "random_steering": "interventions.steering",
    "read": "maps",
    "role_map": "experiments.roles.run",
    "save": "figures",
    "save_page": "export",
    "score_metric": "interventions.sweep",
    "show": "export",
    "steering_edit": "interventions.steering",
    "step_sequences": "datasets.step_sequences",
    "steps": "datasets.steps",
    "stream": "tracing",
    "sweep_heads": "interventions.sweep",
    "trace": "tracing",
    "verify": "storage.verify",
    "write": "maps",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("layergram.maps").layergram_version()
    return imported(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
