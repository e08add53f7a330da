"""Fonts that have the characters of a figure, out of those that are installed."""

from __future__ import annotations

import difflib
import unicodedata
import warnings
from collections.abc import Iterable
from functools import lru_cache

from layergram.errors import NEAR, LayergramError

BASE = "DejaVu Sans"  # comes with matplotlib, so every figure looks the same everywhere
PREFERRED = (
    "Noto Sans",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Noto Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Symbol",
    "Apple Symbols",
    "Arial Unicode MS",
)
UNWANTED = ("Last Resort", "LastResort", "Adobe Blank", "Unifont Upper")
PACKAGES = {
    "east asian": "a font for Chinese, Japanese and Korean (Debian: fonts-noto-cjk)",
    "symbol": "a font for emoji and symbols (Debian: fonts-symbola)",
    "other": "the Noto Sans fonts (Debian: fonts-noto-core)",
}
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "IDEOGRAPHIC", "BOPOMOFO", "FULLWIDTH")


def families_for(texts: Iterable[str], first: str = "") -> tuple[list[str], str]:
    """Font families that together have every character, and a sentence if some have none.

    Args:
        texts: all words of a figure.
        first: a family to look in before all others.

    Returns:
        Families in the order in which a character is looked up, the base font first; and a
        sentence that names the characters without a font and what to install, or ``""``.

    Example:
        >>> families_for(["layer", "λ"])
        (['DejaVu Sans'], '')
    """
    wanted = {char for text in texts for char in text if _has_shape(char)}
    missing = wanted - _characters(_base_path())
    families = [first, BASE] if first else [BASE]
    if missing:
        _register_new_fonts()
        for family, path in _candidates():
            found = missing & _characters(path)
            if found:
                families.append(family)
                missing -= found
            if not missing:
                break
    return families, _remedy(missing)


@lru_cache(maxsize=8192)
def text_width(text: str, font_size: float, first: str = "") -> float:
    """The width of one line of text in inches, from the fonts in which it is painted.

    Example:
        >>> text_width("MMMM", 7) > 2 * text_width("iiii", 7)
        True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    fonts = FontProperties(family=families_for([text], first)[0], size=font_size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return float(text_to_path.get_text_width_height_descent(text, fonts, False)[0]) / 72


def check_font(family: str) -> str:
    """The name of a family of fonts as it is installed, whatever its case.

    Raises:
        LayergramError: if there is none of that name.
    """
    from matplotlib import font_manager

    _register_new_fonts()
    folded = {entry.name.lower(): entry.name for entry in font_manager.fontManager.ttflist}
    if family.lower() in folded:
        return folded[family.lower()]
    near = difflib.get_close_matches(family.lower(), sorted(folded), n=3, cutoff=NEAR)
    raise LayergramError(
        f"the font '{family}'",
        got="no installed font of that name",
        allowed="a family that is installed, such as DejaVu Sans, DejaVu Serif or STIXGeneral",
        do=f"did you mean {' or '.join(repr(folded[name]) for name in near)}?"
        if near
        else "install it, or leave the font out",
    )


def _has_shape(char: str) -> bool:
    kind = unicodedata.category(char)
    selector = unicodedata.name(char, "").startswith("VARIATION SELECTOR")
    return kind not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zs") and not selector


def _base_path() -> str:
    from matplotlib import font_manager

    return str(font_manager.findfont(BASE))


@lru_cache(maxsize=512)
def _characters(path: str) -> frozenset[str]:
    from matplotlib import font_manager

    try:
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError, NotImplementedError):
        return frozenset()


@lru_cache(maxsize=1)
def _register_new_fonts() -> None:
    """Fonts that were installed after matplotlib listed them become known to this process."""
    from matplotlib import font_manager

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(font_manager.findSystemFonts()):
        if path not in known:
            try:
                font_manager.fontManager.addfont(path)
            except (OSError, RuntimeError, NotImplementedError):
                continue  # a bitmap font, which cannot be drawn at every size


def _candidates() -> list[tuple[str, str]]:
    """Installed families with the file of their regular face, those known to look well first."""
    from matplotlib import font_manager

    regular = {
        entry.name: str(entry.fname)
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal"
        and entry.weight in (400, "normal", "regular")
        and not entry.name.startswith(UNWANTED)
    }

    def place(name: str) -> tuple[int, bool, str]:
        order = PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)
        return order, "Serif" in name, name

    return [(name, regular[name]) for name in sorted(regular, key=place)]


def _remedy(missing: set[str]) -> str:
    if not missing:
        return ""
    kinds = sorted({_kind(char) for char in missing})
    shown = " ".join(sorted(missing)[:8]) + (" …" if len(missing) > 8 else "")
    return (
        f"No installed font has {len(missing)} of the characters ({shown}); "
        f"install {' and '.join(PACKAGES[kind] for kind in kinds)}"
    )


def _kind(char: str) -> str:
    if unicodedata.name(char, "").startswith(EAST_ASIAN):
        return "east asian"
    return "symbol" if unicodedata.category(char) in ("So", "Sk") else "other"
