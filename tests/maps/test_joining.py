"""Columns of words and sentences: where they begin, what they hold, and where they stand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.figures import Style, plan
from layergram.words import describe

TEX = ["is", " \\", "box", "ed", "{", "(", "D", ")", "}."]


def token_map(texts, values=None, *, parts=None, **attributes):
    ends = np.cumsum([len(text) for text in texts])
    coords = {
        "token_text": ("token", list(texts)),
        "token_id": ("token", list(range(len(texts)))),
        "char_start": ("token", [0, *ends[:-1]]),
        "char_end": ("token", ends),
        "part": ("token", parts or ["prompt"] * len(texts)),
    }
    if values is None:
        values = np.float32([np.arange(len(texts)), 10 + np.arange(len(texts))])
    given = {"measure": "level", "text": "".join(texts), **attributes}
    return maps.make(np.float32(values), ("layer", "token"), coords=coords, **given)


def texts_of(array, **choices):
    return maps.join_tokens(array, **choices).token_text.values.tolist()


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (TEX, ["is", " \\boxed{", "(", "D", ")", "}."]),
        (["$\\", "frac", "{", "1", "}{", "2", "}$"], ["$\\frac{", "1", "}{", "2", "}$"]),
        (["un", "believ", "able", " =", " ", "1", "3", ".", "5"], ["unbelievable", " =", " 13.5"]),
        (["don", "'t", " e", ".", "g", "."], ["don't", " e", ".", "g", "."]),
        (["x", "**", "\n", "   ", " if", " (", ")):"], ["x", "**", "\n", "    if", " (", ")):"]),
        (["北京", "是", "首", "都", "。"], ["北京", "是", "首", "都", "。"]),
        (["नम", "स्", "ते", " दुनिया"], ["नमस्ते", " दुनिया"]),
        (["при", "вет", ",", " мир"], ["привет", ",", " мир"]),
        (["مر", "حبا", "؟"], ["مرحبا", "؟"]),
    ],
)  # fmt: skip
def test_words_are_joined_and_signs_stand_alone(pieces, words):
    assert texts_of(token_map(pieces)) == words


@pytest.mark.parametrize(
    ("pieces", "sentences"),
    [
        (["It", " is", " 3", ".", "5", ".", " Yes", "!"], ["It is 3.5.", "Yes!"]),
        (["He", " said", ' "', "no", '."', " Then", " left"], ['He said "no."', "Then left"]),
        (["水", "沸", "了", "。", "为什么", "？", "因为"], ["水沸了。", "为什么？", "因为"]),
        (["पानी", "।", " आग", "।"], ["पानी।", "आग।"]),
        (["A", "\n", "B", "\n\n", "C"], ["A", "B", "C"]),
    ],
)
def test_sentences_end_where_any_script_ends_them(pieces, sentences):
    assert texts_of(token_map(pieces), by="sentence") == sentences


def test_levels_are_means_and_attention_from_a_query_is_a_sum():
    values = [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
    level = maps.join_tokens(token_map(TEX, values))
    assert level.values.tolist() == [[1, (2 + 3 + 4 + 5) / 4, 6, 7, 8, 9]]
    mass = maps.join_tokens(token_map(TEX, values, measure="attention_from", alignment="reads"))
    assert mass.values.tolist() == [[1, 2 + 3 + 4 + 5, 6, 7, 8, 9]]
    assert mass.sum() == np.sum(values)
    received = token_map(TEX, values, measure="attention_received", alignment="reads")
    np.testing.assert_array_equal(maps.join_tokens(received).values, level.values)


def test_a_predicted_word_is_its_first_piece_and_a_sentence_the_mean():
    values = [[np.nan, 2, 3, 4, 5, 6, 7]]
    array = token_map(["A", " un", "able", " ", "1", "3", "."], values, alignment="predicts")
    words = maps.join_tokens(array)
    np.testing.assert_array_equal(words.values, [[np.nan, 2, 5, 7]])  # 1, not the space before it
    sentence = maps.join_tokens(array, by="sentence")
    assert sentence.values.tolist() == [[(2 + 3 + 4 + 5 + 6 + 7) / 6]]  # of what has a value


def test_columns_keep_their_places_in_the_text():
    words = maps.join_tokens(token_map(TEX))
    assert words.token.values.tolist() == [0, 1, 5, 6, 7, 8]
    text = words.attrs["text"]
    spans = zip(words.char_start.values, words.char_end.values, strict=True)
    assert [text[a:b] for a, b in spans] == words.token_text.values.tolist()
    assert "token_id" not in words.coords
    assert words.attrs["joined_by"] == "word"
    assert set(words.attrs) <= set(maps.ATTRIBUTES)
    assert maps.check(words) is words


def test_bytes_of_one_character_and_tokens_outside_the_text_are_columns():
    array = token_map(["<s>", " 🙂 1/2", "🙂 2/2", "!", "</s>"])
    array = array.assign_coords(char_start=("token", [0, 0, 1, 2, 3]))
    array = array.assign_coords(char_end=("token", [0, 2, 2, 3, 3])).assign_attrs(text=" 🙂!")
    assert texts_of(array) == ["<s>", " 🙂", "!", "</s>"]


def test_no_column_has_prompt_and_answer_and_each_part_can_be_had_alone():
    array = token_map(["What", "?", "un", "able", "."], parts=["prompt"] * 2 + ["answer"] * 3)
    assert texts_of(maps.part_of(array, "answer")) == ["unable", "."]
    assert texts_of(token_map(["un", "able"], parts=["prompt", "answer"])) == ["un", "able"]
    assert maps.part_of(array, "all") is array
    with pytest.raises(LayergramError, match="a map of prompt"):
        maps.part_of(token_map(TEX), "answer")
    with pytest.raises(LayergramError, match="did you mean 'answer'"):
        maps.part_of(array, "answers")


def test_the_tokens_of_a_template_can_be_left_out():
    pieces = ["<u>", "user", "\n", "Hi", " there", "<e>", "<a>", "Yes", "."]
    array = token_map(pieces, parts=["prompt"] * 7 + ["answer"] * 2, run={"prompt": "Hi there"})
    kept = maps.part_of(array, "without_template")
    assert kept.token_text.values.tolist() == ["Hi", " there", "Yes", "."]
    plain = token_map(["Hi", " there"], parts=["prompt", "answer"], run={"prompt": "Hi"})
    assert maps.part_of(plain, "without_template").sizes["token"] == 2


def test_the_floor_of_rounding_and_the_likeliest_tokens_go_along():
    a = token_map(["un", "able", " to"], [[0.5, 0.25, 0.1]], units="1", valid_max=1, valid_min=0)
    difference = maps.difference(a, a)
    joined = maps.join_tokens(difference)
    floor = difference.rounding.values[0]
    np.testing.assert_allclose(joined.rounding.values, [[(floor[0] + floor[1]) / 2, floor[2]]])
    top = a.assign_coords(top_token_text=(("layer", "token"), [["x", "y", "z"]]))
    assert "top_token_text" not in maps.join_tokens(top).coords
    top = top.assign_attrs(alignment="predicts")
    assert maps.join_tokens(top).top_token_text.values.tolist() == [["x", "z"]]


@pytest.mark.parametrize(
    ("array", "by", "words"),
    [
        (maps.make([[1.0]], ("layer", "head"), measure="m"), "word", "a map of layer, head"),
        (maps.make([[1.0]], ("layer", "token"), measure="m"), "word", "without the texts"),
        (token_map(TEX), "words", "did you mean 'word'"),
    ],
)
def test_what_cannot_be_joined_is_one_message(array, by, words):
    with pytest.raises(LayergramError, match=words):
        maps.join_tokens(array, by=by)


def test_a_figure_and_words_speak_of_words():
    array = token_map(TEX, alignment="predicts", run={"prompt": "is"}, long_name="level")
    figure = plan(array, style=Style(by="word"))
    assert figure.panels[0].x.label == "Word predicted"
    assert figure.panels[0].x.names[1] == "\\boxed{"
    assert "its first piece, which is where the word is predicted" in figure.notes[0]
    text = describe(maps.join_tokens(array))
    assert "2 layers by 6 words" in text
    assert "- **Columns**: A column is a word" in text


def test_the_commands_join_and_choose_parts(tmp_path, capsys):
    array = token_map(["What", "?", "un", "able", "."], parts=["prompt"] * 2 + ["answer"] * 3)
    file = str(maps.write(array, tmp_path / "map.nc"))
    assert main(["draw", file, "--by", "word", "--part", "answer", "--json"]) == 0
    (drawn,) = json.loads(capsys.readouterr().out)["figures"]
    assert drawn["panels"][0]["columns"] == 2
    assert "Only the answer is drawn: 3 of 5 tokens remain." in drawn["notes"]
    assert main(["describe", file, "--by", "word", "--part", "answer", "--short"]) == 0
    assert "2 layers by 2 words" in capsys.readouterr().out
    assert main(["describe", file, "--by", "page"]) == 2
