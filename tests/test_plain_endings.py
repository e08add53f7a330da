"""How commands end when the reader goes away, and which names are near enough to suggest."""

import os
import subprocess
import sys

import numpy as np
import pytest

from layergram import maps
from layergram.errors import unknown_name

CODE = "from layergram.cli import run; run()"


def test_a_reader_that_goes_away_leaves_no_traceback(tmp_path):
    path = tmp_path / "map.nc"
    values = np.arange(12.0).reshape(3, 4)
    maps.write(maps.make(values, ("layer", "token"), measure="m"), path)
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", CODE, "describe", str(path)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 141


@pytest.mark.parametrize(("name", "suggested"), [("nope", False), ("coper", True)])
def test_only_a_near_name_is_suggested(name, suggested):
    assert ("did you mean 'copper'" in str(unknown_name("palette", name, ["copper"]))) == suggested
