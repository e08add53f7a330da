"""Pages: a map with its figure and its words as one file that opens in any browser."""

from layergram.pages.columns import columns_data
from layergram.pages.document import as_json, document
from layergram.pages.view import Said, pack, view

__all__ = ["Said", "as_json", "columns_data", "document", "pack", "view"]
