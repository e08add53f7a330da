"""The tutorial works from top to bottom as it stands there, and prints what it says it prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from layergram.cli import COMMANDS, app, main
from layergram.datasets.questions import questions

TUTORIAL = (Path(__file__).parent.parent / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TUTORIAL, flags=re.DOTALL | re.MULTILINE)
LONG = "layergram roles"
"""From here on commands take minutes with the embedded model."""


def typed(block):
    """The commands of a block, each as its words."""
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines()]


def first_long():
    """Place of the first block that takes minutes."""
    return next(at for at, (_, block) in enumerate(BLOCKS) if block.startswith(LONG))


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
    names, printed = {}, ""
    for kind, block in BLOCKS[: first_long()]:
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


def half_right(model, prompts, streams, *, batch):
    """Stands in for the model's answers: right to every second question of the set."""
    answers = {
        q.question: (at, q.aliases[0]) for at, q in enumerate(questions("capitals").questions)
    }
    replies = []
    for prompt in prompts:
        asked = re.search(r"What is the capital of [^?]+\?", model.tokenizer.decode(prompt))
        number, right = answers[asked[0]]
        reply = f"It is {right if number % 2 else 'Atlantis'}."
        replies.append((*model.tokenizer(reply)["input_ids"], model.tokenizer.eos_token_id))
    return replies


def test_role_maps_and_probes_of_the_tutorial_work(
    tiny_llama_folder, tmp_path, monkeypatch, capsys
):
    """With an untrained model and made-up answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("layergram.engine.samplers.generate", half_right)
    names = {}
    exec(f"import layergram as lg\nmodel = lg.load({str(tiny_llama_folder)!r})", names)
    for kind, block in BLOCKS[first_long() :]:
        if kind == "python":
            exec(block, names)
        elif not block.startswith("layergram heads"):
            for words in typed(block):
                more = ["--model", str(tiny_llama_folder)] if words[0] == "roles" else []
                assert main([*words, *more]) == 0, capsys.readouterr().err
    assert "True" in capsys.readouterr().out.splitlines()
    assert len(json.loads((tmp_path / "ask/predictions.json").read_text())) == 2
    assert names["stored"]["divergence"].sizes["token"] == len(names["answer"]["ids"])
    assert names["previous"].dims == ("layer", "head")
