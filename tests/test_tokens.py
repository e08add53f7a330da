"""Tokens: the pieces of a text, in every script and for every kind of tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import ByT5Tokenizer

from layergram.errors import LayergramError
from layergram.tokens import Tokens, append, display, encode, find, positions, texts_of

LINES = ["A and B = 8 + 5 = 13 the correct choice is (D). The answer is \\boxed{(D)}"] * 3
TEXT = "A and  B\n\n  \\boxed{13} 你好 مرحبا 🙂👨‍👩‍👧 e\u0301 é end \n"


class Faced:
    """A tokenizer with the face of one of transformers, around one of ``tokenizers``."""

    def __init__(self, inner: Tokenizer, special: tuple[str, ...] = (), *, fast: bool = True):
        self.inner, self.is_fast = inner, fast
        self.all_special_ids = [inner.token_to_id(name) for name in special]

    def __call__(self, text: str, *, add_special_tokens: bool, **_: Any) -> dict[str, Any]:
        found = self.inner.encode(text, add_special_tokens=add_special_tokens)
        return {"input_ids": found.ids, "offset_mapping": found.offsets}

    def decode(self, ids: list[int], **_: Any) -> str:
        return self.inner.decode(ids, skip_special_tokens=False)

    def convert_ids_to_tokens(self, token_id: int) -> str:
        return self.inner.id_to_token(token_id)


def byte_level(trim: bool = True, prefix: bool = False, fast: bool = True) -> Faced:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.ByteLevel(trim_offsets=trim)
    inner.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|im_start|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return Faced(inner, ("<|im_start|>",), fast=fast)


def with_bos(inner: Tokenizer, fast: bool = True) -> Faced:
    inner.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 1)]
    )
    return Faced(inner, ("<bos>",), fast=fast)


def unigram() -> Faced:
    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90,
        special_tokens=["<unk>", "<bos>"],
        unk_token="<unk>",
        show_progress=False,
    )
    inner.train_from_iterator([*LINES, TEXT], trainer)
    return with_bos(inner)


def byte_fallback(fast: bool = True) -> Faced:
    """As SentencePiece BPE models have it: a word mark, and bytes for what is not in the list."""
    pieces = ["<unk>", "<bos>", *(f"<0x{i:02X}>" for i in range(256)), "▁"]
    pieces += [*"abcdefghijklmnopqrstuvwxyzABD{}()\\=+0123456789.", "▁a", "▁an", "▁and"]
    inner = Tokenizer(
        models.BPE(
            vocab={piece: at for at, piece in enumerate(pieces)},
            merges=[("▁", "a"), ("▁a", "n"), ("▁an", "d")],
            byte_fallback=True,
            unk_token="<unk>",
        )
    )
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    inner.add_special_tokens(["<bos>"])
    return with_bos(inner, fast)


def word_piece() -> Faced:
    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=120, special_tokens=["[UNK]", "<bos>"], show_progress=False
    )
    inner.train_from_iterator([*LINES, "你好 مرحبا"], trainer)
    return with_bos(inner)


TILING = {
    "bytes, trimmed offsets": byte_level(),
    "bytes, whole offsets": byte_level(trim=False),
    "bytes, added space": byte_level(prefix=True),
    "unigram": unigram(),
    "byte fallback": byte_fallback(),
}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("", "∅"),
        (" ", "␣"),
        ("  ", "␣␣"),
        ("    ", "␣×4"),
        (" and", "and"),
        ("  and", "␣␣and"),
        ("and ", "and␣"),
        ("A and B", "A and B"),
        ("\n", "↵"),
        (" \n", "␣↵"),
        ("\n\n\n\n", "↵×4"),
        ("\r\n", "␍↵"),
        ("a\tb", "a⇥b"),
        ("\x00", "␀"),
        ("\x7f", "␡"),
        ("\x85", "U+0085"),
        ("\u200d", "U+200D"),
        ("\u200d\ufe0f", "U+200D U+FE0F"),
        ("👩\u200d", "👩\u200d"),
        ("❤️", "❤️"),
        ("\ufe0f", "U+FE0F"),
        ("\u0301", "◌\u0301"),
        ("e\u0301", "e\u0301"),
        ("\xa0", "U+00A0"),
        ("\u3000你", "U+3000 你"),
        ("a\u202eb", "a U+202E b"),
        ("\ufffd", "\ufffd"),
        ("مرحبا", "مرحبا"),
        (" می\u200cخواهم", "می\u200cخواهم"),
        ("\\boxed{", "\\boxed{"),
        ("$x^2$", "$x^2$"),
        ("<|im_start|>", "<|im_start|>"),
        ("🙂 2/3", "🙂 2/3"),
        ("▁and", "▁and"),
        (",", ","),
    ],
)
def test_a_label_is_what_a_person_reads(text: str, label: str) -> None:
    assert display(text) == label


@given(st.text(max_size=8))
def test_a_label_is_never_blank_and_never_breaks_a_line(text: str) -> None:
    label = display(text)
    assert label.strip() == label != ""
    assert len(label.splitlines()) == 1
    assert not any(ord(char) < 32 for char in label)


@pytest.mark.parametrize("kind", TILING)
def test_tokens_tile_the_text_and_show_no_vocabulary_spelling(kind: str) -> None:
    tokens = encode(TILING[kind], TEXT)
    spans = list(zip(tokens.char_start, tokens.char_end, strict=True))
    assert sorted(set(range(len(TEXT)))) == sorted({c for s, e in spans for c in range(s, e)})
    assert list(tokens.char_start) == sorted(tokens.char_start)
    assert not set("ĠĊ▁") & set("".join(tokens.texts))
    assert " and" in tokens.texts or " an" in tokens.texts
    assert set(tokens.parts) == {"prompt"}


@pytest.mark.parametrize("kind", ["bytes, trimmed offsets", "byte fallback"])
def test_tokens_that_share_a_character_say_which_piece_they_are(kind: str) -> None:
    tokens = encode(TILING[kind], TEXT)
    at = tokens.texts.index("🙂 1/4")
    assert tokens.texts[at : at + 4] == ("🙂 1/4", "🙂 2/4", "🙂 3/4", "🙂 4/4")
    assert {tokens.char_start[i] for i in range(at, at + 4)} == {TEXT.index("🙂")}
    assert positions(tokens, TEXT.index("🙂"), TEXT.index("🙂") + 1) == range(at, at + 4)
    assert display(tokens.texts[tokens.texts.index("\u200d 2/3")]) == "U+200D 2/3"


def test_added_special_tokens_are_spelled_and_have_no_characters() -> None:
    for kind in ("unigram", "byte fallback"):
        tokens = encode(TILING[kind], "and")
        assert (tokens.texts[0], tokens.char_start[0], tokens.char_end[0]) == ("<bos>", 0, 0)
        assert "<bos>" not in encode(TILING[kind], "and", special="none").texts


def test_special_tokens_of_the_text_stand_where_they_are() -> None:
    tokens = encode(TILING["bytes, trimmed offsets"], "A<|im_start|> and")
    assert tokens.texts[:2] == ("A", "<|im_start|>")
    assert (tokens.char_start[1], tokens.char_end[1]) == (1, 13)


def test_a_word_mark_without_a_character_takes_none() -> None:
    tokens = encode(TILING["byte fallback"], "你", special="none")
    assert tokens.texts == ("", "你 1/3", "你 2/3", "你 3/3")


def test_word_pieces_cover_what_the_tokenizer_dropped() -> None:
    tokens = encode(word_piece(), "A and\nB 你好", special="none")
    assert [display(text) for text in tokens.texts] == ["A", "and", "↵B", "你好"]


def test_a_letter_that_trimmed_offsets_leave_out_belongs_to_its_token() -> None:
    tokens = encode(byte_level(prefix=True), "<|im_start|>and A<|im_start|>and")
    assert "".join(tokens.texts) == tokens.text
    assert tokens.texts[0] == "<|im_start|>" and tokens.texts[1].startswith("a")


def test_the_bytes_of_a_byte_tokenizer_share_their_character() -> None:
    tokens = encode(ByT5Tokenizer(), "a你\r\n", special="none")
    assert tokens.text == "a你\r\n"
    assert tokens.texts == ("a", "你 1/3", "你 2/3", "你 3/3", "\r", "\n")


@pytest.mark.parametrize("kind", TILING)
def test_half_a_character_is_one_clear_message(kind: str) -> None:
    with pytest.raises(LayergramError, match="U\\+D800"):
        encode(TILING[kind], "a\ud800b")


@pytest.mark.parametrize("kind", TILING)
@given(text=st.text(alphabet="and \n13你م🙂\u200d\\{é", max_size=12))
def test_generated_ids_give_the_text_that_the_tokenizer_decodes(kind: str, text: str) -> None:
    tokenizer = TILING[kind]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    texts, starts, ends, decoded = texts_of(tokenizer, ids)
    assert decoded == tokenizer.decode(ids)
    assert len(texts) == len(starts) == len(ends) == len(ids)
    covered = {c for s, e in zip(starts, ends, strict=True) for c in range(s, e)}
    assert covered == set(range(len(decoded)))


def test_generated_ids_and_encoded_text_give_the_same_pieces() -> None:
    for kind in ("bytes, trimmed offsets", "bytes, whole offsets"):
        tokens = encode(TILING[kind], TEXT)
        assert texts_of(TILING[kind], tokens.ids)[0] == tokens.texts


def test_bytes_that_never_become_a_character_are_shown_as_such() -> None:
    tokenizer = TILING["bytes, trimmed offsets"]
    smile = tokenizer("🙂", add_special_tokens=False)["input_ids"]
    a = tokenizer("A", add_special_tokens=False)["input_ids"]
    assert texts_of(tokenizer, smile[:2])[0] == ("\ufffd 1/2", "\ufffd 2/2")
    texts, starts, ends, text = texts_of(tokenizer, [smile[0], *a])
    assert (texts, starts, ends, text) == (("\ufffd", "A"), (0, 1), (1, 2), "\ufffdA")


@pytest.mark.parametrize("kind", ["bytes, trimmed offsets", "byte fallback"])
def test_an_answer_keeps_its_leading_space_and_its_ids(kind: str) -> None:
    tokenizer = TILING[kind]
    prompt = encode(tokenizer, "8 🙂")
    ids = encode(tokenizer, "x and 你", special="none").ids[-5:]
    both = append(tokenizer, prompt, ids)
    assert both.ids == prompt.ids + tuple(ids)
    assert both.text == "8 🙂 and 你"
    assert both.parts == ("prompt",) * len(prompt) + ("answer",) * 5
    assert both.text[both.char_start[-5] : both.char_end[-5]] == both.texts[-5] == " and"


@pytest.mark.parametrize("slow", [byte_level(fast=False), byte_fallback(fast=False)])
def test_tokenizers_without_offsets_give_the_same_spans(slow: Faced) -> None:
    fast = Faced(slow.inner)
    fast.all_special_ids = slow.all_special_ids
    for text in ("A and 你 🙂", TEXT):
        by_decoding, by_offsets = encode(slow, text), encode(fast, text)
        assert by_decoding.ids == by_offsets.ids
        assert by_decoding.texts[-9:] == by_offsets.texts[-9:]
        assert by_decoding.text.strip() == text.strip()


def sentence() -> Tokens:
    return encode(TILING["bytes, trimmed offsets"], "A = 13 and B = 13 \\boxed{13}")


def test_find_gives_the_tokens_of_each_occurrence() -> None:
    tokens = sentence()
    texts = [
        "".join(tokens.texts[i] for i in find(tokens, "13", occurrence=k)) for k in (0, 1, 2, -1)
    ]
    assert texts == [" 13", " 13", "13", "13"]
    assert find(tokens, "13", occurrence=-1) == find(tokens, "13", occurrence=2)
    assert len(find(tokens, "13 and B")) == 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: find(t, "14"), "it is not in the text"),
        (lambda t: find(t, ""), "it is not in the text"),
        (lambda t: find(t, "13", occurrence=3), "it is there 3 times"),
        (lambda t: find(t, "boxed", occurrence=1), "it is there once"),
        (lambda t: positions(t, 3, 3), "a start before the end"),
        (lambda t: positions(t, 0, 99), "a text of 28 characters"),
    ],
)
def test_a_span_that_is_not_there_is_one_clear_message(call: Any, words: str) -> None:
    with pytest.raises(LayergramError, match=words):
        call(sentence())


def test_a_span_that_no_token_stands_for_is_refused() -> None:
    tokens = Tokens((1, 2), ("A", "and"), (0, 2), (1, 5), ("prompt",) * 2, "A\nand")
    with pytest.raises(LayergramError, match="no token for"):
        positions(tokens, 1, 2)
