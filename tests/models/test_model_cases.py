"""The shared file of models as people bring them, where it is at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from layergram import LayergramError

FILE = Path(__file__).parents[3] / "shared" / "cases" / "models.py"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"there is no file {FILE}")

REFUSED = {
    "template_refuses": "chat template",
    "normalising_head": "unembedding",
    "packed_weights": "is no matrix",
    "fp16_overflow": "float16",
    "block_in_train_mode": r"transformer\.h\.2",
    "tokenizer_larger_than_model": "no embedding",
    "roberta_limit": "62 tokens",
    "user_hook": r"hooks on model\.layers\.2",
}


@pytest.fixture(scope="module")
def cases():
    spec = importlib.util.spec_from_file_location("cases_of_models", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused_by_its_name(cases, name):
    with pytest.raises(LayergramError, match=REFUSED[name]):
        cases[name]()


def test_a_template_of_parts_has_the_question(cases):
    assert "What is 8 + 5?" in cases["template_of_parts"]()


@pytest.mark.parametrize("name", ["mamba_bf16", "moe_bf16"])
def test_half_precision_is_measured(cases, name):
    assert cases[name]()["token"] > 10


def test_no_letter_is_lost(cases):
    assert cases["letter_lost"]() == ["<s>", "there", " hi", "</s>", "there"]
