"""The app: its routes, with the guard before them and the model's thread behind."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from layergram.app.history import History
from layergram.app.refusal import Json, Refusal, answer_of
from layergram.app.results import Results
from layergram.app.routes import App, ErrorAnswer, router
from layergram.app.security import Guard
from layergram.app.settings import Settings
from layergram.app.worker import Worker
from layergram.errors import LayergramError
from layergram.maps import layergram_version
from layergram.measures import MEASURES
from layergram.measures.support import unsupported_by
from layergram.models.model import Model

_log = logging.getLogger(__name__)


def create_app(models: Mapping[str, Model], settings: Settings) -> FastAPI:
    """The app, as any ASGI server runs it.

    Args:
        models: at least one, by the names that a reader chooses from; the first is the default.
        settings: where it listens, what it may read, whom it lets in.
    """
    worker = Worker(settings.limits.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        worker.close()

    app = FastAPI(
        title="layergram",
        version=layergram_version(),
        description="Maps of what happens inside a language model while it answers.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={
            code: {"model": ErrorAnswer, "description": HTTPStatus(code).phrase}
            for code in (400, 401, 403, 404, 409, 413, 422, 503)
        },
    )
    app.state.layergram = App(
        models=dict(models),
        settings=settings,
        worker=worker,
        history=History(settings.out),
        results=Results(settings.out, settings.limits),
        static=_static(),
        unsupported={name: _unsupported(model) for name, model in models.items()},
    )
    app.include_router(router)
    app.add_exception_handler(LayergramError, _of_layergram)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_bug)
    app.add_middleware(Guard, settings=settings)
    return app


def _unsupported(model: Model) -> dict[str, LayergramError]:
    """The measures that a model cannot have, found before the model's thread is at work."""
    errors = {record.name: unsupported_by(model, record) for record in MEASURES.values()}
    return {name: error for name, error in errors.items() if error is not None}


KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def _static() -> dict[str, tuple[str, bytes]]:
    """The files of the app's page, those of offline pages among them: kinds and bytes by name."""
    folders = (files("layergram.pages"), files("layergram.app") / "static")
    return {
        file.name: (f"{KINDS[suffix]}; charset=utf-8", file.read_bytes())
        for folder in folders
        for file in folder.iterdir()
        if (suffix := PurePath(file.name).suffix) in KINDS
    }


async def _of_layergram(_: Request, error: Exception) -> Response:
    assert isinstance(error, LayergramError)
    return answer_of(error)


async def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    more = len(error.errors()) - 1
    return answer_of(
        Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the request's {place}"[:200],
            got=str(first["msg"])[:300] + (f", and {more} more mistakes" if more else ""),
            do="see /openapi.json for what each request takes",
        )
    )


async def _of_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = answer_of(
        Refusal(
            error.status_code,
            "a request to the live app",
            got=str(error.detail),
            do="see /openapi.json for what each request takes",
        ),
    )
    answer.headers.update(error.headers or {})
    return answer


async def _of_bug(_: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    plain: dict[str, Any] = {
        "asked": "a request",
        "got": "a mistake of layergram's own",
        "allowed": "",
        "do": "see the log of the server",
    }
    return Json(plain, status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
