"""Linear probes: what a model's hidden states say about its answers, with error and controls."""

from layergram.probes.evaluation import Evaluation, evaluate
from layergram.probes.paper import paper
from layergram.probes.results import map_of

__all__ = ["Evaluation", "evaluate", "map_of", "paper"]
