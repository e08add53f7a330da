"""Averaged maps equal means over single maps, whatever happened in between."""

import json
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


def test_tokens_of_cells_are_named_only_for_maps_that_are_kept(tiny, tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "layergram.cell_tokens.decode", lambda _, ids: decoded.append(ids) or str(ids)
    )
    given = {"measures": ["lens_token", "divergence"], "by": "whole"}
    means = lg.average_maps(tiny, TEXTS[:3], **given).maps
    assert not decoded
    kept = lg.average_maps(tiny, TEXTS[:3], out=tmp_path, keep="maps", **given).maps
    assert decoded
    assert means["lens_token"].equals(kept["lens_token"])
    one = lg.read(tmp_path / "texts" / "1" / "lens_token.nc")
    assert "top_tokens" in one.coords and "top_token_text" in one.coords


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
    with pytest.raises(lg.LayergramError, match=r"another run .*features"):
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


def answer_rows(tiny):
    """Stored answers with two roles; the second has no exact answer, the third is a drawn one."""
    rows = []
    for at, (prompt, reply) in enumerate(
        [("Is it?", " Yes, it is."), ("Why?", " So."), ("Eh", "!")]
    ):
        ids = [
            tiny.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, reply)
        ]
        exact = -1 if at == 1 else len(ids[0]) + 1
        roles = {
            "last_q": len(ids[0]) - 1,
            "exact_answer_first": exact,
            "-1": len([*ids[0], *ids[1]]) - 1,
        }
        row = {"id": f"q{at}", "sample": int(at == 2), "ids": [*ids[0], *ids[1]]}
        rows.append({**row, "prompt_tokens": len(ids[0]), "roles": roles})
    return rows


def test_averages_by_role_and_part_equal_numpy_over_stored_answers(tiny, tmp_path):
    rows = answer_rows(tiny)
    names = ["attention_received", "residual_norm"]
    ones = [lg.trace(tiny, answer=row, measures=names) for row in rows[:2]]
    found = lg.average_maps(tiny, rows, measures=names, by="role").maps
    parts = lg.average_maps(tiny, rows, measures=names, by="part").maps
    for name in names:
        assert found[name].dims == ("layer", "role")
        for role in rows[0]["roles"]:
            columns = [
                one[name].values[:, row["roles"][role]]
                for one, row in zip(ones, rows, strict=False)
                if row["roles"][role] >= 0
            ]
            cell = found[name].sel(role=role)
            np.testing.assert_allclose(cell.values, np.mean(columns, axis=0), atol=1e-6)
            assert (cell["texts"].values == len(columns)).all()
        assert "mean over 1 to 2 answers" in found[name].attrs["averaged"]
        for at, part in enumerate(("prompt", "answer")):
            cells = [one[name].values[:, one.part.values == part] for one in ones]
            expected = np.concatenate(cells, axis=1).mean(1)
            np.testing.assert_allclose(parts[name].values[:, at], expected, atol=1e-6)
            assert parts[name].segment_text.values[at] == part


def test_the_command_reads_the_answers_of_a_run_of_roles(tiny, tiny_llama_folder, tmp_path):
    rows = answer_rows(tiny)
    words = ["map", "--texts", str(tmp_path), "--measure", "residual_norm", "--by", "role"]
    words += ["--model", str(tiny_llama_folder), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(words) == 2
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(words) == 0
    made = lg.read(tmp_path / "out" / "residual_norm.nc")
    expected = lg.average_maps(tiny, rows, measures=["residual_norm"], by="role")
    np.testing.assert_array_equal(made.values, expected.maps["residual_norm"].values)


def test_answers_of_another_tokenizer_are_refused(tiny):
    rows = [{**row, "texts": ["?"] * len(row["ids"])} for row in answer_rows(tiny)]
    with pytest.raises(lg.LayergramError, match="another tokenizer"):
        lg.average_maps(tiny, rows, by="role")


def test_averages_by_function_equal_numpy_over_labelled_steps(tiny):
    steps = lg.steps("functions").first(10)
    name, run = "attention_previous", lg.Run(heads="each")
    made = lg.average_maps(tiny, steps, measures=[name, "settling_depth"], by="function").maps
    found = made[name]
    assert found.dims == ("function", "layer", "head")
    assert made["settling_depth"].dims == ("function",)
    cells = {}
    for sequence in lg.step_sequences(tiny, steps):
        one = lg.trace(tiny, ids=sequence.ids, measures=[name], run=run)[name].values
        for span in sequence.spans:
            at = list(span.content)
            cells.setdefault(steps.steps[span.step].function, []).append(one[..., at])
    assert found["function"].values.tolist() == list(steps.counts())
    for function, values in cells.items():
        expected = np.concatenate(values, axis=-1).mean(-1)
        np.testing.assert_allclose(found.sel(function=function).values, expected, atol=1e-6)


def test_the_maps_of_every_text_are_kept_on_request(tiny, tmp_path):
    names = ["residual_norm", "attention_first"]
    made = lg.average_maps(tiny, TEXTS[:3], measures=names, by="whole", out=tmp_path, keep="maps")
    for name in names:
        kept = [lg.read(tmp_path / "texts" / f"{at}" / f"{name}.nc") for at in (1, 2, 3)]
        for array, text in zip(kept, TEXTS, strict=False):
            assert array.attrs["text"] == text
            single = lg.trace(tiny, text, measures=[name])[name]
            np.testing.assert_allclose(array.values, single.values, atol=1e-6)
        values = np.concatenate([array.values for array in kept], axis=-1)
        np.testing.assert_allclose(
            made.maps[name].values[..., 0], np.nanmean(values, -1), atol=1e-6
        )
    (tmp_path / "texts" / "2" / "residual_norm.nc").unlink()
    lg.average_maps(tiny, TEXTS[:3], measures=names, by="whole", out=tmp_path, keep="maps")
    again = lg.read(tmp_path / "texts" / "2" / "residual_norm.nc")
    assert again.attrs["text"] == TEXTS[1], "a kept map that was removed is made again"
    with pytest.raises(lg.LayergramError, match="keep 'maps', now 'mean'"):
        lg.average_maps(tiny, TEXTS[:3], measures=names, by="whole", out=tmp_path)
    with pytest.raises(lg.LayergramError, match="without a folder"):
        lg.average_maps(tiny, TEXTS[:3], keep="maps")
    with pytest.raises(lg.LayergramError, match="everything"):
        lg.average_maps(tiny, TEXTS[:3], keep="everything")


@pytest.mark.parametrize("state", ["missing", "torn", "altered"])
def test_kept_maps_that_are_not_whole_are_found_and_made_again(tiny, tmp_path, capsys, state):
    out = tmp_path / "out"
    options = {"measures": ["residual_norm"], "by": "whole", "out": out, "keep": "maps"}
    lg.average_maps(tiny, TEXTS[:70], **options)
    assert lg.verify(out).whole
    path = out / "texts" / "2" / "residual_norm.nc"
    whole, before = path.read_bytes(), lg.read(path)
    other = (out / "texts" / "70" / "residual_norm.nc").stat().st_mtime_ns
    if state == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:99] if state == "torn" else whole[:-1] + b"?")
    assert main(["verify", str(out)]) == 1
    assert f"1 {'altered' if state == 'altered' else 'torn'} (00000" in capsys.readouterr().out
    lg.average_maps(tiny, TEXTS[:70], **options)
    assert lg.verify(out).whole and lg.read(path).equals(before)
    assert (out / "texts" / "70" / "residual_norm.nc").stat().st_mtime_ns == other


def test_a_marker_that_lists_no_kept_maps_is_not_trusted_with_them(tiny, tmp_path):
    options = {"measures": ["residual_norm"], "by": "whole", "out": tmp_path, "keep": "maps"}
    lg.average_maps(tiny, TEXTS[:70], **options)
    marker = tmp_path / "averages" / "shards" / "00000.json"
    known = json.loads(marker.read_bytes())
    own = {name: file for name, file in known["files"].items() if "texts/" not in name}
    assert 0 < len(own) < len(known["files"])
    marker.write_text(json.dumps({**known, "files": own}))  # as older versions wrote it
    path = tmp_path / "texts" / "2" / "residual_norm.nc"
    other = (tmp_path / "texts" / "70" / "residual_norm.nc").stat().st_mtime_ns
    path.unlink()
    lg.average_maps(tiny, TEXTS[:70], **options)
    assert lg.read(path).attrs["text"] == TEXTS[1]
    assert json.loads(marker.read_bytes())["files"].keys() == known["files"].keys()
    assert (tmp_path / "texts" / "70" / "residual_norm.nc").stat().st_mtime_ns == other


def test_a_run_with_kept_maps_can_be_moved(tiny, tmp_path):
    lg.average_maps(tiny, TEXTS[:3], by="whole", out=tmp_path / "a", keep="maps")
    (tmp_path / "a").rename(tmp_path / "b")
    assert lg.verify(tmp_path / "b").whole
