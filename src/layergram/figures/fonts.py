"""Fonts that have the characters of a figure, out of those that are installed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

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


def families_for(texts: Iterable[str]) -> tuple[list[str], str]:
    """Font families that together have every character, and a sentence if some have none.

    Args:
        texts: all words of a figure.

    Returns:
        Families in the order in which a character is looked up, the base font first; and a
        sentence that names the characters without a font and what to install, or ``""``.

    Example:
        >>> families_for(["layer", "λ"])
        (['DejaVu Sans'], '')
    """
    wanted = {char for text in texts for char in text if _has_shape(char)}
    missing = wanted - _characters(_base_path())
    families = [BASE]
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
