"""Requests that the parser refuses: one message of the usual parts, in its own spelling."""

from __future__ import annotations

import pytest

from layergram.cli import COMMANDS, app, main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("draw x.nc --fist-token keep", "the option --fist-token of layergram draw"),
        ("draw x.nc --fist-token keep", "Do: did you mean --first-token?"),
        ("map x --max-new-token 3", "Do: did you mean --max-new-tokens?"),
        ("map x --max_new_tokens=0", "at least 1"),
        ("map x --max-new-tokens 0", "Asked for: --max-new-tokens 0\nAllowed: at least 1"),
        ("map x --max-new-tokens many", "Allowed: a whole number"),
        ("map x --top-p 2", "Asked for: --top-p 2.0"),
        ("map x --picture gif", "Asked for: --picture gif\nAllowed: png, svg, pdf"),
        ("map x --heads eac", "Allowed: mean, each\nDo: did you mean 'each'?"),
        ("map x --by word --texts t.txt", "Allowed: tenths, sentence, edge, whole"),
        ("map x --by tenths", "Asked for: --by tenths for one text\nAllowed: word, sentence"),
        ("check --dtype float8", "Allowed: auto, float32, bfloat16, float16"),
        ("describe x.nc --by words", "Do: did you mean 'word'?"),
        ("draw x.nc --most-columns 1", "Asked for: --most-columns 1\nAllowed: 2 or more"),
        ("mapp x", "Do: did you mean 'map'?"),
        ("nonsense", ", ".join(COMMANDS)),
        ("draw", "Asked for: layergram draw\nGot: no MAP"),
        ("diff a.nc", "Got: no B\nDo: layergram diff --help lists what it takes"),
        ("map --file", "Got: no value for --file"),
        ("draw a.nc --limits 1", "Got: fewer than 2 values for --limits"),
        ("draw", "Do: layergram draw --help lists what it takes"),
        ("map a b c", "Got: more than it takes: b c\nDo: put what has spaces in quotes"),
        ("map a --like notes.txt", "Asked for: the map file 'notes.txt'"),
        ("map a --measure divergance", "Asked for: --measure divergance\nGot: no measure of"),
    ],
)
def test_what_the_parser_refuses_is_one_message_of_the_usual_parts(words, says, capsys):
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("Asked for: ") and says in err


@pytest.mark.parametrize(
    "words",
    [
        "map a --measure divergance",
        "map a --option gg=1",
        "map a --model ./nowhere",
        "ask nowhere.npz x",
        "roles capitals --model ./nowhere",
        "depth arithmetic --shard 5/4",
        "heads --workers 2",
        "fit-lens tuned --model ./nowhere",
    ],
)
def test_a_wrong_request_leaves_no_folder_behind(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    assert capsys.readouterr().err.startswith("Asked for: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "choices"),
    [("map", ("png, svg, pdf", "mean, each", "float16")), ("check", ("float16",))],
)
def test_help_shows_choices(command, choices, capsys):
    app([command, "--help"], result_action="return_value")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert [one for one in choices if one not in shown] == []


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_shows_defaults_as_they_are_typed_and_no_empty_ones(command, capsys):
    app([command, "--help"], result_action="return_value")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert [one for one in ('default: "', "default: (", "default: False") if one in shown] == []
    assert command != "depth" or "[default: 0.3 0.4 0.5 0.6 0.7]" in shown
