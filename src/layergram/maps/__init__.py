"""Maps, the one currency of layergram: labelled arrays that say how they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layergram.lazy import imported

if TYPE_CHECKING:
    from layergram.maps.build import belongs as belongs
    from layergram.maps.build import cell_coordinates as cell_coordinates
    from layergram.maps.build import check as check
    from layergram.maps.build import layergram_version as layergram_version
    from layergram.maps.build import make as make
    from layergram.maps.build import options_of as options_of
    from layergram.maps.build import storable as storable
    from layergram.maps.compare import difference as difference
    from layergram.maps.dimensions import DIMENSIONS as DIMENSIONS
    from layergram.maps.dimensions import Dimension as Dimension
    from layergram.maps.dimensions import dimension_of as dimension_of
    from layergram.maps.dimensions import layout as layout
    from layergram.maps.files import not_written as not_written
    from layergram.maps.files import read as read
    from layergram.maps.files import replacing as replacing
    from layergram.maps.files import write as write
    from layergram.maps.files import write_json as write_json
    from layergram.maps.files import write_text as write_text
    from layergram.maps.foreign import read_table as read_table
    from layergram.maps.joining import in_template as in_template
    from layergram.maps.joining import join_tokens as join_tokens
    from layergram.maps.joining import part_of as part_of
    from layergram.maps.plain import to_plain as to_plain
    from layergram.maps.rounding import within_rounding as within_rounding
    from layergram.maps.rounding import without_rounding as without_rounding
    from layergram.maps.vocabulary import ATTRIBUTES as ATTRIBUTES
    from layergram.maps.vocabulary import BIN_COORDINATES as BIN_COORDINATES
    from layergram.maps.vocabulary import CELL_COORDINATES as CELL_COORDINATES
    from layergram.maps.vocabulary import DIFFERENCE_COORDINATES as DIFFERENCE_COORDINATES
    from layergram.maps.vocabulary import LENS_COORDINATES as LENS_COORDINATES
    from layergram.maps.vocabulary import ROLES as ROLES
    from layergram.maps.vocabulary import TEXT_ROLES as TEXT_ROLES
    from layergram.maps.vocabulary import TOKEN_COORDINATES as TOKEN_COORDINATES
    from layergram.maps.vocabulary import By as By
    from layergram.maps.vocabulary import TextPart as TextPart

_HOMES = {
    "ATTRIBUTES": "vocabulary",
    "BIN_COORDINATES": "vocabulary",
    "By": "vocabulary",
    "CELL_COORDINATES": "vocabulary",
    "DIFFERENCE_COORDINATES": "vocabulary",
    "DIMENSIONS": "dimensions",
    "Dimension": "dimensions",
    "LENS_COORDINATES": "vocabulary",
    "ROLES": "vocabulary",
    "TEXT_ROLES": "vocabulary",
    "TOKEN_COORDINATES": "vocabulary",
    "TextPart": "vocabulary",
    "belongs": "build",
    "cell_coordinates": "build",
    "check": "build",
    "difference": "compare",
    "dimension_of": "dimensions",
    "in_template": "joining",
    "join_tokens": "joining",
    "layergram_version": "build",
    "layout": "dimensions",
    "make": "build",
    "not_written": "files",
    "options_of": "build",
    "part_of": "joining",
    "read": "files",
    "read_table": "foreign",
    "replacing": "files",
    "storable": "build",
    "to_plain": "plain",
    "within_rounding": "rounding",
    "without_rounding": "rounding",
    "write": "files",
    "write_json": "files",
    "write_text": "files",
}

__all__ = list(_HOMES)


if not TYPE_CHECKING:  # else a type checker accepts every name

    def __getattr__(name: str) -> Any:
        return imported(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
