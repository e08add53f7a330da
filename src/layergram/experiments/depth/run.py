"""Reasoning depth from beginning to end: sampled answers, their depths, tables and files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from layergram.answers.ask import AnswerOptions
from layergram.datasets.questions import QuestionSet
from layergram.experiments.depth.pipeline import DepthOptions, sample_depths
from layergram.experiments.depth.report import DepthResult, report
from layergram.models.model import Model
from layergram.progress import Progress, no_progress
from layergram.storage.folder import RunFolder


def depth(  # noqa: PLR0913
    model: Model,
    questions: QuestionSet,
    *,
    samples: int = 16,
    max_new_tokens: int = 64,
    g: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7),
    rho: float = 0.85,
    temperature: float = 1.0,
    chat: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    progress: Progress = no_progress,
) -> DepthResult:
    """At which layer the tokens of sampled answers settle, and whether deep answers are right.

    Answers are sampled and kept as token ids, then read again: the settling depth of a generated
    token is the first layer whose prediction of it comes within ``g`` bits of the model's own. The
    deep-thinking ratio (DTR) of an answer is the share of its tokens that settle at layer
    ceil(``rho`` · L) or later.

    Args:
        model: the model.
        questions: a question set (:func:`layergram.questions`).
        samples: answers per question, at least 2.
        max_new_tokens: largest length of an answer.
        g: thresholds in bits, above 0 and below 1. Figures, sentences and Think@n go by the one
            nearest to 0.5.
        rho: share of the layers below which a token is shallow. With the same folder and another
            rho nothing is asked or read again.
        temperature: of the draws of tokens, above 0.
        chat: ``"auto"`` uses the tokenizer's chat template if it has one, ``"template"`` insists
            on it, ``"plain"`` gives the question as it is.
        seed: of the sampled answers, the draws of Think@n and the intervals.
        out: a folder for the result and for everything that takes long, as it is made; an
            interrupted run resumes there. Without a folder nothing is kept.
        progress: called with the name of a stage, how much of it is done, and how much there is.

    Returns:
        A result with ``maps["settling_depths"]`` [layer], the share of generated tokens that settle
        at each layer, and ``accuracy_by_depth`` [bin] where the ratios fill five bins;
        ``tables`` ``scores`` (r over five bins, AUROC, point-biserial correlation, with 95 %
        intervals over questions) and ``selection`` (Think@n and others: accuracy and tokens);
        ``sentences``; ``summary``; ``records["answers"]``, which :func:`layergram.trace` takes as
        ``answer``.

    Raises:
        LayergramError: for options out of range, questions too long for the model, or a folder of
            another run.

    Source:
        Think Deep, Not Just Long (arXiv 2602.13517).
    """
    options = depth_options(
        samples=samples,
        max_new_tokens=max_new_tokens,
        g=g,
        rho=rho,
        temperature=temperature,
        chat=chat,
        seed=seed,
    )
    return run_depth(model, questions, out=out, options=options, progress=progress)


def depth_options(
    *,
    samples: int,
    max_new_tokens: int,
    g: Sequence[float],
    rho: float,
    temperature: float,
    chat: str,
    seed: int,
) -> DepthOptions:
    """The options of :func:`depth` together, refused if out of range."""
    asked = AnswerOptions(
        max_new_tokens=max_new_tokens,
        samples=samples,
        temperature=temperature,
        chat=chat,
        seed=seed,
    )
    return DepthOptions(asked, tuple(g), rho)


def run_depth(
    model: Model,
    questions: QuestionSet,
    *,
    out: str | Path | None = None,
    options: DepthOptions,
    progress: Progress = no_progress,
) -> DepthResult:
    """:func:`depth` with its options in one."""
    with nullcontext() if out is None else RunFolder(Path(out)) as folder:
        answers = sample_depths(model, questions, folder, options=options, progress=progress)
        found = report(answers, model, questions, options)
        if folder is not None:
            found.save(folder.path)
    return found
