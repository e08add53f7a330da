"""Role maps: a question set and a model become a map of where a wrong answer shows."""

from layergram.rolemaps.making import LEAST, Probed, Recipe, check_size, role_map
from layergram.rolemaps.telling import Line, lines_of, sentences, summary
from layergram.rolemaps.using import choice, opinions, probe_of, reach, types_of_errors
from layergram.rolemaps.writing import (
    PLAIN,
    write_choice,
    write_maps,
    write_plain,
    write_types,
)

__all__ = [
    "LEAST",
    "PLAIN",
    "Line",
    "Probed",
    "Recipe",
    "check_size",
    "choice",
    "lines_of",
    "opinions",
    "probe_of",
    "reach",
    "role_map",
    "sentences",
    "summary",
    "types_of_errors",
    "write_choice",
    "write_maps",
    "write_plain",
    "write_types",
]
