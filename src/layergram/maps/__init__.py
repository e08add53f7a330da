"""Maps, the one currency of layergram: labelled arrays that say how they were made."""

from layergram.maps.build import (
    cell_coordinates,
    check,
    layergram_version,
    make,
    options_of,
    storable,
)
from layergram.maps.compare import difference
from layergram.maps.dimensions import DIMENSIONS, Dimension, dimension_of, layout
from layergram.maps.files import not_written, read, replacing, write, write_json, write_text
from layergram.maps.foreign import read_table
from layergram.maps.joining import By, TextPart, in_template, join_tokens, part_of
from layergram.maps.plain import to_plain
from layergram.maps.rounding import within_rounding, without_rounding
from layergram.maps.vocabulary import (
    ATTRIBUTES,
    BIN_COORDINATES,
    CELL_COORDINATES,
    DIFFERENCE_COORDINATES,
    LENS_COORDINATES,
    ROLES,
    TEXT_ROLES,
    TOKEN_COORDINATES,
)

__all__ = [
    "ATTRIBUTES",
    "BIN_COORDINATES",
    "CELL_COORDINATES",
    "DIFFERENCE_COORDINATES",
    "DIMENSIONS",
    "LENS_COORDINATES",
    "ROLES",
    "TEXT_ROLES",
    "TOKEN_COORDINATES",
    "By",
    "Dimension",
    "TextPart",
    "cell_coordinates",
    "check",
    "difference",
    "dimension_of",
    "in_template",
    "join_tokens",
    "layergram_version",
    "layout",
    "make",
    "not_written",
    "options_of",
    "part_of",
    "read",
    "read_table",
    "replacing",
    "storable",
    "to_plain",
    "within_rounding",
    "without_rounding",
    "write",
    "write_json",
    "write_text",
]
