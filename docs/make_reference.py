"""Write docs/reference.md from the docstrings of the code: ``python docs/make_reference.py``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import layergram
from layergram.cli import COMMANDS, app

PAGE = Path(__file__).with_name("reference.md")
LONGEST = 40
"""Characters of a default value; of a longer one only its kind is shown."""

HEAD = """# Reference

Made from the docstrings in the code by `python docs/make_reference.py`.

`import layergram as lg` gives the names below; other modules may change between versions.
The commands stand [further below](#commands).

| name | what it is |
| --- | --- |
"""
COMMANDS_HEAD = """# Commands

Exit codes: 0 done, 1 the work failed, 2 the request was wrong. `layergram --help` lists the
commands, `layergram COMMAND --help` the options of one.

| command | what it does |
| --- | --- |
"""


def default_text(value: Any) -> str:
    """A default value as the signature shows it, the same on every machine."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}()"
    if callable(value):
        return getattr(value, "__name__", "…")
    text = repr(value)
    if "factory" in text:
        return "…"
    return text if len(text) <= LONGEST else f"({len(value)} values)"


def signature(name: str, thing: Any) -> str:
    """How a name is called, one argument per line where it is long."""
    pieces, starred = [], False
    for one in inspect.signature(thing).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            pieces.append("*")
            starred = True
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        starred = starred or star == "*"
        piece = star + one.name
        if one.annotation is not one.empty:
            piece += f": {one.annotation}"
        if one.default is not one.empty:
            piece += f" = {default_text(one.default)}"
        pieces.append(piece)
    returned = inspect.signature(thing).return_annotation
    ends = f" -> {returned}" if isinstance(returned, str) and inspect.isroutine(thing) else ""
    line = f"lg.{name}({', '.join(pieces)}){ends}"
    if len(line) <= 88:
        return line
    return "\n".join([f"lg.{name}(", *(f"    {piece}," for piece in pieces), f"){ends}"])


def plain(text: str) -> str:
    """A docstring's text as Markdown: cross-references and doubled backticks become code."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def markdown(docstring: str) -> Iterator[str]:
    """A docstring as Markdown: the names of a section become a list, examples become code."""
    blocks = re.split(
        r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples):\n",
        docstring,
        flags=re.MULTILINE,
    )
    yield plain(blocks[0]).strip()
    for title, body in zip(blocks[1::2], blocks[2::2], strict=True):
        block, after = re.fullmatch(r"((?:[ ]+.*\n?|\n)*)(.*)", body, flags=re.DOTALL).groups()
        text = dedent(block).strip()
        if title.startswith("Example"):
            yield f"```pycon\n{text}\n```"
        elif title in ("Returns", "Yields"):
            yield f"**{title}** {' '.join(plain(text).split())}"
        else:
            entries = re.split(r"\n(?=\S)", plain(text))
            items = (re.sub(r"^([*\w, ]+): ", r"`\1`: ", " ".join(e.split())) for e in entries)
            yield f"**{title}**\n\n" + "\n".join(f"* {item}" for item in items)
        if after.strip():
            yield plain(after).strip()


def first_sentence(docstring: str) -> str:
    """The first paragraph in one line, fit for a table."""
    return " ".join(plain(docstring).split("\n\n")[0].split()).replace("|", "\\|")


def python_entries() -> dict[str, str]:
    """Every public name with its docstring; a name is an alias where another has the same thing."""
    names = sorted(layergram.__all__, key=str.lower)
    missing = [name for name in names if not inspect.getdoc(getattr(layergram, name))]
    if missing:
        raise SystemExit(f"no docstring: {', '.join(missing)}")
    return {name: str(inspect.getdoc(getattr(layergram, name))) for name in names}


def original(name: str) -> str:
    """The name that this one is an alias of, or itself."""
    thing = getattr(layergram, name)
    same = [other for other in layergram.__all__ if getattr(layergram, other) is thing]
    own = [other for other in same if other == thing.__name__]
    return own[0] if own else name


def option_lines(name: str) -> Iterator[str]:
    """The arguments and options of a command, as a table."""
    yield "| option | default | what it is |\n| --- | --- | --- |"
    for one in app[name].assemble_argument_collection(parse_docstring=True):
        if not one.show:
            continue
        names = ", ".join(f"`{n}`" for n in one.names)
        about = first_sentence(str(one.parameter.help or ""))
        if not all(choice in about for choice in one.get_choices() or ()):
            about = f"{about.rstrip('.')} ({', '.join(one.get_choices())})."
        yield f"| {names} | {option_default(one)} | {about} |"


def option_default(option: Any) -> str:
    """What holds where an option is not given; empty where its description says it."""
    if option.required:
        return "needed"
    default = option.field_info.default
    silent = default is inspect.Parameter.empty or default is None or default is False
    return "" if silent or default in ("", (), Path()) else f"`{default}`"


def command_section(name: str) -> str:
    """One command: what it does, and its options."""
    app[name]  # loads the command
    function = app[name].default_command
    about = str(inspect.getdoc(function)).split("\n\nArgs:")[0]
    return "\n".join([f"## layergram {name}", "", plain(about), "", *option_lines(name), ""])


def page() -> str:
    """The whole page."""
    entries = python_entries()
    rows = [
        f"| [`{name}`](#{name.lower()}) | {first_sentence(text)} |"
        for name, text in entries.items()
    ]
    sections = []
    for name, text in entries.items():
        lines = [
            f"## {name}",
            "",
            f"```python\n{signature(name, getattr(layergram, name))}\n```",
            "",
        ]
        if original(name) != name:
            lines += [f"The same as [`{original(name)}`](#{original(name)}).", ""]
        else:
            lines += ["\n\n".join(markdown(text)), ""]
        sections.append("\n".join(lines))
    commands = [f"| [`{name}`](#layergram-{name}) | {about} |" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            HEAD + "\n".join(rows),
            "",
            *sections,
            COMMANDS_HEAD + "\n".join(commands),
            "",
            *map(command_section, COMMANDS),
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
