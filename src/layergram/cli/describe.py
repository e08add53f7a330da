"""``layergram describe``: any map file -> words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    import xarray as xr

Switch = Annotated[bool, Parameter(negative="")]


def command(
    *files: Path,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    short: Switch = False,
    caption: Switch = False,
    alt: Switch = False,
    json: Switch = False,
    controls: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    part: Literal["all", "prompt", "answer", "without_template"] = "all",
    by: Literal["token", "word", "sentence"] = "token",
    value: str = "",
) -> None:
    """Put a map into words: overview, axes, details, key observations, interpretation.

    Every sentence is computed from the numbers and checked against them. What the numbers are is
    counted; what stands out is told where there is something to compare with, which is named.

    Args:
        files: map files: .nc, .zarr, .json, .csv or .tsv.
        out: file to write into, instead of the terminal.
        short: three sentences.
        caption: a caption for a paper: model, text, scale, what is shown.
        alt: one sentence of plain text per map, for the alt text of a picture.
        json: the facts themselves, as JSON: {"maps": [{"file", "measure", "numbers", …}]}.
        controls: maps of the same text by models with random weights, at least 19; what stands
            out is then what goes beyond all of them.
        part: describe the columns of the prompt, of the answer, or all but those that the chat
            template puts around the prompt.
        by: join the columns of tokens to words or sentences first.
        value: the column or variable with the values, where a file has several.
    """
    from layergram.errors import LayergramError
    from layergram.terminal import terminal_width, wrapped

    if not files:
        raise LayergramError(
            "a description", got="no map file", do="name at least one: layergram describe MAP.nc"
        )
    asked = {"short": short, "caption": caption, "alt": alt, "json": json}
    forms = [name for name, on in asked.items() if on]
    if len(forms) > 1:
        asked_for = " and ".join(f"--{name}" for name in forms)
        raise LayergramError(asked_for, got="several forms", allowed="one of them")
    from layergram import maps

    arrays = [maps.part_of(maps.read(path, value=value), part) for path in files]
    if by != "token":
        arrays = [maps.join_tokens(array, by=by) for array in arrays]
    text = _written(files, arrays, forms[0] if forms else "full", controls or [])
    if out is None:
        print(text if json else wrapped(text, terminal_width()), end="")
        return
    from layergram.maps import replacing

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LayergramError(
            f"to write '{out}'",
            got=str(error.strerror or error),
            do="choose a file in a folder that can be written",
        ) from None


def _written(
    files: tuple[Path, ...], arrays: list[xr.DataArray], form: str, controls: list[Path]
) -> str:
    import json

    from layergram import maps, words

    compared = [maps.read(path) for path in controls]
    if form == "alt":
        return "".join(f"{words.alt_text(array)}\n" for array in arrays)
    if form == "json":
        plain = [
            {"file": str(path), **words.facts_json(array, controls=compared)}
            for path, array in zip(files, arrays, strict=True)
        ]
        return json.dumps({"maps": plain}, ensure_ascii=False, indent=1) + "\n"
    written: dict[str, words.Form] = {"short": "short", "caption": "caption"}
    return "\n".join(
        words.describe(array, form=written.get(form, "full"), controls=compared) for array in arrays
    )
