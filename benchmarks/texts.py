"""What is read: a long text, and answers cut out of it, as token ids in a file for every worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from layergram.answers.roles import role_positions
from layergram.maps import ROLES

ROOT = Path(__file__).parent.parent
SOURCES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("roles", "heads", "statistics", "measures")),
)
ANSWERS = 200


def write_texts(path: Path, tokenizer: Any, *, tokens: int) -> None:
    """Write ids of the project's own pages, as often as needed, and answers of unequal length.

    Args:
        path: of the file, JSON.
        tokenizer: of the model.
        tokens: length of the long text.
    """
    text = "\n\n".join((ROOT / name).read_text(encoding="utf-8") for name in SOURCES)
    page = tokenizer(text)["input_ids"]
    ids = (page * (tokens // len(page) + 1))[:tokens]
    path.write_text(json.dumps({"ids": ids, "answers": _answers(page)}), encoding="utf-8")


def _answers(page: list[int]) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    made = []
    for number in range(ANSWERS):
        prompt, reply = (int(n) for n in random.integers((24, 12), (64, 72)))
        start = int(random.integers(len(page) - prompt - reply))
        total = prompt + reply
        exact = range(prompt + 4, prompt + 7)
        made.append(
            {
                "key": f"answer {number}",
                "ids": page[start : start + total],
                "prompt_tokens": prompt,
                "exact_tokens": [exact[0], exact[-1]],
                "roles": dict(zip(ROLES, role_positions(prompt, total, exact), strict=True)),
            }
        )
    return made
