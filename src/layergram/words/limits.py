"""How much is told, and from which size on: every limit of the words in one place."""

from __future__ import annotations

SURROGATES = 199
"""Maps without any departure that the largest departure of a map is compared with."""

ALPHA = 0.05
"""A departure is told if at most this share of them has one as large."""

STATED_FALSE_ALARM = 0.05
"""What is promised: at most this share of descriptions of noise say that anything stands out."""

UNIT_ROOT = 0.85
"""Neighbours more alike than this may be a random walk, which an estimate from one map cannot tell
from 0.9, least of all between bounds: nothing is said to stand out."""

FEWEST_ROWS, FEWEST_COLUMNS, FEWEST_UNITS, FEWEST_CONTROLS = 8, 6, 6, 19
"""Smaller maps, fewer units and fewer control maps are not tested."""

MOST_CELLS = 8_000
"""Largest grid that is tested as it is; of a larger one blocks of columns are averaged first."""

MOST_COUNTED = 7
"""What the numbers are: so many kinds of facts, those with the largest effects."""

MOST_NAMES = 6
"""Names in one list; the rest is counted."""

MOST_ROWS, MOST_COLUMNS = 5, 5
"""Rows and columns of the table of values."""

BAND_SHARE = 0.05
"""A change between bands of layers explains at least this share of the profile's variation."""

SMALL_CHANGE = 0.10
"""A trend, a band or a difference spans at least this share of the map's range."""

UNIFORM = 0.15
"""A uniform row or column stays within this share of the range of the middle 90 % of the cells."""

UNIFORM_DECADES = 0.04
"""The same where values are looked at in log space: within 10 % of its own level."""

PEAK_HEIGHT = 2 / 3
"""A peak reaches at least this share of the way from the lowest to the highest value."""

PEAK_EDGE = 1 / 3
"""In the first or last row a peak drops by at least this share of the range to the next row."""

DIRECT = 0.6
"""A rise or fall is called one if its net change is this share of all movement on its way."""

FIT = 0.6
"""A trend explains at least this share of its profile's variation."""

TOGETHER = 0.9
"""Columns move together if every pair correlates at least so much, and ..."""

TOGETHER_GAP = 0.15
"""... stays within this share of the map's range of one another."""

SAME_TOKEN = 0.1
"""Two roles that are the same token in this share of the answers are said to be."""

FOCUS_SHIFT = 0.15
"""The focus moves if it shifts by at least this share of the columns."""

CONCENTRATED_SHARE = 0.30
"""Values are concentrated if the top twentieth of the cells holds this share of the sum."""

TOP_MASS = 0.05
"""The top twentieth."""

DIAGONAL_CONTRAST = 0.25
"""A diagonal band is this share of its panel's range above the rest."""

DOMINATES = 5.0
"""A column dominates if it has this many times the mean of the columns that do not."""

SIGNIFICANT = 0.05
"""A cell with a p-value up to here differs from the null value."""
