"""The list of measures, and the examples at the end of each command's help."""

from __future__ import annotations

import json
import shlex

import pytest

from layergram.cli import COMMANDS, EXAMPLES, app, main
from layergram.measures import MEASURES
from layergram.recipe import DEFAULT_MEASURES


def test_every_measure_is_listed_and_the_default_ones_are_marked(capsys):
    assert main(["measures"]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert [line[2:].split()[0] for line in lines] == list(MEASURES)
    assert {line[2:].split()[0] for line in lines if line[0] == "*"} == set(DEFAULT_MEASURES)


def test_one_measure_is_described_in_full(capsys):
    assert main(["measures", "settling_depth"]) == 0
    text = capsys.readouterr().out
    assert "First layer at which the divergence" in text
    assert "g=0.5" in text and "made from: divergence" in text


def test_a_measure_of_roles_says_so_and_has_the_options_of_its_source(capsys):
    assert main(["measures", "attention_role_mass"]) == 0
    text = capsys.readouterr().out
    assert "a column: is a token role" in text
    assert "options: query=last" in text and "made from: attention_from" in text


def test_measures_as_json_have_numbers_and_pairs(capsys):
    assert main(["measures", "divergence", "lens_rank", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["measures"]
    assert (first["name"], first["range"], first["units"]) == ("divergence", [0, 1], "bit")
    assert first["default"] and not second["default"]
    assert second["range"] == [1, None]


def test_an_unknown_measure_is_refused_with_its_neighbour(capsys):
    assert main(["measures", "divergenc"]) == 2
    assert "did you mean 'divergence'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_in_examples_that_the_command_understands(command, capsys):
    assert EXAMPLES[command]
    for line in EXAMPLES[command]:
        words = shlex.split(line)
        assert words[:2] == ["layergram", command]
        app.parse_args(words[1:], exit_on_error=False, print_error=False)
    app([command, "--help"], result_action="return_value")
    shown = " ".join(capsys.readouterr().out.split())
    assert "Examples:" in shown and all(line in shown for line in EXAMPLES[command])
