"""What is known of a lens before there is a model: from its name, the norm, and its file."""

from __future__ import annotations

from layergram.engine.lens_files import check_lens_file
from layergram.errors import LayergramError
from layergram.recipe import lens_asked


def check_lens_request(asked: str = "logit", *, norm: str = "final") -> tuple[str, str]:
    """Refuse a lens that no model can be read through, before a model is loaded.

    The numbers in its file are not read, so this is quick for a lens of any size.

    Args:
        asked: ``logit``, ``tuned:PATH`` or ``jacobian:PATH``.
        norm: ``final`` or ``none``.

    Returns:
        The kind of the lens and its path.

    Raises:
        LayergramError: for no such kind, a fitted lens without the final norm, a path without a
            lens, a lens of another kind, or a file that is no lens.
    """
    kind, path = lens_asked(asked)
    if kind == "logit":
        return kind, path
    if norm != "final":
        raise LayergramError(
            f"the {kind} lens without the final norm",
            got=f"norm = {norm!r}",
            allowed="final: it was fitted with it",
        )
    check_lens_file(kind, path)
    return kind, path
