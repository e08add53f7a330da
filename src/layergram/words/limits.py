"""How much is told, and from which size on: every limit of the words in one place."""

from __future__ import annotations

ALPHA = 0.02
"""A claim is made only if at most this share of shuffled maps shows as much."""

STATED_FALSE_ALARM = 0.05
"""What is promised to the reader: each kind of claim is made of at most 1 in 20 maps of noise."""

SHUFFLES = 99
"""How many shuffled maps a claim is compared with."""

SHUFFLED_CELLS = 20_000
"""Largest map that is shuffled as it is; of a larger one blocks of columns are averaged first."""

LONGEST_PROFILE = 64
"""Points of a profile when its order is tested; a longer one is averaged in blocks first."""

MOST_OF_A_KIND = 3
"""Facts of one kind that are told of one map, the strongest first."""

MOST_OBSERVATIONS = 8
"""Key observations of one map, the strongest first."""

MOST_NAMES = 6
"""Names in one list; the rest is counted."""

MOST_ROWS = 16
"""Rows of the table of values."""

MOST_COLUMNS = 20
"""Columns of the table of values."""

BAND_SHARE = 0.05
"""A change between bands of layers explains at least this share of the profile's variation."""

SMALL_CHANGE = 0.10
"""A trend, a band or a difference spans at least this share of the map's range."""

UNIFORM = 0.15
"""A uniform row or column stays within this share of the map's range."""

PEAK_HEIGHT = 2 / 3
"""A peak reaches at least this share of the way from the lowest to the highest value."""

PEAK_EDGE = 1 / 3
"""In the first or last row a peak drops by at least this share of the range to the next row."""

TOP_CELLS = (0.02, 0.05, 0.10)
"""Shares of the cells that count as the top of a map."""

DIRECT = 0.6
"""A rise or fall is called one if its net change is this share of all movement on its way."""

FIT = 0.6
"""A trend explains at least this share of its profile's variation."""

TOGETHER = 0.9
"""Columns move together if every pair correlates at least so much, and ..."""

TOGETHER_GAP = 0.15
"""... stays within this share of the map's range of one another."""

FOCUS_SHIFT = 0.15
"""The focus moves if it shifts by at least this share of the columns."""

CONCENTRATED_SHARE = 0.30
"""Values are concentrated if the top twentieth of the cells holds this share of the sum."""

TOP_MASS = 0.05
"""The top twentieth."""

DIAGONAL_CONTRAST = 0.25
"""A diagonal band stands out by at least this share of its panel's range."""

SINK_TIMES = 3.0
"""The first token is a sink if it has this many times the mean of the other tokens."""

SIGNIFICANT = 0.05
"""A cell with a p-value up to here differs from the null value."""

BLOCK_SHARE = 0.20
"""The best block is told if inside and outside explain at least this share of the variance."""

LONG_RUN = 0.25
"""A sustained run covers at least this share of the rows."""

ODD = 2.5
"""A column differs if it is this many times as far from the median column as usual."""
