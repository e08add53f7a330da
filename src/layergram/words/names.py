"""Names and numbers as a reader meets them: layers, tokens with their texts, values with units."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import xarray as xr

from layergram.maps import dimension_of
from layergram.tokens import display
from layergram.words.limits import MOST_NAMES
from layergram.words.view import axes_of, labels_of

MOST_LISTED = 20
"""Labels of an axis that are all written out."""

MOST_DECIMALS = 6
"""Of a number without a power of ten."""

Style = Literal["markdown", "plain"]
COUNTED = {"token": "tokens", "logit": "logits"}  # units that a number makes many of
ESCAPED = re.compile(
    r"[`*|~$]|<(?=[A-Za-z/!?])|\](?=\()|&(?=#?\w+;)"
    r"|(?<![^\W_])_|_(?![^\W_])|\\(?=[!-/:-@\[-`{-~]|$)"
)


def markdown(text: str) -> str:
    r"""A text that Markdown shows as it is, in a sentence or in a table cell.

    Example:
        >>> print(markdown("a|b"), markdown("\\boxed{"), markdown("exact_answer"), markdown("*"))
        a\|b \boxed{ exact_answer \*
    """
    return ESCAPED.sub(lambda found: "\\" + found.group(), text)


def listed(words: Sequence[str], *, word: str = "and") -> str:
    """Words as a list that reads aloud: 'a', 'a and b', 'a, b and c'."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {word} {words[-1]}"


def count(number: float, noun: str) -> str:
    """A number of things: '1 cell', '140 cells'."""
    whole = f"{int(number):,}"
    return f"{whole} {noun}" if int(number) == 1 else f"{whole} {noun}s"


def share(part: float) -> str:
    """A share as per cent, never rounded to nothing or all."""
    percent = 100 * part
    if 0 < percent < 1:
        return "under 1 %"
    if 99 < percent < 100:
        return "over 99 %"
    return f"{percent:.0f} %"


def raised(power: int) -> str:
    """A whole number as a power of ten has it: '⁻⁴'."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


class Names:
    """What a map's axes, labels and values are called.

    Args:
        array: the map.
        style: ``"markdown"`` escapes what Markdown would take as its own; ``"plain"`` does not.
        log: whether the numbers are log10 of the map's values; they are told as values, and
            differences as factors.
    """

    def __init__(
        self, array: xr.DataArray, style: Style = "markdown", *, log: bool = False
    ) -> None:
        self.array, self.style, self.log = array, style, log
        units = str(array.attrs.get("units", "1"))
        self.unit = "" if units in ("1", "") else units
        values = array.values[np.isfinite(array.values)].astype(np.float64)
        largest = float(np.abs(values).max())
        out = largest and not 1e-2 <= largest < 1e6
        self.power = math.floor(math.log10(largest)) if out else 0
        size = (float(np.ptp(values)) or largest or 1.0) / 10.0**self.power
        self.decimals = min(max(math.floor(2.3 - math.log10(size)), 0), 12)

    def seen(self, *, log: bool) -> Names:
        """The names for a fact whose numbers are logarithms, or are not."""
        return self if log == self.log else Names(self.array, self.style, log=log)

    def text(self, raw: Any) -> str:
        """A label or text in this style."""
        return markdown(str(raw)) if self.style == "markdown" else str(raw)

    @property
    def average(self) -> str:
        """What a mean of numbers is called."""
        return "geometric mean" if self.log else "mean"

    @property
    def times(self) -> str:
        """The power of ten behind every number: ' × 10⁻⁴', or nothing."""
        return f" × 10{raised(self.power)}" if self.power else ""

    def bare(self, value: float, towards: Callable[[float], float] = round) -> str:
        """A number without unit and power: the digits that the range asks for, one at least."""
        scaled = (10.0**value if self.log else value) / 10.0**self.power
        if self.unit == "layer":
            return f"{round(scaled, 1):g}"
        decimals = self.decimals
        if scaled and abs(scaled) * 10**decimals < 0.5:
            decimals = 1 - math.floor(math.log10(abs(scaled)))
        if decimals > MOST_DECIMALS and not self.power:
            exponent = math.floor(math.log10(abs(scaled)))
            return f"{scaled / 10.0**exponent:.1f} × 10{raised(exponent)}"
        step = 10.0**decimals
        shown = f"{towards(round(scaled * step, 4)) / step:,.{decimals}f}"
        return shown[1:] if shown.startswith("-") and not shown.strip("-0.,") else shown

    def in_units(self) -> str:
        """' in bits' behind the name of what is measured; nothing for a map without a unit."""
        words = {"bit": "bits", "layer": "layers", "%": "per cent", **COUNTED}
        word = words.get(self.unit, self.text(self.unit))
        return f" in {word}" if word else ""

    def number(self, value: float) -> str:
        """A number with its unit."""
        return self.with_unit(self.bare(value))

    def with_unit(self, shown: str) -> str:
        """Written numbers with the map's power and unit behind them, or 'layer' before them."""
        if self.unit == "layer":
            return f"layer {shown}"
        unit = COUNTED.get(self.unit, self.text(self.unit))
        return f"{shown}{self.times} {unit}".rstrip()

    def span(self, low: float, high: float) -> str:
        """From one number to another, both rounded outwards, the unit once."""
        ends = self.bare(low, math.floor), self.bare(high, math.ceil)
        return self.with_unit(" to ".join(dict.fromkeys(ends)))

    def signed(self, value: float) -> str:
        """A change: its number with a plus or a minus before it; in log space a factor."""
        if self.log:
            return f"a factor of {10**value:.2g}"
        shown = self.bare(value)
        return self.with_unit(shown if shown.startswith("-") else f"+{shown}")

    def up(self, value: float) -> str:
        """A difference for 'at most', rounded upwards; in log space a factor."""
        if self.log:
            return f"a factor of {math.ceil(100 * 10**value) / 100:.2f}"
        return self.with_unit(self.bare(value, math.ceil))

    @property
    def sides(self) -> list[str]:
        """The axes that run down and across."""
        return [dim for dim in axes_of(self.array)[:2] if dim]

    @property
    def panels(self) -> tuple[str, ...]:
        """The axes that are panels."""
        return axes_of(self.array)[2]

    def other(self, dim: str) -> str:
        """The other one of the two; '' where there is none."""
        return next((side for side in self.sides if side != dim), "")

    def labels(self, dim: str) -> list[Any]:
        """All labels of an axis."""
        return labels_of(self.array, dim)

    def each(self, dim: str, labels: Sequence[Any], values: Sequence[str]) -> str:
        """Labels with a value each: 'layer 13 (0.50) and layer 17 (0.38)'."""
        named = (self.one(dim, label).replace(" (", " at ").removesuffix(")") for label in labels)
        return listed([f"{name} ({value})" for name, value in zip(named, values, strict=True)])

    def headings(self, dim: str, places: Sequence[int]) -> list[str]:
        """Labels for a table; token texts carry their position where a text occurs twice."""
        labels, texts = self.labels(dim), self._texts(dim)
        if not texts:
            return [self.text(labels[at]) for at in places]
        twice = len(set(texts.values())) < len(texts)
        return [texts[labels[at]] + (f" ({labels[at]})" if twice else "") for at in places]

    def axis(self, dim: str) -> str:
        """All labels of an axis, or its ends if they are many."""
        labels, texts = self.labels(dim), self._texts(dim)
        if texts and len(labels) <= MOST_LISTED:
            return f"in order {', '.join(texts.values())}"
        if texts:
            return f"from {texts[labels[0]]} to {texts[labels[-1]]}"
        steps = {after - before for before, after in pairwise(labels)} if _numeric(labels) else {}
        if len(labels) > 2 and steps == {1}:
            return f"{labels[0]} to {labels[-1]}"
        if len(labels) <= MOST_LISTED:
            return ", ".join(self.text(label) for label in labels)
        return f"from {self.text(labels[0])} to {self.text(labels[-1])}"

    def noun(self, dim: str, number: int = 2) -> str:
        """The word for an axis: 'layer', or 'layers' for more than one."""
        axis = dimension_of(self.array, dim)
        return axis.noun if number == 1 else axis.plural

    def count(self, number: int, dim: str) -> str:
        """How many labels of an axis: '1 layer', '12 queries'."""
        return f"{number:,} {self.noun(dim, number)}"

    def _texts(self, dim: str) -> dict[Any, str]:
        for name in (f"{dim}_text", "token_text"):
            if name in self.array.coords and self.array[name].dims == (dim,):
                texts = self.array[name].values.tolist()
                shown = [f'"{self.text(display(str(text)))}"' for text in texts]
                return dict(zip(labels_of(self.array, dim), shown, strict=True))
        return {}

    def one(self, dim: str, label: Any) -> str:
        """One label: 'layer 13', '"13" (position 14)', 'last_q', 'head 3'."""
        return self.many(dim, [label])

    def place(self, coordinates: Mapping[str, Any]) -> str:
        """Where a fact holds, axis by axis: 'layer 13, "A" (position 0)'."""
        dims = [d for d in map(str, self.array.dims) if d in coordinates]
        return ", ".join(self.many(dim, coordinates[dim]) for dim in dims)

    def many(self, dim: str, labels: Sequence[Any]) -> str:
        """Several labels of an axis, neighbours drawn together: 'layers 1–10', 'heads 2 and 5'."""
        order = labels_of(self.array, dim)
        if len(labels) > 2 and len(labels) == len(order):
            return f"all {len(order)} {self.noun(dim)}"
        axis = dimension_of(self.array, dim)
        if axis.kind == "positions":
            return self._tokens(dim, order, labels)
        if axis.bare and all(isinstance(label, str) for label in labels):
            quoted = [self.text(x) if re.match(r"[^\W\d]", x) else f'"{x}"' for x in labels]
            return self._shortened(quoted)
        runs = [self._run(run) for run in _runs(order, labels)]
        return f"{self.noun(dim, len(labels))} {self._shortened(runs)}"

    def _run(self, run: Sequence[Any]) -> str:
        first, last = self.text(run[0]), self.text(run[-1])
        return first if len(run) == 1 else f"{first}–{last}"

    def _shortened(self, words: Sequence[str]) -> str:
        if len(words) <= MOST_NAMES + 1:
            return listed(words)
        return f"{', '.join(words[:MOST_NAMES])} and {len(words) - MOST_NAMES} more"

    def _tokens(self, dim: str, order: Sequence[Any], labels: Sequence[Any]) -> str:
        texts = self._texts(dim)
        runs = _runs(order, labels)
        if dim == "segment" and texts and len(set(texts.values())) == len(texts):
            if len(runs) == 1 and len(labels) > 2:
                return f"{texts[labels[0]]} to {texts[labels[-1]]}"
            return self._shortened([texts[label] for label in labels])
        where = listed([self._run(run) for run in runs[:MOST_NAMES]])
        noun = "position" if dim == "token" else f"{dim} position"
        noun = noun if len(labels) == 1 else f"{noun}s"
        if not texts:
            rest = sum(map(len, runs[MOST_NAMES:]))
            return f"{noun} {where}" + (f" and {rest} more" if rest else "")
        if len(runs) == 1 and len(labels) > 2:
            return f"{texts[labels[0]]} to {texts[labels[-1]]} ({noun} {where})"
        if len(labels) > MOST_NAMES + 1:
            named = list(labels[:MOST_NAMES])
            where = listed([self._run(run) for run in _runs(order, named)])
            words = ", ".join(texts[label] for label in named)
            return f"{words} ({noun} {where}) and {len(labels) - MOST_NAMES} more"
        return f"{listed([texts[label] for label in labels])} ({noun} {where})"


def _runs(order: Sequence[Any], labels: Sequence[Any]) -> list[list[Any]]:
    """Labels in groups of neighbours on their axis."""
    place = {label: at for at, label in enumerate(order)}
    runs: list[list[Any]] = []
    for label in labels:
        if runs and place[label] == place[runs[-1][-1]] + 1:
            runs[-1].append(label)
        else:
            runs.append([label])
    return runs


def _numeric(labels: Sequence[Any]) -> bool:
    return all(isinstance(label, int) for label in labels)
