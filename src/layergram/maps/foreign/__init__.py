"""Tables that other programs and people wrote, as maps."""

from layergram.maps.foreign.from_json import read_json
from layergram.maps.foreign.tables import read_table

__all__ = ["read_json", "read_table"]
