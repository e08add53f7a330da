"""Reasoning depth from beginning to end: sampled answers, their depths, tables and files."""

from __future__ import annotations

from pathlib import Path

from layergram.datasets.questions import QuestionSet
from layergram.execution.folder import run_folder
from layergram.execution.options import Execution
from layergram.experiments.depth.early import FIRST_TOKENS, think_early
from layergram.experiments.depth.pipeline import DepthOptions, sample_depths
from layergram.experiments.depth.report import DepthResult, report
from layergram.experiments.sampler_runs import check_spread
from layergram.models.model import Model
from layergram.progress import Progress, no_progress
from layergram.storage.folder import refuse_stages


def depth(
    model: Model,
    questions: QuestionSet,
    *,
    out: str | Path | None = None,
    options: DepthOptions | None = None,
    execution: Execution | None = None,
    progress: Progress = no_progress,
) -> DepthResult:
    """At which layer the tokens of sampled answers settle, and whether deep answers are right.

    Answers are sampled and kept as token ids, then read again: the settling depth of a generated
    token is the first layer whose prediction of it comes within g bits of the model's own. The
    deep-thinking ratio (DTR) of an answer is the share of its tokens that settle at layer
    ceil(ρ · L) or later.

    Args:
        model: the model.
        questions: a question set (:func:`layergram.questions`).
        out: a folder for the result and for everything that takes long, as it is made; an
            interrupted run resumes there. Without a folder nothing is kept.
        options: how to sample and measure. With the same folder and another ``rho`` nothing is
            asked or read again.
        execution: where the work is done: in this process, a share of it, or on Ray; the results
            are the same.
        progress: called with the name of a stage, how much of it is done, and how much there is.

    Returns:
        A result with ``maps["settling_depths"]`` [layer], the share of generated tokens that settle
        at each layer, ``accuracy_by_depth`` [bin] where the ratios fill five bins, and
        ``answer``, the divergence [layer, token] of the answer with the median ratio;
        ``tables`` ``scores`` (r over five bins, AUROC, point-biserial correlation, with 95 %
        intervals over questions) and ``selection`` (Think@n and others: accuracy and tokens);
        ``sentences``; ``summary``; ``records["answers"]``, which :func:`layergram.trace` takes as
        ``answer``. With ``stop_early`` the map is of the first tokens, there is the table
        ``selection`` alone, and ``records["stopped"]`` are the answers that were not completed.

    Raises:
        LayergramError: for options out of range, questions too long for the model, answers that
            vLLM samples on Ray, or a folder of another run.

    Source:
        Think Deep, Not Just Long (arXiv 2602.13517).
    """
    options = options or DepthOptions()
    check_spread(options.answers, execution)
    if out is not None:
        check_folder(Path(out), options)
    with run_folder(execution, out, model) as folder:
        if options.stop_early:
            found = think_early(model, questions, folder, options=options, progress=progress)
        else:
            answers = sample_depths(model, questions, folder, options=options, progress=progress)
            found = report(answers, model, questions, options)
        if folder is not None:
            found.save(folder.path)
    return found


def check_folder(out: Path, options: DepthOptions) -> None:
    """Refuse a folder of the other way to sample, whose later stages would not fit."""
    if options.stop_early:
        other, asked = "answers", "answers that are stopped early"
    else:
        other, asked = FIRST_TOKENS, "answers that are all completed"
    refuse_stages(out, lambda name: name == other, asked)
