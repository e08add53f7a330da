"""The document of a page: data, script and style in one file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

SCRIPTS = (
    *("data.js", "scale.js", "columns.js", "elements.js", "pen.js", "bars.js", "marks.js"),
    *("painting.js", "svg.js", "text.js", "controls.js", "page.js", "start.js"),
)
"""The modules of the script, each after those that it imports."""
WIDGET_SCRIPTS = (*SCRIPTS[:-1], "widget.js")
"""The modules of the script of a notebook's widget."""


def script(names: Sequence[str] = SCRIPTS) -> str:
    """Modules of the page as one text: without their imports, which stand before it.

    The files are ES modules, which a server may serve as they are. A page from disk may not load
    others, so there they are one module: each import names a module of the list, and each line
    ``export`` begins a declaration; an ``export default`` stays.
    """
    folder = files("layergram.pages")
    parts = [(folder / name).read_text(encoding="utf-8") for name in names]
    return "\n" + re.sub(
        r"(?m)^(import \{.*\} from .*;\n|export (?!default))", "", "\n".join(parts)
    )


def as_json(plain: Mapping[str, Any]) -> str:
    """Plain data, such as a view, as JSON in which no sign of markup stands."""
    data = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    return data


def document(views: Sequence[str], *, title: str, heading: str = "") -> str:
    """An HTML document that shows some maps, as one text.

    Nothing in it is markup but what this function writes: the data are JSON in which no ``<``
    stands, and the script only ever sets text. A policy in the document allows this script and
    this style sheet and nothing else: no other script runs, and nothing is fetched.

    Args:
        views: what :func:`layergram.pages.view` makes, each by :func:`as_json`; the first is shown
            first.
        title: of the document.
        heading: what stands above the maps; by default the name of the map that is shown.
    """
    data = f'{as_json({"title": heading})[:-1]},"maps":[{",".join(views)}]}}'
    code = script()
    style = "\n" + (files("layergram.pages") / "page.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>{style}</style>
</head>
<body>
<main id="page"></main>
<noscript>This page draws its maps with a script, which is switched off here.</noscript>
<script type="application/json" id="data">{data}</script>
<script type="module">{code}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    """The hash by which a policy allows an inline script or style sheet."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
