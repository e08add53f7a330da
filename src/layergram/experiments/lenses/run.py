"""Fit a lens from beginning to end: texts, fit, what it gains, files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layergram.engine.lens_files import KINDS, FittedLens
from layergram.errors import LayergramError, unknown_name
from layergram.experiments.lenses.evaluation import COLUMNS, gain, lowered_map, middle
from layergram.experiments.lenses.jacobian import jacobian, offsets
from layergram.experiments.lenses.options import LensOptions
from layergram.experiments.lenses.pieces import Pieces, cut, own_texts
from layergram.experiments.lenses.tuned import tuned
from layergram.experiments.result import Result, rounded
from layergram.measures.lens import NAMES
from layergram.models.model import Model
from layergram.progress import Progress, no_progress


@dataclass(frozen=True, kw_only=True)
class LensResult(Result):
    """A fitted lens with what it gains.

    Attributes:
        lens: the lens; ``lens.save(folder, model)`` writes it.
    """

    lens: FittedLens


def fit_lens(
    model: Model,
    kind: str,
    texts: Iterable[str | Sequence[int]] | None = None,
    *,
    out: str | Path | None = None,
    options: LensOptions | None = None,
    progress: Progress = no_progress,
) -> LensResult:
    """Fit a tuned or a Jacobian lens to a model, and compare it with the logit lens on other texts.

    A tuned lens starts from the affine map of each layer's residual stream that comes nearest to
    the final one (weighted least squares with a ridge), and goes on by descent on the
    Kullback–Leibler divergence of its prediction from the model's own. A Jacobian lens is the mean
    derivative of the final stream with respect to a layer's, estimated from random directions, and
    by default a constant that carries the layer's mean stream to the mean final stream.

    Args:
        model: the model.
        kind: ``tuned`` or ``jacobian``.
        texts: texts, or token ids; by default texts that the model writes itself, from nothing, at
            temperature 1.
        out: a folder for ``lens.safetensors`` and what was found; by default nothing is written.
        options: how to fit.
        progress: called with the name of a stage, how much of it is done, and how much there is.

    Returns:
        A result with ``lens``; ``maps["divergence_lowered"]`` [layer], by how many bits the mean
        divergence of held-out texts from the final layer is lower than with the logit lens, with a
        95 % interval over texts; ``tables["layers"]`` with both means; ``sentences``;
        ``summary``, for a Jacobian lens with the standard error of each layer's matrix.

    Raises:
        LayergramError: for another kind, too few texts, pieces longer than the model's context, a
            model of one layer or an edited one, or a folder that cannot be written.
    """
    options = options or LensOptions()
    if kind not in KINDS:
        raise unknown_name("lens to fit", kind, KINDS)
    facts = model.provenance()
    if "edits" in facts:
        raise LayergramError(
            f"to fit a lens to the model '{model.name}'",
            got=f"an edited model ({facts['edits']})",
            do="fit it to the model as it is",
        )
    if model.layers < 2:
        raise LayergramError(
            f"to fit a lens to the model '{model.name}'",
            got="a model of one layer, which is the last one and read as the model reads it",
            allowed="at least 2 layers",
        )
    given = "texts"
    if texts is None:
        progress("own texts", 0, 1)
        texts, given = own_texts(model, seed=options.seed), "texts of the model itself"
        progress("own texts", 1, 1)
    pieces = cut(model, texts, length=options.length, held_out=options.held_out, seed=options.seed)
    about = {
        "model": model.name,
        "revision": model.revision,
        "dtype": facts["dtype"],
        "layers": model.layers,
        "width": model.parts.width,
        "layergram_version": model.fingerprint()["layergram_version"],
        "texts": given,
        "texts_digest": pieces.digest,
        "tokens": pieces.tokens,
        "options": asdict(options),
    }
    lens = _fitted(model, kind, pieces, options, about, progress)
    result = _report(model, lens, pieces, options, progress)
    if out is not None:
        lens.save(out, model)
        result.save(Path(out))
    return result


def _fitted(
    model: Model,
    kind: str,
    pieces: Pieces,
    options: LensOptions,
    about: dict[str, Any],
    progress: Progress,
) -> FittedLens:
    if kind == "tuned":
        return FittedLens(kind, tuned(model, pieces, options, progress), about)
    found = jacobian(model, pieces, options, progress)
    errors = [round(float(one), 4) for one in found.error]
    tensors = {"jacobians": found.mean}
    if options.around == "mean":
        progress("mean streams", 0, 1)
        tensors["offsets"] = offsets(model, pieces, found.mean)
        progress("mean streams", 1, 1)
    return FittedLens(kind, tensors, {**about, "standard_error": errors})


def _report(
    model: Model, lens: FittedLens, pieces: Pieces, options: LensOptions, progress: Progress
) -> LensResult:
    """What the lens gains on the held-out texts."""
    progress("held-out texts", 0, 1)
    over = lens.of(model)
    found = gain(model, pieces.held_out, over)
    table, in_middle = found.table(), found.of_middle()
    progress("held-out texts", 1, 1)
    kept = {name: rounded(value) for name, value in in_middle.items()}
    texts = len(pieces.held_out)
    own = middle(model.layers)
    layers = f"layers {own[0]} to {own[-1]}" if len(own) > 1 else f"layer {own[0]}"
    usual, fitted, lowered, low, high = (in_middle[name] for name in COLUMNS[1:])
    interval = f" ({low:z.3f} to {high:z.3f}, 95 % over texts)" if texts > 1 else ""
    around = {"mean": " around the mean streams", "zero": " around zero"}[options.around]
    form = around if lens.kind == "jacobian" else ""
    sentences = [
        f"{NAMES[lens.kind]}{form} of {model.name}, fitted on {pieces.tokens:,} tokens; "
        f"digest {lens.digest}.",
        f"On {texts} held-out text{'' if texts == 1 else 's'} the mean divergence of {layers} from "
        f"the final layer is {fitted:z.3f} bit, with the logit lens {usual:z.3f}: lower by "
        f"{lowered:z.3f}{interval}.",
    ]
    if texts == 1:
        sentences.append("One text gives no interval: fit on more texts, or hold more of them out.")
    errors = lens.about.get("standard_error")
    if errors:
        sentences.append(
            f"The standard error of a layer's Jacobian is {min(errors):.1%} to {max(errors):.1%} "
            "of its size (Frobenius norm)."
        )
    made_from = {**model.provenance(), "seed": options.seed, "options": asdict(options)}
    return LensResult(
        title=f"A {NAMES[lens.kind]}",
        maps={"divergence_lowered": lowered_map(table, lens.kind, texts, made_from)},
        tables={"layers": table},
        sentences=[f"{one[0].upper()}{one[1:]}" for one in sentences],
        summary={**lens.about, "kind": lens.kind, "digest": lens.digest, "middle": kept},
        lens=lens,
    )
