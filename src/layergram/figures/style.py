"""What a person can choose about a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from layergram.errors import LayergramError
from layergram.figures.fonts import check_font
from layergram.maps.vocabulary import TextPart

Kind = Literal["auto", "heatmap", "lines", "text"]
ScaleName = Literal["auto", "linear", "diverging", "log", "percentile"]
Pooling = Literal["auto", "max", "mean"]
FirstToken = Literal["keep", "off_scale", "leave_out", "auto"]
MM = 25.4  # to the inch
NARROWEST = 40  # mm
DOTS_PER_INCH = 300  # of a written picture
PAGE = 183 / MM  # inches: the width of a page of two columns


@dataclass(frozen=True)
class Style:
    """The choices of a figure; each has a default that is right for most maps.

    Args:
        kind: a heatmap, lines, or the text itself with tinted tokens; auto draws maps of one axis
            as lines or bars.
        layer: the layer whose values tint the text of kind text; default: the one where the tokens
            differ most.
        facet: axes that get a panel per label, joined by commas; auto: those beyond two.
        along: the axis along which lines run; auto: layer.
        columns: panels per row.
        select: the labels to draw, as axis=first:last, both included; more than one axis
            may be given. Tokens go by position.
        part: prompt or answer draws the columns of that part alone, without_template all but the
            tokens that the chat template puts around the prompt.
        by: word or sentence joins columns of tokens: to the mean, of a word that is predicted to
            its first piece, of attention from a query to the sum.
        scale: auto is diverging for signed maps, else linear; percentile cuts both ends off.
        limits: lowest and highest value of the colours.
        percentiles: the two percentiles for scale percentile.
        colours: name of a colour map of matplotlib.
        direction: reversed swaps the two ends of the colour map.
        mark: blocks to mark, as rows,columns with first:last labels, such as 10:20,3:5;
            best finds the block that stands out most.
        mark_least: fewest rows and columns of the best block.
        pooling: what stands for pooled cells: mean keeps levels, max keeps peaks; auto is mean,
            and max for measures of a few strong cells, such as attention received.
        most_columns: more columns or rows than this are pooled; default: as many as are drawn at
            least two dots wide in a written picture.
        first_token: auto leaves sinks, tokens at any place that lie far above the others, out of
            the colour limits and names them; off_scale does so with the first token alone,
            leave_out leaves it out of the figure; keep counts every token.
        final_layer: auto leaves the final layer out of divergence maps, where it is 0 by
            definition.
        first_layer: where the first layer stands; auto: on top of role maps, else at the bottom.
        significance: mark the cells that differ from no effect, where the map says so.
        cells: text writes the likeliest token of each cell into it, for maps that have one, up to
            25 columns; auto does so for lens_token where the words can be read.
        alpha: p-value under which a cell is significant.
        title: what stands above the figure.
        bar: the label of the colour bar, instead of the map's own.
        font_size: size of the labels in points.
        width: the most that the whole figure is wide, in mm; journals take 89 for one column of
            text and 183 for two.
        font: a family of fonts that is installed, used before the usual ones.
        notes: none leaves out what is printed below the figure about the numbers; it stays in the
            description of the file.

    Example:
        >>> Style(colours="cividis", direction="reversed").direction
        'reversed'
        >>> Style(limits=(1, 0))
        Traceback (most recent call last):
        layergram.errors.LayergramError: Asked for: the limits 1 to 0
        Got: a lower limit that is not below the upper one
        Do: give the lower limit first; direction 'reversed' swaps the colours
    """

    kind: Kind = "auto"
    layer: int | None = None
    facet: str = ""
    along: str = ""
    columns: int | None = None
    select: tuple[str, ...] = ()
    part: TextPart = "all"
    by: Literal["token", "word", "sentence"] = "token"
    scale: ScaleName = "auto"
    limits: tuple[float, float] | None = None
    percentiles: tuple[float, float] = (2.0, 98.0)
    colours: str = ""
    direction: Literal["forward", "reversed"] = "forward"
    mark: tuple[str, ...] = ()
    mark_least: tuple[int, int] = (3, 2)
    pooling: Pooling = "auto"
    most_columns: int | None = None
    first_token: FirstToken = "auto"
    final_layer: Literal["auto", "keep"] = "auto"
    first_layer: Literal["auto", "bottom", "top"] = "auto"
    significance: Literal["dots", "none"] = "dots"
    cells: Literal["auto", "colours", "text"] = "auto"
    alpha: float = 0.05
    title: str = ""
    bar: str = ""
    font_size: float = 7.0
    width: float = 183.0
    font: str = ""
    notes: Literal["below", "none"] = "below"

    def __post_init__(self) -> None:
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise LayergramError(
                f"the limits {self.limits[0]:g} to {self.limits[1]:g}",
                got="a lower limit that is not below the upper one",
                do="give the lower limit first; direction 'reversed' swaps the colours",
            )
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise LayergramError(
                f"the percentiles {low:g} and {high:g}",
                allowed="two numbers with 0 ≤ low < high ≤ 100",
            )
        for name, value, least in (
            ("columns", self.columns, 1),
            ("most_columns", self.most_columns, 2),
            ("mark_least", min(self.mark_least), 1),
            ("font_size", self.font_size, 3),
            ("width", self.width, NARROWEST),
        ):
            if value is not None and not value >= least:
                raise LayergramError(f"{name} {value:g}", allowed=f"{least} or more")
        if self.font:
            object.__setattr__(self, "font", check_font(self.font))
        if not 0 < self.alpha < 1:
            raise LayergramError(f"alpha {self.alpha:g}", allowed="a number between 0 and 1")
