"""A painted figure that notebooks show by itself."""

from __future__ import annotations

import io
import warnings

from matplotlib.figure import Figure

DOTS_PER_INCH = 200  # twice what a screen shows at 100 %, so that it stays sharp


class Picture(Figure):
    """A matplotlib figure that a notebook shows as one picture, without magic or pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture as PNG, and its size on the page in pixels."""
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.savefig(
                buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": "layergram"}
            )
        width, height = (round(inches * 100) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}
