"""Words from a map: facts computed from its numbers, each with a checker, each in a sentence."""

from layergram.words.fact import Fact, Kind, registry
from layergram.words.find import facts, holds
from layergram.words.page import alt_text, describe, facts_json, findings

__all__ = [
    "Fact",
    "Kind",
    "alt_text",
    "describe",
    "facts",
    "facts_json",
    "findings",
    "holds",
    "registry",
]
