"""Role maps: a question set and a model become a map of where a wrong answer shows."""

from layergram.rolemaps.making import CONTROLS, LEAST, Probed, Recipe, check_size, role_map
from layergram.rolemaps.telling import Line, lines_of, section, sentences, summary, table

__all__ = [
    "CONTROLS",
    "LEAST",
    "Line",
    "Probed",
    "Recipe",
    "check_size",
    "lines_of",
    "role_map",
    "section",
    "sentences",
    "summary",
    "table",
]
