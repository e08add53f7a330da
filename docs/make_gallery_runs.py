"""Make docs/gallery/data again: run the commands of gallery_runs.py, keep the maps it needs.

``python docs/make_gallery_runs.py FOLDER`` writes the results into FOLDER, which takes half an hour
on two cores; a run that is there is not made again. Drawing the gallery needs only what is kept.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from gallery_runs import DATA, NEEDED, RUNS, UNTRAINED
from layergram import maps

PANELS, COLUMNS = 400, 556
LAST = "untrained"
PACKED = "long_heads"


def make_untrained(folder: Path) -> None:
    """A llama of 32 layers with 32 heads and the tokenizer of the embedded model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    import layergram as lg

    tokenizer = lg.load("smollm2").tokenizer
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=32,
        num_attention_heads=32,
        vocab_size=len(tokenizer),
    )
    LlamaForCausalLM(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def run(folder: Path) -> None:
    """Run every command whose results are not in the folder yet."""
    if not (folder / UNTRAINED).exists():
        make_untrained(folder / UNTRAINED)
    for name, words in RUNS.items():
        if not list((folder / name).glob("*.nc")):
            words = [str(DATA / word) if word.endswith(".txt") else word for word in words]
            command = [sys.executable, "-m", "layergram", *words, "--out", name, "--quiet"]
            subprocess.run(command, cwd=folder, check=True)


def kept(name: str, array: xr.DataArray) -> xr.DataArray:
    """What the gallery shows of a map."""
    if name == LAST:  # one token of layer × head × token
        return array.isel(token=-1, drop=True)
    if name == "long":
        return array.isel(token=slice(0, COLUMNS))
    if name == PACKED:
        return array.isel(token=slice(1, PANELS + 1), layer=slice(None, None, 3))
    return array


def write(name: str, array: xr.DataArray) -> None:
    """Write a map as small as it can be: netCDF-3, and 400 panels as whole numbers of 16 bits."""
    array = array.astype(np.float32)
    path = DATA / f"{name}.nc"
    packed = {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -32768}
    encoding = {str(array.name): packed} if name == PACKED else {}
    array.to_dataset(name=str(array.name)).to_netcdf(path, engine="scipy", encoding=encoding)


if __name__ == "__main__":
    results = Path(sys.argv[1])
    results.mkdir(parents=True, exist_ok=True)
    run(results)
    DATA.mkdir(parents=True, exist_ok=True)
    for name, file in NEEDED.items():
        write(name, kept(name, maps.read(results / file)))
