"""The tutorial works from top to bottom as it stands there, and prints what it says it prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from layergram.cli import COMMANDS, app, main

TUTORIAL = (Path(__file__).parent.parent / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TUTORIAL, flags=re.DOTALL | re.MULTILINE)
LONG = "layergram roles"
"""From here on commands take minutes; they are read here, and run on less in tests of their own."""


def typed(block):
    """The commands of a block, each as its words."""
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines()]


def test_the_commands_of_the_tutorial_are_understood():
    commands = [words for kind, block in BLOCKS if not kind for words in typed(block)]
    for words in commands:
        app.parse_args(words, exit_on_error=False)
    used = {words[0] for words in commands}
    assert used >= {"map", "draw", "describe", "diff", "roles", "ask", "heads"}
    assert used <= set(COMMANDS)


@pytest.mark.slow
def test_the_short_blocks_of_the_tutorial_work(smollm2, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first_long = next(at for at, (_, block) in enumerate(BLOCKS) if block.startswith(LONG))
    names, printed = {}, ""
    for kind, block in BLOCKS[:first_long]:
        if kind == "text":
            assert block.strip() in printed, printed
        elif kind == "python":
            exec(block, names)
            printed = capsys.readouterr().out
        else:
            codes = [main(words) for words in typed(block)]
            printed, errors = capsys.readouterr()
            assert not any(codes), errors
    assert names["divergence"].sizes == {"layer": 30, "token": 7}
    assert (names["last"].dropna("token") < 1e-6).all()
    assert (tmp_path / "again.png").exists()
    assert (tmp_path / "divergence.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_python_about_role_maps_and_heads_works(smollm2, tmp_path, monkeypatch, capsys):
    """The same code on fewer layers and shuffles."""
    monkeypatch.chdir(tmp_path)
    first_long = next(at for at, (_, block) in enumerate(BLOCKS) if block.startswith(LONG))
    names = {}
    exec('import layergram as lg\nmodel = lg.load("smollm2")', names)
    roles, heads = (block for kind, block in BLOCKS[first_long:] if kind == "python")
    less = "permutations=20), features=lg.FeatureSpec(layers=(0, 15, 30), roles=('last_q', '-1'))"
    assert "permutations=100)" in roles
    exec(roles.replace("permutations=100)", less), names)
    assert "True" in capsys.readouterr().out
    assert names["stored"]["divergence"].sizes["token"] == len(names["answer"]["ids"])
    exec(heads, names)
    assert names["previous"].dims == ("layer", "head")
