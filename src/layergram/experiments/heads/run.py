"""Head maps from beginning to end: the analysis and the files."""

from __future__ import annotations

from pathlib import Path

from layergram.datasets.steps import StepSet
from layergram.execution.folder import run_folder
from layergram.execution.options import Execution
from layergram.experiments.heads.options import HeadMapOptions
from layergram.experiments.heads.pipeline import run_head_analysis
from layergram.experiments.heads.report import HeadMapResult, report
from layergram.experiments.heads.split import split_steps
from layergram.models.model import Model
from layergram.progress import Progress, no_progress


def head_maps(
    model: Model,
    steps: StepSet,
    *,
    out: str | Path | None = None,
    options: HeadMapOptions | None = None,
    execution: Execution | None = None,
    progress: Progress = no_progress,
) -> HeadMapResult:
    """Which attention heads have to do with which function, and what breaks without them.

    Args:
        model: the model.
        steps: labelled steps.
        out: a folder for the result and for everything that takes long, as it is made; an
            interrupted run resumes there. Without a folder nothing is kept.
        options: how to make them.
        execution: where the work is done: in this process, a share of it, or on Ray; the results
            are the same.
        progress: called with the name of a stage, how much of it is done, and how much there is.

    Returns:
        A result with ``maps`` ``importance``, ``contribution`` and ``head_auroc`` [function, layer,
        head], what masking does, and maps that need no labels; ``tables`` ``top_heads`` and
        ``masking``; ``sentences``; ``summary``; ``records["steps"]``.

    Raises:
        LayergramError: for a model without separate head outputs, too few steps, a folder of
            another run.
    """
    options = options or HeadMapOptions()
    split_steps(steps, options)
    with run_folder(execution, out, model) as folder:
        analysis = run_head_analysis(model, steps, folder, options=options, progress=progress)
        found = report(analysis, model)
        if folder is not None:
            found.save(folder.path)
    return found
