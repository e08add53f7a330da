"""Averaged maps equal means over single maps, whatever happened in between."""

import re

import numpy as np
import pytest

import layergram as lg
from layergram.cli import main
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.tracing import Trace

PHRASE = "Paris is a city. Is it old? Yes, very old!\nA river runs there. It has 2.5 towers"
WORDS = re.split(" ", PHRASE)
TEXTS = [" ".join(WORDS[at % 5 :][: 4 + at % 11]) + f" {at}." for at in range(200)]
MEASURES = ["divergence", "attention_received", "settling_depth"]


def by_hand(tiny, name, segment):
    """Mean over the tokens of each segment, from one trace per text."""
    cells = {}
    for text in TEXTS:
        one = lg.trace(tiny, text, measures=MEASURES)[name]
        for token, of in enumerate(segment(one)):
            cells.setdefault(of, []).append(one.isel(token=token).values.astype(float))
    return np.stack([np.nanmean(cells[of], axis=0) for of in sorted(cells)], axis=-1)


def tenth(one):
    return [10 * at // one.sizes["token"] for at in range(one.sizes["token"])]


def sentence(one):
    """A new sentence after a closing mark before white space, letter by letter."""
    number, of_letter, text = 0, [], one.attrs["text"]
    for at, _ in enumerate(text):
        if at and text[at].isspace() and text[at - 1] in ".?!":
            number += 1
        of_letter.append(number)
    return [of_letter[int(at)] for at in one.char_start.values]


@pytest.mark.parametrize(("by", "segment"), [("tenths", tenth), ("sentence", sentence)])
def test_averages_equal_numpy_over_single_maps(tiny, by, segment):
    result = lg.average_maps(tiny, TEXTS, measures=MEASURES, by=by)
    for name in MEASURES:
        np.testing.assert_allclose(
            result.maps[name].values, by_hand(tiny, name, segment), atol=1e-6, rtol=0
        )


def test_an_interrupted_run_resumes_with_the_same_bits(tiny, tmp_path):
    whole = lg.average_maps(tiny, TEXTS, measures=MEASURES).maps

    def stop(done, total):
        if 0 < done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lg.average_maps(tiny, TEXTS, measures=MEASURES, out=tmp_path, progress=stop)
    seen = []
    again = lg.average_maps(
        tiny, TEXTS, measures=MEASURES, out=tmp_path, progress=lambda done, _: seen.append(done)
    ).maps
    assert seen[0] == 64
    for name in MEASURES:
        for values in ("low", "high", "texts"):
            assert again[name][values].values.tobytes() == whole[name][values].values.tobytes()
        assert again[name].values.tobytes() == whole[name].values.tobytes()
        assert (tmp_path / f"{name}.png").exists()
        assert (tmp_path / f"{name}.md").exists()


def test_heads_stay_apart_on_request(tiny):
    run = lg.Run(heads="each")
    found = lg.average_maps(
        tiny, TEXTS[:5], measures=["attention_received"], by="whole", run=run
    ).maps["attention_received"]
    assert found.dims == ("layer", "head", "segment")
    single = [lg.trace(tiny, text, measures=["attention_received"], run=run) for text in TEXTS[:5]]
    values = np.concatenate([one["attention_received"].values for one in single], axis=-1)
    np.testing.assert_allclose(found.values[..., 0], values.mean(-1), atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "by", "message"),
    [
        ([], "tenths", "no text"),
        (["Paris is old.", " "], "tenths", "in text 2"),
        (["Paris is old.", "x" * 9000], "tenths", "the first is text 2"),
        (["Paris is old."], "word", "word"),
        (["Paris is old."], "part", "by part"),
        (["Paris is old."], "role", "by role"),
        (["Paris is old."], "function", "by function"),
    ],
)
def test_bad_texts_are_refused_before_anything_is_read(tiny, tmp_path, texts, by, message):
    with pytest.raises(lg.LayergramError, match=message):
        lg.average_maps(tiny, texts, by=by, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_reads_texts_of_a_file(tiny, tiny_llama_folder, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["body", *(f'"{text}"' for text in TEXTS[:5])]))
    words = ["map", "--texts", str(path), "--measure", "divergence", "--by", "edge", "--quiet"]
    words += ["--model", str(tiny_llama_folder), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert not (tmp_path / "out").exists()
    assert main([*words, "--columns", "text=body"]) == 0
    made = lg.read(tmp_path / "out" / "divergence.nc")
    expected = lg.average_maps(tiny, TEXTS[:5], measures=["divergence"], by="edge")
    np.testing.assert_array_equal(made.values, expected.maps["divergence"].values)


def test_a_measure_that_a_text_cannot_have_is_refused_before_anything_is_read(tiny, tmp_path):
    texts = ["Paris is as old as it is.", "Old"]
    wrong = [{"measures": ["attention_induction"]}]
    wrong += [{"measures": ["attention_from"], "options": {"query": "Paris"}}]
    for request in wrong:
        with pytest.raises(lg.LayergramError, match="in text 2"):
            lg.average_maps(tiny, texts, out=tmp_path / "out", **request)
    assert not (tmp_path / "out").exists()


def test_a_measure_without_any_value_in_a_text_names_the_text(tiny, monkeypatch):
    def no_values(one):
        if len(one.given) == 3:
            raise lg.LayergramError("divergence", got="no token that has a value")
        return maps(one)

    maps = Trace.maps
    monkeypatch.setattr(Trace, "maps", no_values)
    with pytest.raises(lg.LayergramError, match="divergence, in text 2\nGot: no token"):
        lg.average_maps(tiny, ["Paris", "old"], measures=["divergence"])


def test_folders_of_other_results_are_refused_and_kept(tiny, tmp_path):
    lg.average_maps(tiny, TEXTS[:3], measures=["divergence"], out=tmp_path)
    before = (tmp_path / "summary.json").read_bytes()
    for texts, by, message in (
        (TEXTS[:3], "edge", "by 'tenths'"),
        (TEXTS[:4], "tenths", "3 items"),
    ):
        with pytest.raises(lg.LayergramError, match=message):
            lg.average_maps(tiny, texts, measures=["divergence"], by=by, out=tmp_path)
    assert (tmp_path / "summary.json").read_bytes() == before
    with RunFolder(tmp_path / "roles") as folder:
        run_stage(Stage("features", ("a",), {}), lambda ids: {"a": {}}, folder)
    with pytest.raises(lg.LayergramError, match="another run .*features"):
        lg.average_maps(tiny, TEXTS[:3], measures=["divergence"], out=tmp_path / "roles")


def test_all_measures_are_those_that_every_text_can_have(tiny_llama_folder, tmp_path, capsys):
    path = tmp_path / "mine.txt"
    path.write_text("Paris is as old as Rome is.\n\nOld")
    words = ["map", "--texts", str(path), "--measure", "all", "--by", "whole"]
    words += ["--model", str(tiny_llama_folder), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "note: no attention_induction: text 2: " in capsys.readouterr().err
    made = {path.stem for path in (tmp_path / "out").glob("*.nc")}
    assert {"divergence", "attention_previous", "residual_norm"} <= made
    assert "attention_induction" not in made


def test_words_say_what_cells_are_means_over_and_name_segments_by_their_labels(tiny):
    made = lg.average_maps(tiny, TEXTS[:30], measures=["divergence"]).maps["divergence"]
    text = str(lg.describe(made))
    assert "mean over 30 texts" in text and "95 % interval over texts" in text
    assert '"0–10 %"' in text and "position 0" not in text
