"""What ``layergram map`` shows while it works: on a terminal the phase, in a pipe nothing."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

TEXT = "One, two, three; one, two, three."
WATCHED = """
import sys
from layergram.cli import main, phases
kept = phases.Phases.show
def show(self, phase, *rest):
    kept(self, phase, *rest)
    heavy = [name for name in ("torch", "transformers", "rich") if name in sys.modules]
    print(phase, *heavy, file=sys.stdout, flush=True)
phases.Phases.show = show
sys.exit(main(sys.argv[1:]))
"""


def on_a_terminal(*words, code, cwd, cache):
    """What the command writes to a terminal as standard error, and to a pipe as standard output."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=theirs, text=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    printed, _ = child.communicate()
    assert child.returncode == 0, shown
    return shown.decode(), printed


def test_a_terminal_shows_each_phase_in_the_place_of_the_last(tmp_path, tiny_llama_folder):
    words = ["map", TEXT, "--model", str(tiny_llama_folder), "--out", "m"]
    words += ["--measure", "residual_norm", "--measure", "divergence"]
    shown, printed = on_a_terminal(*words, code=WATCHED, cwd=tmp_path, cache=tmp_path / "cache")
    plain = re.sub(r"\x1b\[(\?25[lh]|\d*m)", "", shown)
    lines = [line for line in re.split(r"\r\x1b\[2?K", plain) if line]
    phases = [line for line in lines if "loading the model" not in line]  # a moving line of its own
    tokens = int(re.search(r"(\d+) tokens in", printed)[1])
    assert phases == [
        "importing …", "importing …", "loading …", "proving …",
        f"reading {tokens} of {tokens} tokens …", "drawing 1 of 2 maps …", "drawing 2 of 2 maps …",
    ]  # fmt: skip
    assert shown.endswith("\r\x1b[K"), "the line is empty at the end"
    assert printed.splitlines()[0] == "importing", "nothing heavy is imported before it"
    assert "\x1b" not in printed


def test_a_pipe_gets_none(tmp_path, tiny_llama_folder):
    words = ["map", TEXT, "--model", str(tiny_llama_folder), "--measure", "residual_norm"]
    done = subprocess.run(
        [sys.executable, "-m", "layergram", *words],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
