"""Requests that the app refuses, as the four parts of every error and an HTTP status."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from layergram.errors import LayergramError


class Refusal(LayergramError):
    """A request that is refused.

    Args:
        status: of HTTP.
        asked: what was asked for.
        got: what was found instead.
        allowed: what would have been accepted.
        do: the next thing to do.
    """

    def __init__(
        self, status: int, asked: str, *, got: str = "", allowed: str = "", do: str = ""
    ) -> None:
        super().__init__(asked, got=got, allowed=allowed, do=do)
        self.status = status


def plain_error(error: LayergramError) -> dict[str, str]:
    """The four parts of an error as plain data.

    Example:
        >>> plain_error(LayergramError("a run", got="none", do="start one"))
        {'asked': 'a run', 'got': 'none', 'allowed': '', 'do': 'start one'}
    """
    return {name: getattr(error, name) for name in ("asked", "got", "allowed", "do")}


class Json(Response):
    """JSON in ASCII: any text of a request can be answered, also one with half a character."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as bytes."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def answer_of(error: LayergramError, status: int = HTTPStatus.BAD_REQUEST) -> Json:
    """The answer to a request that is refused."""
    return Json(plain_error(error), status_code=getattr(error, "status", status))
