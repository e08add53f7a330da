"""Scales: from values to colours, with limits and ticks that are printed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from layergram.errors import NEAR, LayergramError
from layergram.figures.spec import Scale, Tick, Values
from layergram.figures.style import Style

DECADES = 6  # a log scale reaches at most this far down
HEAVY_TAIL = 1.3  # head maps: beyond this multiple of the 99th percentile the top is clipped
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
) -> Scale:
    """The one scale of some panels.

    Limits, where none are given: around ``null_value`` for signed maps; from ``null_value`` to
    ``valid_max`` where the null lies inside the valid range (AUROC: 0.5 to 1); the valid range
    itself if the values use half of it; 0 to 1 (or 0.5 to 1) for values of no stated range that
    stay inside and pass the middle; else round numbers around the values. Maps of layer × head
    are cut above their 99th percentile when single heads reach far beyond it.

    Args:
        panels: the values that are drawn.
        attrs: the map's attributes.
        style: the person's choices.
        columns: the dimension of the columns, which chooses the palette.
        rows: the dimension of the rows.
        basis: the values that the limits should come from, if not all that are drawn.

    Raises:
        LayergramError: for a log scale without positive values, or an unknown colour map.
    """
    drawn = _finite(panels)
    counted = _finite(basis) if basis else drawn
    if counted.size == 0:
        counted = drawn
    kind = kind_of(counted, attrs, style)
    centre = float(attrs.get("null_value", 0.0)) if kind == "diverging" else None
    low, high = _limits(counted, attrs, style, kind, heads={columns, rows} == {"layer", "head"})
    palette = style.colours or (
        DIVERGING if kind == "diverging" else PALETTES.get(columns, "YlOrBr")
    )
    slack = 1e-6 * max(abs(low), abs(high))
    below, above = int((drawn < low - slack).sum()), int((drawn > high + slack).sum())
    log = kind == "log"
    return Scale(
        kind=kind,  # type: ignore[arg-type]
        low=low,
        high=high,
        centre=centre,
        palette=palette,
        colours=colours_of(palette, direction=style.direction),
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

    A map is signed if it has a ``null_value`` and its values reach below it by more than a fifth
    of how far they reach above, or if no smallest valid value keeps them above it. Counts from 1
    upwards that span a factor of 100 are shown by factors.
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


def _limits(
    values: Values, attrs: dict[str, Any], style: Style, kind: str, *, heads: bool
) -> tuple[float, float]:
    if style.limits is not None:
        low, high = style.limits
        if kind == "log" and low <= 0:
            raise LayergramError(
                f"a log scale from {low:g}", allowed="limits above 0", do="raise the lower limit"
            )
        return low, high
    if style.scale == "percentile" or (heads and kind != "log"):
        least, most = _cut(values, style, around=attrs.get("null_value") if heads else None)
    else:
        least, most = float(values.min()), float(values.max())
    if kind == "diverging":
        null = float(attrs.get("null_value", 0.0))
        half = max(null - least, most - null) or 1.0
        if style.scale != "percentile":
            half = round_up(half)
        return null - half, null + half
    if kind == "log":
        positive = values[values > 0]
        top = min(at for at in round_factors(float(positive.max())) if at >= most * (1 - 1e-9))
        least = max(float(positive.min()), top / 10**DECADES)
        bottom = max(at for at in round_factors(least) if at <= least * (1 + 1e-9))
        return min(bottom, top / 10), top
    if style.scale == "percentile":
        return apart(least, most)
    return linear_limits(least, most, attrs)


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


def linear_limits(least: float, most: float, attrs: dict[str, Any]) -> tuple[float, float]:
    """Limits of a linear scale: the measure's own range where the values fill it, else round ones.

    Example:
        >>> linear_limits(0.01, 0.75, {}), linear_limits(0.55, 0.95, {})
        ((0.0, 1.0), (0.5, 1.0))
        >>> linear_limits(0.0002, 0.0127, {"valid_min": 0, "valid_max": 1})
        (0.0, 0.014)
        >>> linear_limits(1e-20, 4e-20, {})
        (0.0, 4e-20)
    """
    floor, ceiling = (float(attrs.get(key, np.nan)) for key in ("valid_min", "valid_max"))
    null = float(attrs.get("null_value", np.nan))
    if floor < null < ceiling and most > null:
        return null, ceiling
    if most - least >= 0.5 * (ceiling - floor):
        return floor, ceiling
    if np.isnan(floor) and np.isnan(ceiling) and least >= 0 and 0.5 < most <= 1:
        return (0.5 if least >= 0.5 else 0.0), 1.0
    low, high = round_limits(least, most)
    if floor > low:
        low = floor
    return _clean(low), _clean(min(high, ceiling) if ceiling > low else high)


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
    colours = tuple(to_hex(chosen(i)) for i in np.linspace(0, 1, count))
    return colours[::-1] if direction == "reversed" else colours


INTERVALS = 6  # ticks aim at about this many intervals
ROUNDS = 3  # rounding widens an axis, which may call for a wider step
SLACK = 1e-6  # of a step; values of single precision are not exact


def round_limits(least: float, most: float) -> tuple[float, float]:
    """Round numbers around the values; 0 is the lower one if the values come near it.

    Example:
        >>> round_limits(0.43, 0.96), round_limits(2, 29)
        ((0.4, 1.0), (0.0, 30.0))
    """
    low, high = apart(least, most)
    if 0 <= low < 0.3 * high:
        low = 0.0
    for _ in range(ROUNDS):
        step = nice_step(high - low)
        low = math.floor(low / step + SLACK) * step
        high = math.ceil(high / step - SLACK) * step
    return _clean(low), _clean(high)


def _clean(value: float) -> float:
    return float(f"{value:.15g}")


def apart(low: float, high: float) -> tuple[float, float]:
    """The two limits, with some room between them where all values are equal."""
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    room = 0.1 * abs(low) or 1.0
    return low - room, high + room


def nice_step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that cuts ``span`` into about six.

    Example:
        >>> [round(nice_step(span), 6) for span in (1.0, 0.5, 0.004)]
        [0.2, 0.1, 0.0005]
    """
    exact = math.log10(span / INTERVALS)
    power = math.floor(exact)
    candidates = [m * 10.0 ** (power + p) for p in (0, 1) for m in (1, 2, 5)]
    return min(candidates, key=lambda step: abs(math.log10(step) - exact))


def round_up(value: float) -> float:
    """The next multiple of a nice step, of an axis from minus to plus it, not below ``value``.

    Example:
        >>> round_up(0.35), round_up(0.5)
        (0.4, 0.6)
    """
    for _ in range(ROUNDS):
        step = nice_step(2 * value)
        value = math.ceil(value / step - SLACK) * step
    return _clean(value)


def ticks_between(
    low: float, high: float, *, log: bool = False, below: bool = False, above: bool = False
) -> tuple[Tick, ...]:
    """Labelled values from ``low`` to ``high``, both ends among them.

    The end of a side that cuts values off says so: ``0.0040+`` and above, ``≤0.5`` and below.

    Example:
        >>> [tick.label for tick in ticks_between(0, 0.004, above=True)][-3:]
        ['0.0030', '0.0035', '0.0040+']
        >>> [tick.label for tick in ticks_between(1234100, 1234900)][:2]
        ['1,234,100', '1,234,200']
    """
    if log:
        inner = _decades(low, high)
        labels = [_factor(at) for at in inner]
    else:
        step = nice_step(high - low)
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        inner = [i * step for i in range(first, last + 1)]
        inner = [at for at in inner if min(at - low, high - at) > 0.55 * step]
        uneven = [x for x in (low, high) if abs(x / step - round(x / step)) > 1e-6]
        inner = [low, *inner, high]
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        largest = max(abs(low), abs(high))
        digits = max(3, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9) + 1)
        labels = [_rounded(at, digits) if at in uneven else f"{at:.{places}f}" for at in inner]
        if 1e6 <= largest < 1e15 and digits > 3:
            labels = [f"{at:,.{places + (at in uneven)}f}" for at in inner]
        elif largest < 1e-4 or largest >= 1e6:
            labels = [_factor(at, digits) for at in inner]
    labels = [label.replace("-", "−") for label in labels]
    labels = [
        "0" + label[2:] if not label.strip("−0.") and label[0] == "−" else label for label in labels
    ]
    labels[0] = f"≤{labels[0]}" if below else labels[0]
    labels[-1] += "+" if above else ""
    return tuple(Tick(float(at), label) for at, label in zip(inner, labels, strict=True))


def _rounded(value: float, digits: int) -> str:
    """A number with so many digits that count, and no power of ten."""
    places = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _factor(value: float, digits: int = 3) -> str:
    """A number of any size: plain from a hundredth to ten thousand, else as a power of ten.

    Example:
        >>> [_factor(value) for value in (20, 0.01, 1e-5, -5e-4)]
        ['20', '0.01', '10⁻⁵', '-5·10⁻⁴']
    """
    if value <= 0:
        return f"-{_factor(-value, digits)}" if value < 0 else "0"
    if 0.01 * (1 - 1e-9) <= value < 99_999:
        return f"{value:.{digits}g}" if value < 1000 else f"{value:.0f}"
    power = math.floor(math.log10(value) + 1e-9)
    raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    times = f"{value / 10.0**power:.{digits}g}"
    return f"10{raised}" if times == "1" else f"{times}·10{raised}"


def round_factors(near: float) -> list[float]:
    """1, 2 and 5 times the powers of ten around a value."""
    power = math.floor(math.log10(near))
    return [m * 10.0**p for p in (power - 1, power, power + 1) for m in (1, 2, 5)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between the limits, with 2 and 5 between few of them, and both ends."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    between = [m * 10.0**p for p in range(first, last + 1) for m in factors]
    inner = [at for at in between if low * 1.3 < at < high / 1.3]
    return [low, *inner, high]
