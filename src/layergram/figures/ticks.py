"""Ticks: round limits around some values, and labelled marks between two limits."""

from __future__ import annotations

import math

from layergram.figures.spec import Tick

INTERVALS = 6  # ticks aim at about this many intervals
ROUNDS = 3  # rounding widens an axis, which may call for a wider step
LESSER = 0.5  # of the longer arm around no effect: a shorter one is cut
SLACK = 1e-6  # of a step; values of single precision are not exact


def round_limits(least: float, most: float, *, nearest: bool = False) -> tuple[float, float]:
    """Round numbers around the values; 0 is the lower one if the values come near it.

    With ``nearest`` the upper one is the tick nearest to ``most``, which may lie below it.

    Example:
        >>> round_limits(0.43, 0.96), round_limits(2, 29)
        ((0.4, 1.0), (0.0, 30.0))
        >>> round_limits(0.001, 0.124, nearest=True)
        (0.0, 0.12)
    """
    low, high = apart(least, most)
    if 0 <= low < 0.3 * high:
        low = 0.0
    for _ in range(ROUNDS):
        step = nice_step(high - low)
        low = math.floor(low / step + SLACK) * step
        high = (round(high / step) if nearest else math.ceil(high / step - SLACK)) * step
    return clean(low), clean(high)


def on_ticks(low: float, high: float) -> tuple[float, float]:
    """The two limits, each moved to the nearest tick between them or just outside.

    Example:
        >>> on_ticks(0.00209, 0.1243)
        (0.0, 0.12)
    """
    step = nice_step(high - low)
    for _ in range(ROUNDS):
        ends = round(low / step) * step, round(high / step) * step
        step = nice_step(ends[1] - ends[0])
        if all(abs(end / step - round(end / step)) < SLACK for end in ends):
            break
    return clean(ends[0]), clean(ends[1])


def clean(value: float) -> float:
    """The number without the last digits that sums of steps leave behind.

    Example:
        >>> clean(0.1 + 0.2)
        0.3
    """
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
    return clean(value)


def arms(below: float, above: float, *, nearest: bool = False) -> tuple[float, float]:
    """How far a scale reaches to either side of no effect, in round numbers.

    Both sides reach equally far, unless one needs less than half of that.

    Args:
        below: how far the values reach below no effect.
        above: how far they reach above it.
        nearest: whether the longer side may end at the tick nearest to its end.

    Example:
        >>> arms(0.7, 0.9), arms(0.12, 0.97), arms(7.5, 0)
        ((1.0, 1.0), (0.2, 1.0), (8.0, 0.0))
    """
    longer = max(below, above) or 1.0
    shorter = max(min(below, above), 0.0)
    if shorter >= LESSER * longer:
        longer = on_ticks(-longer, longer)[1] if nearest else round_up(longer)
        return longer, longer
    for _ in range(ROUNDS):
        step = nice_step(longer + shorter)
        longer = max(1, round(longer / step) if nearest else _up(longer / step)) * step
        shorter = _up(shorter / step) * step
    longer, shorter = clean(longer), clean(shorter)
    return (longer, shorter) if below > above else (shorter, longer)


def _up(steps: float) -> int:
    return math.ceil(steps - SLACK)


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
        >>> [tick.label for tick in ticks_between(10, 1e6, log=True)]
        ['10¹', '10²', '10³', '10⁴', '10⁵', '10⁶']
    """
    if log:
        inner = _decades(low, high)
        labels = _log_labels(inner)
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
            labels = [written(at, digits) for at in inner]
    labels = [label.replace("-", "−") for label in labels]
    labels = [
        "0" + label[2:] if not label.strip("−0.") and label[0] == "−" else label for label in labels
    ]
    labels[0] = f"≤{labels[0]}" if below else labels[0]
    labels[-1] += "+" if above else ""
    return tuple(Tick(float(at), label) for at, label in zip(inner, labels, strict=True))


def _log_labels(values: list[float]) -> list[str]:
    """Labels of one axis in one way: plain numbers if none is very small or large, else powers."""
    if values[0] >= 0.001 * (1 - 1e-9) and values[-1] <= 100_000 * (1 + 1e-9):
        return [f"{at:.3g}" if at < 1000 else f"{at:.0f}" for at in values]
    return [_as_power(at, 3) for at in values]


def _rounded(value: float, digits: int) -> str:
    """A number with so many digits that count, and no power of ten."""
    places = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(value: float, digits: int = 3) -> str:
    """A number of any size: plain from a hundredth to a hundred thousand, else as a power of ten.

    Example:
        >>> [written(value) for value in (20, 0.01, 1e-5, -5e-4)]
        ['20', '0.01', '10⁻⁵', '-5·10⁻⁴']
    """
    if value <= 0:
        return f"-{written(-value, digits)}" if value < 0 else "0"
    if 0.01 * (1 - 1e-9) <= value < 99_999:
        return f"{value:.{digits}g}" if value < 1000 else f"{value:.0f}"
    return _as_power(value, digits)


def _as_power(value: float, digits: int) -> str:
    """A number above 0 as a multiple of a power of ten.

    Example:
        >>> _as_power(99_999, 3), _as_power(2500, 3), _as_power(1, 3)
        ('10⁵', '2.5·10³', '10⁰')
    """
    power = math.floor(math.log10(float(f"{value:.{digits}g}")) + 1e-9)
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
