"""Linear probes: which classes features tell apart, with error and controls."""

from layergram.probes.calibration import calibration, calibration_record
from layergram.probes.choice import STRATEGIES, choose
from layergram.probes.comparison import Difference, OutOfFold, compare, cross_fit, out_of_fold
from layergram.probes.crossfit import Evaluation
from layergram.probes.errors_by_type import ERROR_TYPES, error_types, probe_types
from layergram.probes.evaluation import evaluate, evaluate_each
from layergram.probes.probe import Probe, fit, load_probe
from layergram.probes.published_recipe import published_recipe
from layergram.probes.regions import difference_map, region
from layergram.probes.results import map_of
from layergram.probes.transfer import generalisation

__all__ = [
    "ERROR_TYPES",
    "STRATEGIES",
    "Difference",
    "Evaluation",
    "OutOfFold",
    "Probe",
    "calibration",
    "calibration_record",
    "choose",
    "compare",
    "cross_fit",
    "difference_map",
    "error_types",
    "evaluate",
    "evaluate_each",
    "fit",
    "generalisation",
    "load_probe",
    "map_of",
    "out_of_fold",
    "probe_types",
    "published_recipe",
    "region",
]
