"""One run at a time in a folder, and nothing of another run or another version in it."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
from stages import arrays_of, arrays_stage, records_of, records_stage
from test_interruptions import begin

from layergram.errors import LayergramError
from layergram.storage.folder import RunFolder
from layergram.storage.stage import ArraySpec, run_stage


def test_a_second_run_is_refused_and_told_who_is_at_work(tmp_path):
    with RunFolder(tmp_path):
        with pytest.raises(LayergramError) as error, RunFolder(tmp_path):
            pass
        assert error.value.exit_code == 2
        assert f"process {os.getpid()} on " in error.value.got
    with RunFolder(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path):
    process = begin(tmp_path, 10)
    try:
        with pytest.raises(LayergramError) as error, RunFolder(tmp_path):
            pass
        assert f"process {process.pid} on " in error.value.got
        assert "stages.py" in error.value.got  # the command
    finally:
        process.kill()
        process.communicate()
    with RunFolder(tmp_path) as folder:
        assert len(run_stage(records_stage(), records_of, folder)) == 23


def test_a_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), RunFolder(tmp_path):
        raise RuntimeError
    with RunFolder(tmp_path):
        pass


def test_a_folder_is_used_inside_its_block_only(tmp_path):
    with RunFolder(tmp_path) as folder:
        pass
    with pytest.raises(ValueError, match="with block"):
        run_stage(records_stage(), records_of, folder)


VERSION_1 = [
    ("answers.manifest.json", {"schema": 1, "model": "m"}),
    ("extracts.manifest.json", {"schema": 1}),
    ("own_answers.json", {"schema": 1}),
    ("features.json", {"layergram": "store", "schema": 1}),
    ("random_features.part.json", {"done": 3}),
    ("head_outputs.json", {"layergram": "store", "schema": 1}),
    ("sweep_log_likelihood.json", {"schema": 1}),
]


@pytest.mark.parametrize(("name", "content"), VERSION_1)
def test_results_of_version_1_are_refused_and_not_touched(tmp_path, name, content):
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(LayergramError) as error, RunFolder(tmp_path):
        pass
    assert name in error.value.got and "older layergram" in error.value.got
    assert "remove this one" in error.value.do
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_files_of_a_user_do_not_matter(tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    with RunFolder(tmp_path):
        pass
    assert (tmp_path / "notes.json").read_text() == "{}"


@pytest.mark.parametrize(
    "content",
    ['{"layergram": "run", "schema": 3}', '{"name": "a web app", "icons": []}', "{", "[]"],
)
def test_a_manifest_of_something_else_is_refused_and_not_touched(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(LayergramError), RunFolder(tmp_path):
        pass
    assert (tmp_path / "manifest.json").read_text() == content


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LayergramError, match="choose a folder that can be written"):
        RunFolder(tmp_path / "file" / "run").__enter__()


STATES = arrays_stage().arrays


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"made_from": {"model": "n"}}, "model 'm', now 'n'"),
        ({"made_from": {}}, "model 'm', now not given"),
        ({"made_from": {"model": "m", "asking": {"seed": 1}}}, "asking not given, now {'seed': 1}"),
        ({"items": [f"question {n}" for n in range(24)]}, "23 items, now 24 (such as 'question 23"),
        ({"items": ["question 0"]}, "23 items, now 1 (such as 'question 1')"),
        ({"arrays": {"x": ArraySpec({})}}, "arrays None, now {'x': "),
    ],
)
def test_what_differs_from_the_run_in_the_folder_is_named(tmp_path, changes, words):
    with RunFolder(tmp_path) as folder:
        run_stage(records_stage(), records_of, folder)
        with pytest.raises(LayergramError) as error:
            run_stage(dataclasses.replace(records_stage(), **changes), records_of, folder)
        assert words in error.value.got and "stage 'answers'" in error.value.got
        assert run_stage(records_stage(), records_of, folder)["question 3"]["score"] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"made_from": {"model": "m", "options": {"roles": ["last"]}}},
            "options.roles ['last', 'exact'], now ['last']",
        ),
        (
            {"arrays": {**STATES, "features": dataclasses.replace(STATES["features"], dtype="f4")}},
            "arrays.features.dtype 'float16', now 'f4'",
        ),
        ({"dim": "step"}, "dim 'example', now 'step'"),
    ],
)
def test_what_differs_in_arrays_is_named(tmp_path, changes, words):
    with RunFolder(tmp_path) as folder:
        run_stage(arrays_stage(), arrays_of, folder)
        with pytest.raises(LayergramError) as error:
            run_stage(dataclasses.replace(arrays_stage(), **changes), arrays_of, folder)
    assert words in error.value.got


def test_chunks_and_words_may_change_between_runs(tmp_path):
    features = dataclasses.replace(STATES["features"], chunks={}, attrs={"units": "other"})
    other = arrays_stage(arrays={**STATES, "features": features})
    with RunFolder(tmp_path) as folder:
        run_stage(arrays_stage(), arrays_of, folder)
        run_stage(other, None, folder)  # makes nothing


def test_the_manifest_lists_the_stages(tmp_path):
    with RunFolder(tmp_path) as folder:
        run_stage(records_stage(), records_of, folder)
        run_stage(arrays_stage(), arrays_of, folder)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["layergram"] == "run" and manifest["schema"] == 2
    assert [*manifest["stages"]] == ["answers", "states/residual"]
    assert all(digest.startswith("sha256:") for digest in manifest["stages"].values())
