"""Pages: a map with its figure and its words as one file that opens in any browser."""

from layergram.pages.columns import columns_data
from layergram.pages.document import document
from layergram.pages.view import Said, pack, view

__all__ = ["Said", "columns_data", "document", "pack", "view"]
