"""Role maps of labelled texts: planted spans are found, random labels are not, words are told."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

import layergram as lg
from layergram import maps
from layergram.cli import main
from layergram.experiments.roles.below_chance import below_chance
from layergram.experiments.roles.labelled import rows_of

THINGS = ["box", "cup", "tree", "lamp", "boat", "stone", "road", "bell", "coat", "door", "wall"]
FEW = lg.RoleMapOptions(evaluation=lg.Evaluation(folds=3, permutations=99), control="none")


def table(path, rows, header="text,label,span"):
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return lg.labelled(path, near_duplicates="separate")


def planted(count=80):
    """The label is the word in the span; the same words stand elsewhere too."""
    draw = random.Random(0)
    rows = []
    for at in range(count):
        own, other = ("black" if at % 2 else "blue"), draw.choice(["black", "blue"])
        one, two = draw.sample(THINGS, 2)
        text = f"Say {draw.randrange(99)}: a {other} {one} and the {own} {two} stand here at last."
        start = text.index(f"the {own}") + 4
        rows.append(f"{text},{'hot' if at % 2 else 'cold'},{start}:{start + len(own)}")
    return rows


def test_a_planted_span_is_found_at_its_tokens(tiny, tmp_path):
    texts = table(tmp_path / "planted.csv", planted())
    result = lg.role_map(tiny, texts, out=tmp_path / "out", options=FEW)
    auroc = result.maps["auroc"]
    roles = auroc["role"].values.tolist()
    assert {"first", "last", "span_before", "span_first", "span_last", "span_after"} < set(roles)
    assert roles[-8:] == [str(at) for at in range(-8, 0)]
    assert float(auroc.sel(role="span_last").max()) > 0.98
    assert result.summary["classes"] == {"cold": 40, "hot": 40}
    assert auroc.attrs["long_name"] == "AUROC of a probe for hot"
    text = " ".join(result.sentences) + (tmp_path / "out/auroc.md").read_text()
    assert "tells hot from cold" in text and "wrong" not in text
    assert {"chosen_cell", "words", "best_cell", "surface", "shuffled"} <= set(
        result.tables["baselines"]["name"]
    )


def test_random_labels_give_no_significant_cell(tiny, tmp_path):
    draw = random.Random(1)
    rows = [f"{' '.join(draw.choices(THINGS, k=3))} {at},{draw.choice('ab')}" for at in range(90)]
    texts = table(tmp_path / "random.csv", rows, "text,label")
    result = lg.role_map(tiny, texts, options=FEW)
    assert float(result.maps["auroc"]["p_value"].min()) > 0.05
    assert any("The chance of a cell this strong" in sentence for sentence in result.sentences)


def test_a_label_that_one_word_tells_is_shown_as_such(tiny, tmp_path):
    draw = random.Random(2)
    rows = [
        f"The {draw.choice(THINGS)} of {at} is {'good' if at % 2 else 'bad'} for a "
        f"{draw.choice(THINGS)},{'praise' if at % 2 else 'blame'}"
        for at in range(80)
    ]
    result = lg.role_map(tiny, table(tmp_path / "w.csv", rows, "text,label"), options=FEW)
    words = result.tables["baselines"].set_index("name").loc["words"]
    assert words["auroc"] > 0.98 and words["gain_low"] <= 0
    said = " ".join(result.sentences)
    assert "can be read from the words as well" in said
    assert "in 100% of " in said and ("'good'" in said or "'bad'" in said)


def test_positions_of_a_question_with_its_reply(tiny, tmp_path):
    rows = [f"Which hue {at}?,It is blue {at} now.,{'yn'[at % 2]},blue" for at in range(20)]
    texts = table(tmp_path / "q.csv", rows, "question,reply,label,span")
    row = rows_of(tiny, texts, chat="auto")[3]

    def piece(first, last):
        return "".join(row.texts[row.roles[first] : row.roles[last] + 1])

    assert piece("question_first", "question_last").strip() == "Which hue 3?"
    assert piece("reply_first", "reply_last") == "It is blue 3 now."
    assert piece("span_first", "span_last").strip() == "blue"
    assert row.roles["span_before"] == row.roles["span_first"] - 1
    assert row.roles["reply_last"] == row.roles["-1"] == len(row.ids) - 1
    assert row.roles["reply_first"] == row.prompt_tokens and row.roles["first"] == -1


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_command_resumes_generalises_and_draws_its_probe_over_a_text(
    run, tiny_llama_folder, tmp_path, monkeypatch
):
    table(tmp_path / "a.csv", planted())
    table(tmp_path / "b.csv", planted(60))
    words = ("roles", "--labelled", "a.csv", "--also", "b.csv", "--near-duplicates", "separate",
             "--model", tiny_llama_folder, "--folds", 3, "--permutations", 20, "--control", "none",
             "--save-probe", "p.npz", "--json")  # fmt: skip
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    first = json.loads(out)
    assert first["classes"] == {"cold": 40, "hot": 40}
    matrix = maps.read(tmp_path / "roles/generalisation.nc")
    assert matrix["test"].values.tolist() == ["a", "b"] and float(matrix.min()) > 0.9
    monkeypatch.setattr("layergram.engine.run.forward", None)
    code, out, _ = run(*words)
    assert code == 0 and json.loads(out)["nested_auroc"] == first["nested_auroc"]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)

    text = "Say 1: a black box and the blue cup."
    code, out, err = run("ask", "p.npz", "--over", text, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    probe, alone = found["maps"]
    assert (probe["name"], alone["name"]) == ("probe", "words")
    assert found["tokens"] == len(found["texts"]) == len(probe["values"]) == len(alone["values"])
    assert probe["dims"] == {"layer": 1, "token": found["tokens"]}
    assert probe["range"] == pytest.approx([min(probe["values"]), max(probe["values"])], abs=1e-4)
    assert found["model"] and found["revision"] and len(probe["files"]) == 4
    line = maps.read(tmp_path / "ask/probe.nc")
    assert line.dims == ("layer", "token") and line.sizes["layer"] == 1
    assert "".join(line["token_text"].values).endswith(text)
    assert line.attrs["long_name"] == "probability of hot"
    assert lg.load_probe("p.npz").role == "span_last"
    ends = line["char_end"].values.tolist()
    black, blue = (probe["values"][ends.index(text.index(word))] for word in (" box", " cup"))
    assert black > 0.5 > blue
    assert maps.read(tmp_path / "ask/words.nc").dims == ("token",)
    for name in ("probe", "words"):
        assert (tmp_path / f"ask/{name}.png").stat().st_size > 5_000
    code, out, _ = run("ask", "p.npz", "--over", text)
    assert code == 0 and "probability of hot" in out
    code, _, err = run("ask", "p.npz", "What is it?")
    assert code == 2 and "--over TEXT" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["capitals", "--labelled", "a.csv"], "nothing is asked"),
        (["--labelled", "a.csv", "--samples", "3"], "--samples"),
        (["--labelled", "gone.csv"], "no such file"),
        (["--labelled", "a.csv", "--also", "c.csv"], "the labels n and y"),
        (["--labelled", "a.csv", "--limit", "12"], "6 texts labelled 'cold'"),
    ],
)
def test_a_wrong_request_is_one_message(run, words, says, tmp_path):
    table(tmp_path / "a.csv", planted())
    table(tmp_path / "c.csv", [f"row {at},{'yn'[at % 2]}" for at in range(30)], "text,label")
    code, out, err = run("roles", *words)
    assert (code, out) == (2, "") and says in " ".join(err.split())


def test_a_block_below_chance_is_named_with_its_cause():
    values = np.full((10, 8), 0.5)
    values[2:6, 3:6] = 0.38
    auroc = maps.make(
        values, ("layer", "role"), measure="auroc",
        coords={"role": [str(at) for at in range(-8, 0)],
                "high": (("layer", "role"), values + 0.06),
                "low": (("layer", "role"), values - 0.06)},
    )  # fmt: skip
    said = below_chance(auroc)
    assert "12 neighbouring cells (layers 3–6, -5 to -3)" in said and "near-duplicates" in said
    assert below_chance(auroc.isel(role=slice(0, 4))) == ""
