"""``layergram serve``: what it refuses before anything is loaded, and what it prints."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

import pytest

from layergram import LayergramError
from layergram.app import check_installed
from layergram.cli import main


def test_without_its_packages_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr("layergram.app.find_spec", lambda name: None)
    with pytest.raises(LayergramError, match=r"pip install 'layergram\[app\]'"):
        check_installed()
    assert main(["serve"]) == 2


def test_fastapi_is_imported_by_the_app_alone():
    code = "import layergram, layergram.cli.serve, sys; print('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_port_that_is_taken_is_said_before_a_model_is_loaded(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--out", str(tmp_path / "o")]) == 2
    assert f"port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--port", "99999999"], ["--token", "short"], ["--model", "./nothing-here"]]
)
def test_a_wrong_request_is_refused(words, capsys, tmp_path):
    assert main(["serve", "--out", str(tmp_path), *words]) == 2
    assert "Asked for:" in capsys.readouterr().err


def test_the_address_is_printed_with_a_token_where_others_can_reach_it(
    tiny_llama_folder, tmp_path, capsys
):
    words = ["serve", "--model", str(tiny_llama_folder), "--out", str(tmp_path), "--check"]
    assert main([*words, "--port", "0"]) == 0
    assert re.fullmatch(r"layergram is at http://127.0.0.1:\d+/\n", capsys.readouterr().out)
    assert main([*words, "--port", "0", "--host", "0.0.0.0"]) == 0
    assert "/?token=" in capsys.readouterr().out
