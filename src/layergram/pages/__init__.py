"""Pages: a map with its figure and its words as one file that opens in any browser."""

from layergram.pages.columns import columns_data
from layergram.pages.document import WIDGET_SCRIPTS, as_json, document, script
from layergram.pages.view import Said, pack, view

__all__ = [
    "WIDGET_SCRIPTS",
    "Said",
    "as_json",
    "columns_data",
    "document",
    "pack",
    "script",
    "view",
]
