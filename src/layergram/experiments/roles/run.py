"""A role map from beginning to end: the analysis, what it is good for, and the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layergram.datasets.labelled import LabelledSet
from layergram.datasets.questions import QuestionSet
from layergram.errors import LayergramError
from layergram.execution.folder import run_folder
from layergram.execution.options import Execution
from layergram.experiments.roles.applications import (
    FEWEST_FOR_TYPES,
    choice,
    choice_table,
    generalisation,
    types_of_errors,
    types_table,
)
from layergram.experiments.roles.labelled import analyse_texts
from layergram.experiments.roles.pipeline import RoleMapOptions, check_size, run_role_analysis
from layergram.experiments.roles.report import PLAIN, RoleMapResult, report
from layergram.experiments.sampler_runs import check_spread
from layergram.models.model import Model
from layergram.progress import Progress, no_progress


def role_map(
    model: Model,
    questions: QuestionSet | LabelledSet,
    *,
    out: str | Path | None = None,
    options: RoleMapOptions | None = None,
    also: Sequence[QuestionSet | LabelledSet] = (),
    save_probe: str | Path | None = None,
    execution: Execution | None = None,
    progress: Progress = no_progress,
) -> RoleMapResult:
    """Where in a model, and at which token, it shows that an answer is wrong.

    The model answers every question; its answers are judged; a linear probe per layer and token
    role learns to tell wrong answers from right ones by hidden states. For labelled texts nothing
    is asked: the probes learn to tell the set's own labels apart.

    Args:
        model: the model that answers and is looked into.
        questions: a question set (:func:`layergram.questions`), or labelled texts
            (:func:`layergram.labelled`).
        out: a folder for the result and for everything that takes long, as it is made; an
            interrupted run resumes there. Without a folder nothing is kept.
        options: how to make it. With ``samples`` drawn answers are compared too (``choice``), from
            6 on also the types of errors.
        also: other sets of the same kind: does a probe of one tell the classes of another apart?
        save_probe: a file (.npz) for the probe of the highest cell.
        execution: where the work is done: in this process, a share of it, or on Ray; the results
            are the same.
        progress: called with the name of a stage, how much of it is done, and how much there is.

    Returns:
        A result with ``maps["auroc"]`` [layer, role] and, where they were asked for,
        ``auroc_published``, ``auroc_random_weights``, ``generalisation``; ``tables`` ``baselines``,
        ``choice``, ``error_types``; ``sentences``; ``summary``; ``records["rows"]``, every
        answer, or every text, with its roles.

    Raises:
        LayergramError: for a set that is too small, fewer than 10 right or wrong answers with an
            exact answer, answers that vLLM samples on Ray, or a folder of another run.
    """
    options = options or RoleMapOptions()
    check_sets((questions, *also))
    if isinstance(questions, QuestionSet):
        check_spread(options.answers, execution)
    with run_folder(execution, out, model) as folder:
        analysis = (
            analyse_texts(model, questions, folder, options=options, progress=progress)
            if isinstance(questions, LabelledSet)
            else run_role_analysis(model, questions, folder, options=options, progress=progress)
        )
        found = report(analysis, model, options)
        if save_probe is not None:
            found.probe.save(Path(save_probe))
        if folder is not None:  # what follows can fail, and must not take this with it
            found.save(folder.path)
        if analysis.drawn:
            chosen = choice(analysis, model, folder, options=options, progress=progress)
            found.tables["choice"] = choice_table(chosen)
        if options.answers.samples >= FEWEST_FOR_TYPES:
            types, probed = types_of_errors(analysis, options=options)
            found.tables["error_types"] = types_table(types, probed)
            found.summary["error_types"] = types
        if also:
            matrix = generalisation(
                analysis, also, model, folder, options=options, progress=progress
            )
            found.maps["generalisation"] = matrix
            found.styles["generalisation"] = PLAIN
        if folder is not None:
            found.save(folder.path)
    return found


def check_sets(sets: Sequence[QuestionSet | LabelledSet]) -> None:
    """Refuse sets that no map, or no probe of one on the others, can be made of.

    Raises:
        LayergramError: for a question set that is too small, two sets of one name, sets of
            questions beside labelled ones, or labelled sets with other labels than the first.
    """
    names = [each.name for each in sets]
    if len(set(names)) < len(names):
        raise LayergramError(
            "a probe of one set on others",
            got=f"a set named twice: {', '.join(names)}",
            do="name each set once",
        )
    first = sets[0]
    for each in sets:
        if isinstance(each, QuestionSet):
            check_size(each)
        if isinstance(each, LabelledSet) != isinstance(first, LabelledSet):
            raise LayergramError(
                "a probe of one set on others",
                got=f"labelled texts beside questions: {', '.join(names)}",
                allowed="sets of one kind",
            )
        if isinstance(each, LabelledSet) and isinstance(first, LabelledSet):
            own, wanted = ([label.casefold() for label in one.labels] for one in (each, first))
            if own != wanted:
                raise LayergramError(
                    f"a probe of '{first.name}' on '{each.name}'",
                    got=f"the labels {' and '.join(each.labels)}",
                    allowed=" and ".join(first.labels),
                    do="give both sets the same labels",
                )
