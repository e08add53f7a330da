"""Scales: from values to colours, with limits and ticks that are printed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layergram.errors import NEAR, LayergramError
from layergram.figures.spec import Scale, Values
from layergram.figures.style import Style
from layergram.figures.ticks import (
    apart,
    arms,
    clean,
    on_ticks,
    round_factors,
    round_limits,
    ticks_between,
)

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

DECADES = 6  # a log scale reaches at most this far down
HEAVY_TAIL = 1.3  # head maps: beyond this multiple of the 99th percentile the top is clipped
TOWERING = 3.0  # the same of token maps whose measure has no largest value
PALETTES = {"token": "YlOrBr", "role": "Blues", "head": "viridis"}
DIVERGING = "RdBu_r"
SUGGESTED = (
    *("YlOrBr", "Blues", "viridis", "cividis", "inferno", "Greys"),
    *("RdBu_r", "PuOr_r", "BrBG_r"),
)


def scale_for(
    panels: Sequence[Values],
    attrs: dict[str, Any],
    *,
    style: Style,
    columns: str,
    rows: str = "layer",
    basis: Sequence[Values] = (),
    sinks: bool = False,
) -> Scale:
    """The one scale of some panels.

    Limits, where none are given: around ``null_value`` for signed maps; from ``null_value`` to
    ``valid_max`` where the null lies inside the valid range (AUROC: 0.5 to 1); the valid range
    itself if the values use half of it; 0 to 1 (or 0.5 to 1) for values of no stated range that
    stay inside and pass the middle; else round numbers around the values. Maps of layer × head
    are cut above their 99th percentile when single heads reach far beyond it. Beside sinks, or
    a first token that does not count, the scale ends at the tick nearest to the 99th percentile of
    the other cells.

    A valid range around 0 is cut to the side that the values use, whose palette runs from 0
    outwards. Where both sides are used, one that reaches less than half as far as the other is cut
    at a tick of its own; the middle of the colours stays at no effect.

    Args:
        panels: the values that are drawn.
        attrs: the map's attributes.
        style: the person's choices.
        columns: the dimension of the columns, which chooses the palette.
        rows: the dimension of the rows.
        basis: the values that the limits should come from, if not all that are drawn.
        sinks: whether columns were left out of the basis because they lie far above the others.

    Raises:
        LayergramError: for a log scale without positive values, or an unknown colour map.
    """
    drawn = _finite(panels)
    counted = _finite(basis) if basis else drawn
    if counted.size == 0:
        counted = drawn
    kind = kind_of(counted, attrs, style)
    centre = float(attrs.get("null_value", 0.0)) if kind == "diverging" else None
    heads = {columns, rows} == {"layer", "head"}
    most = _towering(counted, attrs, style, kind) if columns in ("token", "key") else None
    low, high = _limits(counted, attrs, style, kind, heads=heads, sinks=sinks, most=most)
    palette = style.colours or (
        DIVERGING if kind == "diverging" else PALETTES.get(columns, "YlOrBr")
    )
    colours = colours_of(palette, direction=style.direction)
    if centre is not None and not sequential(colours):
        colours = around(colours, low, high, centre=centre)
    below_zero = kind == "linear" and not style.colours and high <= 0 and signed_range(attrs)
    slack = 1e-6 * max(abs(low), abs(high))
    below, above = int((drawn < low - slack).sum()), int((drawn > high + slack).sum())
    log = kind == "log"
    return Scale(
        kind=kind,  # type: ignore[arg-type]
        low=low,
        high=high,
        centre=centre,
        palette=palette,
        colours=colours[:: -1 if below_zero else 1],
        label=style.bar or label_of(attrs) + (" (log scale)" if log else ""),
        ticks=ticks_between(low, high, log=log, below=below > 0, above=above > 0),
        below=below,
        above=above,
        least=float(drawn.min()),
        most=float(drawn.max()),
    )


def _finite(panels: Sequence[Values]) -> Values:
    return np.concatenate([panel[np.isfinite(panel)] for panel in panels])


def label_of(attrs: dict[str, Any]) -> str:
    """What a value is, with its unit in brackets where it has one."""
    name, units = str(attrs.get("long_name", "value")), str(attrs.get("units", "1"))
    name = name[:1].upper() + name[1:]
    return name if units in ("", "1") else f"{name} [{units}]"


def kind_of(values: Values, attrs: dict[str, Any], style: Style) -> str:
    """``"linear"``, ``"log"`` or ``"diverging"``, as asked or as the map suggests.

    A map that can be positive and negative, such as a cosine, is signed where both signs occur
    and linear where one does. One with another ``null_value`` is signed if its values reach below
    it by more than a fifth of how far they reach above, or if no smallest valid value keeps them
    above it. Counts from 1 upwards that span a factor of 100 are shown by factors.
    """
    low, high = float(values.min()), float(values.max())
    if style.scale == "log":
        if high <= 0:
            raise LayergramError(
                "a log scale",
                got=f"no value above 0: the largest is {high:.4g}",
                do="choose scale 'linear' or 'diverging'",
            )
        return "log"
    if style.scale in ("linear", "diverging"):
        return style.scale
    null = attrs.get("null_value")
    if signed_range(attrs) and not low == high == 0:
        return "diverging" if low < 0 < high else "linear"
    if null is not None:
        null = float(null)
        bounded = float(attrs.get("valid_min", -np.inf)) > -np.inf
        if attrs.get("measure") == "difference" or (low < null and not bounded):
            return "diverging"
        if null - low > 0.2 * max(high - null, 0.0):
            return "diverging"
    if style.scale == "auto" and attrs.get("valid_min") == 1 and high > 100 * max(low, 1):
        return "log"
    return "linear"


def signed_range(attrs: dict[str, Any]) -> bool:
    """Whether 0 lies inside the valid range, and means no effect where the map says what does."""
    null = attrs.get("null_value")
    unbounded = 0.0 if null is None else np.inf
    floor = float(attrs.get("valid_min", -unbounded))
    ceiling = float(attrs.get("valid_max", unbounded))
    return floor < 0 < ceiling and float(null or 0) == 0


def _limits(
    values: Values,
    attrs: dict[str, Any],
    style: Style,
    kind: str,
    *,
    heads: bool,
    sinks: bool,
    most: float | None,
) -> tuple[float, float]:
    if style.limits is not None:
        low, high = style.limits
        if kind == "log" and low <= 0:
            raise LayergramError(
                f"a log scale from {low:g}", allowed="limits above 0", do="raise the lower limit"
            )
        return low, high
    cut = most is not None
    if style.scale == "percentile" or (heads and kind != "log"):
        least, most = _cut(values, style, around=attrs.get("null_value") if heads else None)
    else:
        least, most = float(values.min()), most if most is not None else float(values.max())
    if kind == "diverging":
        null = float(attrs.get("null_value", 0.0))
        least = max(least, float(attrs.get("valid_min", -np.inf)))  # rounding may pass the ends
        most = min(most, float(attrs.get("valid_max", np.inf)))
        below, above = arms(null - least, most - null, nearest=style.scale == "percentile")
        return null - below, null + above
    if kind == "log":
        positive = values[values > 0]
        top = min(at for at in round_factors(float(positive.max())) if at >= most * (1 - 1e-9))
        usual = float(np.percentile(positive, 1, method="lower"))
        least = max(usual, top / 10**DECADES)
        bottom = max(at for at in round_factors(least) if at <= least * (1 + 1e-9))
        return min(bottom, top / 10), top
    if style.scale == "percentile":
        return on_ticks(*apart(least, most))
    if style.scale == "auto" and attrs.get("measure") == "difference":
        least, most = min(least, 0.0), max(most, 0.0)
        attrs = {key: value for key, value in attrs.items() if key != "null_value"}
    if sinks := sinks or style.first_token == "off_scale":
        most = float(np.percentile(values, 99))
    return linear_limits(least, most, attrs, nearest=sinks or cut)


def _towering(values: Values, attrs: dict[str, Any], style: Style, kind: str) -> float | None:
    """The 99th percentile where single cells tower above it and no largest value is valid."""
    free = style.first_token == "auto" and style.limits is None and kind == "linear"
    if not free or style.scale == "percentile" or "null_value" in attrs:
        return None
    if np.isfinite(attrs.get("valid_max", np.inf)) or values.min() < 0:
        return None
    usual = float(np.percentile(values, 99))
    return usual if usual > 0 and values.max() > TOWERING * usual else None


def around(colours: Sequence[str], low: float, high: float, *, centre: float) -> tuple[str, ...]:
    """The colours of two limits, of a palette whose middle is at ``centre``.

    Example:
        >>> around(("blue", "pale blue", "white", "pale red", "red"), -1, 1, centre=0)
        ('blue', 'pale blue', 'white', 'pale red', 'red')
        >>> around(("blue", "pale blue", "white", "pale red", "red"), -0.5, 1, centre=0)[::2]
        ('pale blue', 'white', 'red')
    """
    half = max(abs(high - centre), abs(low - centre))
    first, last = (min(max((end - centre) / half / 2 + 0.5, 0.0), 1.0) for end in (low, high))
    at = np.linspace(first, last, len(colours)) * (len(colours) - 1)
    return tuple(colours[i] for i in np.round(at).astype(int))


def _cut(values: Values, style: Style, *, around: Any) -> tuple[float, float]:
    """The values at the two percentiles; for heads, the 99th where single ones tower above it."""
    least, most = float(values.min()), float(values.max())
    if style.scale == "percentile":
        low, high = np.percentile(values, style.percentiles)
        return float(low), float(high)
    null = float(around or 0.0)
    far = float(np.percentile(np.abs(values - null), 99))
    if far > 0 and most - null > HEAVY_TAIL * far:
        most = null + far
    if far > 0 and null - least > HEAVY_TAIL * far:
        least = null - far
    return least, most


def linear_limits(
    least: float, most: float, attrs: dict[str, Any], *, nearest: bool = False
) -> tuple[float, float]:
    """Limits of a linear scale: the measure's own range where the values fill it, else round ones.

    Args:
        least: the smallest value.
        most: the largest value that counts.
        attrs: the map's attributes.
        nearest: whether the upper limit is the tick nearest to ``most``, which may lie below it.

    Example:
        >>> linear_limits(0.01, 0.75, {}), linear_limits(0.55, 0.95, {})
        ((0.0, 1.0), (0.5, 1.0))
        >>> linear_limits(0.0002, 0.0127, {"valid_min": 0, "valid_max": 1})
        (0.0, 0.014)
        >>> linear_limits(1e-20, 4e-20, {})
        (0.0, 4e-20)
        >>> linear_limits(0.1, 0.9, {"valid_min": -1, "valid_max": 1})
        (0.0, 1.0)
    """
    if signed_range(attrs) and least < 0 and most <= 0:
        ends = {"valid_min": "valid_max", "valid_max": "valid_min", "null_value": "null_value"}
        mirrored = {ends[key]: -float(attrs[key]) for key in ends if key in attrs}
        low, high = linear_limits(-most, -least, mirrored)
        return -high, 0.0 - low
    floor, ceiling = (float(attrs.get(key, np.nan)) for key in ("valid_min", "valid_max"))
    null = float(attrs.get("null_value", np.nan))
    if least >= 0 and np.isnan(null):
        floor = max(floor, 0.0)
    if floor < null < ceiling and most > null:
        return null, ceiling
    if most - least >= 0.5 * (ceiling - floor):
        return floor, ceiling
    if np.isnan(floor) and np.isnan(ceiling) and least >= 0 and 0.5 < most <= 1:
        return (0.5 if least >= 0.5 else 0.0), 1.0
    low, high = round_limits(least, most, nearest=nearest)
    if floor > low:
        low = floor
    return clean(low), clean(min(high, ceiling) if ceiling > low else high)


def colours_of(palette: str, *, direction: str = "forward", count: int = 256) -> tuple[str, ...]:
    """The colours of a colour map of matplotlib, first to last, as ``#rrggbb``.

    Raises:
        LayergramError: if there is none of that name.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if palette not in colormaps:
        folded = {name.lower(): name for name in colormaps}
        near = difflib.get_close_matches(palette.lower(), list(folded), n=1, cutoff=NEAR)
        raise LayergramError(
            f"the colour map '{palette}'",
            got="no colour map of that name",
            allowed=", ".join(SUGGESTED) + ", and every other one of matplotlib",
            do=f"did you mean '{folded[near[0]]}'?" if near else "choose one of these",
        )
    chosen = colormaps[palette]
    colours = tuple(map(to_hex, chosen(np.linspace(0, 1, count))))
    return colours[::-1] if direction == "reversed" else colours


def norm_of(scale: Scale) -> Normalize:
    """How matplotlib places values between the first and the last colour."""
    from matplotlib.colors import LogNorm, Normalize

    return (LogNorm if scale.kind == "log" else Normalize)(scale.low, scale.high)


def sequential(colours: Sequence[str]) -> bool:
    """Whether the lightness of some colours runs one way, with no middle that means no effect."""
    from matplotlib.colors import to_rgb

    light = np.array([to_rgb(colour) for colour in colours]) @ [0.299, 0.587, 0.114]
    steps = np.sign(np.diff(light[:: max(1, len(light) // 8)]))
    return bool(abs(steps.sum()) >= len(steps) - 1)
