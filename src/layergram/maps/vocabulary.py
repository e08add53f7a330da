"""The words a map may be made of besides its axes: coordinates on them, roles, attributes."""

from __future__ import annotations

from typing import Literal

By = Literal["word", "sentence"]
"""What columns of tokens are joined to."""

TextPart = Literal["all", "prompt", "answer", "without_template"]
"""Which columns of a text are meant."""

TOKEN_COORDINATES: dict[str, str] = {
    "token_text": "the token's own piece of the text, as it stands there",
    "token_id": "the token's number in the vocabulary",
    "char_start": "first character of the token in the text",
    "char_end": "one past the last character of the token in the text",
    "part": "'prompt' or 'answer'",
}

CELL_COORDINATES: dict[str, str] = {
    "low": "lower end of the cell's interval",
    "high": "upper end of the cell's interval",
    "p_value": "p-value of the cell",
}

LENS_COORDINATES: dict[str, str] = {
    "top_token_id": "number in the vocabulary of the layer's likeliest token; −1 where none",
    "top_token_text": "the text of that token; empty where none",
    "top_tokens": "the five likeliest tokens, each with its probability; up to 20,000 cells",
}

BIN_COORDINATES: dict[str, str] = {
    "bin_score": "mean score of the answers of the bin",
}

DIFFERENCE_COORDINATES: dict[str, str] = {
    "rounding": "how large a difference rounding alone can make in the cell",
}

ROLES: tuple[str, ...] = (
    "last_q",
    "first_answer",
    "second_answer",
    "exact_answer_before_first",
    "exact_answer_first",
    "exact_answer_last",
    "exact_answer_after_last",
    "-8",
    "-7",
    "-6",
    "-5",
    "-4",
    "-3",
    "-2",
    "-1",
)

TEXT_ROLES: tuple[str, ...] = (
    "first",
    "last",
    "question_first",
    "question_last",
    "reply_first",
    "reply_last",
    "span_before",
    "span_first",
    "span_last",
    "span_after",
    "-8",
    "-7",
    "-6",
    "-5",
    "-4",
    "-3",
    "-2",
    "-1",
)
"""Tokens of a labelled text: of its parts, of a span in it, and from its end."""

ATTRIBUTES: dict[str, str] = {
    # what the numbers are (names of the CF conventions where CF has one)
    "measure": "name of the measure that made the map",
    "long_name": "what a cell is, fit for a colour bar",
    "units": "unit of the values; '1' where there is none",
    "valid_min": "smallest value the measure can take",
    "valid_max": "largest value the measure can take",
    "alignment": "'reads': a column belongs to the token being read; "
    "'predicts': to the token being predicted, one position later",
    "missing": "why NaN cells have no value",
    "null_value": "value that a cell without any effect would have",
    "final_value": "value that the final layer has by definition",
    "definition": "the measure in one sentence",
    "caveat": "what the measure does not say",
    "pooling": "'max' where pooled columns of a picture show the largest of their values",
    "references": "where the measure was published",
    "of": "measure that a difference was taken of",
    "matched": "how the tokens of a difference were matched: 'exact', 'common' or 'position'",
    "joined_by": "what columns of tokens were joined to: 'word' or 'sentence'",
    "joined": "how the values of joined columns were made, in a sentence",
    "averaged": "what every cell is the mean over, in a sentence",
    # how the map was made
    "model": "model as it was asked for",
    "revision": "revision of the model: a commit, or a digest of its weights",
    "model_type": "architecture, by its name in transformers",
    "layers": "number of layers of the model",
    "dtype": "floating-point type of the forward pass",
    "device": "device of the forward pass",
    "options": "JSON object: the options of the measure",
    "run": "JSON object: the options of the run",
    "lens": "kind and digest of the fitted lens that the map was read through",
    "edits": "edits of the model that were in force, in words, in the order in which they act",
    "seed": "seed of all random draws",
    "source": "file that the values were read from, where it did not say more",
    "minuend": "JSON object: what made the map that was subtracted from, where the two differ",
    "subtrahend": "JSON object: what made the map that was subtracted, where the two differ",
    "same_token": "JSON object: role -> role -> share of the answers in which both are one token",
    "score": "what answers were put into bins by",
    "answer_scores": "JSON object: the scores of the answers that are right and of those that are "
    "wrong, of at most 2,000 answers, and how many answers there are",
    "statistics": "what was computed of the whole map, in a sentence",
    "text": "the text that was read, the model's own answer included",
    "layergram_version": "version that made the map",
    "created": "when the map was made (ISO 8601, UTC)",
    "schema": "version of the layout of this file",
}

NUMBERS = ("valid_min", "valid_max", "null_value", "final_value", "layers", "seed")
TEXTS = ("measure", "long_name", "units")
"""Attributes that are numbers, and those that every map has as text."""

ALIGNMENTS = ("reads", "predicts")
