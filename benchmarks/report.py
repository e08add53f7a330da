"""The page of results: a table in Markdown, and two pictures."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import pyplot as plt
from peers import LAYERGRAM, Setting, versions
from rows_growth import FORWARD, TIME, Curve
from timing import Row

PAGE = Path(__file__).with_name("RESULTS.md")
GOALS, GROWTH = "goals.png", "growth.png"
REACHED, MISSED = "#3b6fb6", "#c8553d"
COLOURS = ("#3b6fb6", "#c8553d", "#6a9a3b", "#8a63a8", "#b08a2e", "#555555")
KINDS = {
    1: "Attention received",
    2: "Divergence of all layers, exact",
    3: "Settling depth alone",
    4: "All default measures",
    5: "Replayed answers",
    6: "Probes",
    7: "Masking",
    8: "Words and pictures",
    9: "Whole processes",
    10: "Growth",
}
HEAD = (
    "| work | by | value | single runs | goal | compared with |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def line(row: Row) -> str:
    """One row in Markdown."""
    value = "—" if np.isnan(row.value) else f"{number(row.value)} {row.unit}"
    spread = "" if row.spread is None else f"{number(row.spread[0])}–{number(row.spread[1])}"
    goal = ""
    if row.goal is not None:
        sign = "≥" if row.at_least else "≤"
        missed = " (missed)" if row.reached is False else ""
        goal = f"{sign} {number(row.goal)}{missed}"
    compared = "; ".join(part for part in (row.floor, row.note) if part)
    return f"| {row.work} | {row.by} | {value} | {spread} | {goal} | {compared} |"


def number(value: float) -> str:
    """A number with two decimals, or none from 100 on.

    Example:
        >>> number(1.234), number(412.3), number(0.3)
        ('1.23', '412', '0.30')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def machine() -> str:
    """Model of the processor, and how many cores there are."""
    name = platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        lines = cpus.read_text(encoding="utf-8").splitlines()
        name = next((one.split(":")[1].strip() for one in lines if "model name" in one), name)
    return f"{name}, {os.cpu_count()} cores"


def head(setting: Setting) -> str:
    """What the numbers mean, and what they were measured with."""
    own = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "numpy"))
    others = ", ".join(f"{name} {one}" for name, one in versions(setting.python).items())
    return (
        "# What layergram costs\n\n"
        "Made by `make bench`. A ratio (×) is one of medians over runs that take turns in one "
        "process tree: the work over what it is compared with. The range is that of single runs. "
        "Other work on the machine meets both sides, but widens the range.\n\n"
        f"{machine()}, {setting.threads} threads; {own}. Other "
        f"libraries: {others or 'not installed'}."
    )


def page(rows: Sequence[Row], dates: Mapping[int, str], setting: Setting) -> str:
    """The whole page."""
    parts = [head(setting), f"![Cost against goal]({GOALS})", f"![Growth with tokens]({GROWTH})"]
    for kind, title in KINDS.items():
        own = [line(row) for row in rows if row.number == kind]
        if own:
            title = f"## {kind}. {title}\n\nMeasured on {dates[kind]}."
            parts.append(f"{title}\n\n{HEAD}\n" + "\n".join(own))
    return "\n\n".join(parts) + "\n"


def write(
    rows: Sequence[Row],
    curves: Sequence[Curve],
    dates: Mapping[int, str],
    setting: Setting,
    path: Path,
) -> None:
    """Write the page, with its pictures beside it."""
    draw_goals(rows, path.with_name(GOALS))
    draw_growth(curves, path.with_name(GROWTH))
    path.write_text(page(rows, dates, setting), encoding="utf-8")


def draw_goals(rows: Sequence[Row], path: Path) -> None:
    """Bars: how far each row of layergram's is from its goal, as a share of it."""
    shown = [row for row in rows if row.goal is not None and not np.isnan(row.value)]
    if not shown:
        return
    shares = [
        row.goal / row.value if row.at_least else row.value / row.goal
        for row in shown
        if row.goal is not None
    ]
    colours = [REACHED if row.reached else MISSED for row in shown]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.24 * len(shown)), layout="constrained")
    places = range(len(shown), 0, -1)
    ends = [min(share, 2.5) for share in shares]
    axes.barh(places, ends, color=colours, height=0.7)
    axes.axvline(1, color="black", linewidth=1)
    for place, share, end in zip(places, shares, ends, strict=True):
        plate = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.text(end + 0.02, place, f"{share:.2f}", va="center", fontsize=7, bbox=plate)
    axes.set_yticks(list(places), [f"{row.number}. {row.work}" for row in shown], fontsize=7)
    axes.set_xlim(0, 2.75)
    axes.set_ylim(0.3, len(shown) + 0.7)
    axes.set_xlabel("cost as a share of the goal (1 is the goal, less is better)", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_growth(curves: Sequence[Curve], path: Path) -> None:
    """Time and memory against the number of tokens."""
    works = ("attention received", "divergence")
    names = list(dict.fromkeys(one.by for one in curves if one.work in works))
    figure, grid = plt.subplots(2, 2, figsize=(8, 6), sharex=True, layout="constrained")
    for column, work in zip(grid.T, works, strict=True):
        for curve in (one for one in curves if one.work in (work, FORWARD)):
            floor = curve.work != work
            colour = "black" if floor else COLOURS[names.index(curve.by)]
            label = FORWARD if floor else curve.by
            style = {"color": colour, "label": label, "marker": "o", "markersize": 3}
            style |= {"linestyle": ":" if floor else "-"}
            style |= {"linewidth": 2 if curve.by == LAYERGRAM.name and not floor else 1}
            sizes = curve.sizes[: len(curve.points)]
            column[0].plot(sizes, [point.seconds for point in curve.points], **style)
            column[1].plot(sizes, [point.mib / 1024 for point in curve.points], **style)
        column[0].set_title(work, fontsize=9)
        column[1].set_xlabel("tokens", fontsize=8)
        for axes, text in zip(column, (f"{TIME}, s", "largest memory, GiB"), strict=True):
            axes.set(xscale="log", yscale="log" if text.startswith(TIME) else "linear")
            axes.set_ylabel(text, fontsize=8)
            if axes is column[1]:
                axes.set_ylim(bottom=0)
            axes.set_xticks([256, 512, 1024, 2048, 4096, 8192])
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.xaxis.set_minor_formatter("")
            axes.tick_params(labelsize=7)
            axes.grid(which="major", linewidth=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        if column[0].lines:
            column[0].legend(fontsize=6.5, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
