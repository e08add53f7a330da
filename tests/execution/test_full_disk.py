"""A full disk is a clear stop, and with more room the same command ends as if nothing had been."""

from __future__ import annotations

import subprocess

import pytest
from test_execution import results

from layergram.cli import main
from layergram.storage.verify import verify


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, and how to give it another size."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(place)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    if not mount("-o", "size=320k"):
        pytest.skip("file systems cannot be mounted here (needs root)")
    yield place, lambda size: mount("-o", f"remount,size={size}")
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("keep", ["mean", "maps"])
def test_a_full_disk_stops_a_run_that_then_goes_on(
    keep, small_disk, tmp_path, capsys, tiny_llama_folder
):
    disk, resize = small_disk
    texts = tmp_path / "texts.txt"
    texts.write_text("\n\n".join(f"It is as old as it is. Is it {at}?" for at in range(128)))
    words = ["map", "--texts", texts, "--model", tiny_llama_folder, "--by", "sentence", "--quiet"]
    words = [*map(str, words), "--keep", keep, "--measure", "divergence", "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    (disk / "filler").write_bytes(b"\0" * (200_000 if keep == "mean" else 100_000))
    capsys.readouterr()
    assert main([*words, str(disk / "run")]) == 1
    out, err = capsys.readouterr()
    assert err.count("Asked for:") == 1 and "No space left on device" in err and not out
    assert "finished so far is kept" in err
    assert resize("64m")
    assert not verify(disk / "run").counts.keys() & {"torn", "altered"}
    assert main([*words, str(disk / "run")]) == 0
    assert results(disk / "run") == results(tmp_path / "whole")
    assert verify(disk / "run").whole
    assert not list((disk / "run").rglob("*.partial"))
