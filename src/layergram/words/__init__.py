"""Words from a map: facts computed from its numbers, each with a checker, each in a sentence."""

from layergram.words.fact import Fact, Kind, registry
from layergram.words.find import Facts, facts, holds
from layergram.words.forms import alt_text, facts_json, findings
from layergram.words.linked import Sentence, sentences
from layergram.words.page import Form, describe

__all__ = [
    "Fact",
    "Facts",
    "Form",
    "Kind",
    "Sentence",
    "alt_text",
    "describe",
    "facts",
    "facts_json",
    "findings",
    "holds",
    "registry",
    "sentences",
]
