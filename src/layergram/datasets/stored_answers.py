"""Stored answers: what a run of ``layergram roles`` keeps of everything that it read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError

ROWS = "rows.jsonl"


def read_answers(folder: str | Path) -> list[dict[str, Any]]:
    """The answers in the folder of a run of roles, each with its ids, its prompt and its roles.

    Args:
        folder: of the run; or its file ``rows.jsonl``.

    Raises:
        LayergramError: if there are none, or the file is not one of answers.
    """
    path = Path(folder)
    path = path / ROWS if path.is_dir() else path
    asked = f"the stored answers in '{path}'"
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if rows and all({"id", "ids", "prompt_tokens", "roles"} <= row.keys() for row in rows):
            return rows
        got = "lines without id, ids, prompt_tokens and roles" if rows else "an empty file"
    except (OSError, UnicodeDecodeError) as error:
        got = str(getattr(error, "strerror", None) or error)
    except (ValueError, AttributeError):
        got = "lines that are not JSON objects"
    raise LayergramError(
        asked, got=got, do="give the folder of a run of `layergram roles` that came to its end"
    )
