"""The routes: what each takes and answers."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import xarray as xr
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse

from layergram import maps
from layergram.app.history import NAME, History, Record
from layergram.app.jobs import as_stream, for_result, start
from layergram.app.live import run_events
from layergram.app.looks import attention_of, top_tokens
from layergram.app.refusal import Json, Refusal
from layergram.app.requests import (
    RUN_ID,
    CellRequest,
    DifferenceRequest,
    RunRequest,
    SaveRequest,
    TokenRequest,
    asked_by_default,
)
from layergram.app.results import FOLDER, Results
from layergram.app.saving import save_run
from layergram.app.settings import Settings
from layergram.app.worker import Event, Job, ModelState, Worker
from layergram.errors import LayergramError, unknown_name
from layergram.export import page_data
from layergram.maps import layergram_version
from layergram.measures import MEASURES, select_measures
from layergram.models.edits import editable_heads, edited
from layergram.models.model import Model

router = APIRouter()

RunId = Annotated[str, Path(pattern=f"^{RUN_ID}$")]
Measure = Annotated[str, Path(pattern=f"^{NAME.pattern}$", max_length=64)]
FileName = Annotated[str, Query(min_length=1, max_length=1000)]


class ErrorAnswer(BaseModel):
    """The four parts of every error: what was asked and found, what is allowed, what to do."""

    asked: str
    got: str
    allowed: str
    do: str


@dataclass
class App:
    """What the routes work with.

    Attributes:
        models: by name, the default first.
        settings: of the app.
        worker: the thread of the models.
        history: the runs.
        results: the output folder.
        static: kind and bytes of the files of the page.
        unsupported: for each model the measures that it cannot have, each with its error.
        jobs: the jobs of runs at work, by the id of the run.
    """

    models: dict[str, Model]
    settings: Settings
    worker: Worker
    history: History
    results: Results
    static: dict[str, tuple[str, bytes]]
    unsupported: dict[str, dict[str, LayergramError]]
    jobs: dict[str, Job] = field(default_factory=dict)

    def model_of(self, record: Record) -> tuple[str, Model]:
        """The model that a run was made with, and its name.

        Raises:
            Refusal: where the app was started without it.
        """
        name = record["request"].get("model") or next(iter(self.models))
        model = self.models.get(name)
        if model is None or model.revision != record["revision"]:
            raise Refusal(
                409,
                f"to look into a run of the model '{record['model']}'",
                got="an app that was started without this model",
                do="start it with the same --model",
            )
        return name, model

    def under(self, name: str, asked: RunRequest) -> ModelState:
        """The model of a request, with the heads that it ablates."""
        if not asked.ablate:
            return ModelState(name)
        return ModelState(name, asked.edit.words, partial(edited, self.models[name], asked.edit))


def _app(request: Request) -> App:
    app: App = request.app.state.layergram
    return app


Used = Annotated[App, Depends(_app)]


def _view(name: str, array: xr.DataArray, *, worded: bool = True) -> dict[str, Any]:
    """One map as a page draws it."""
    view: dict[str, Any] = page_data({name: array}, worded=worded)["maps"][0]
    return view


@router.get("/", include_in_schema=False)
def page(app: Used) -> Response:
    """The page."""
    return _static_file(app, "index.html")


@router.get("/static/{name}", include_in_schema=False)
def static(name: str, app: Used) -> Response:
    """A file of the page."""
    return _static_file(app, name)


def _static_file(app: App, name: str) -> Response:
    if name not in app.static:
        raise Refusal(404, "a file of the page", got="no file of this name")
    kind, content = app.static[name]
    return Response(content, media_type=kind)


@router.get("/api/about")
def about(app: Used) -> Json:
    """The models, with what they can have; all measures; defaults and limits of a run."""
    return Json(
        {
            "version": layergram_version(),
            "out": str(app.settings.out),
            "models": [
                {
                    "name": name,
                    "layers": model.layers,
                    "heads": list(model.parts.heads),
                    "editable": sorted({layer for layer, _ in editable_heads(model.parts)}),
                    "context": model.context,
                    "measures": [one for one in MEASURES if one not in app.unsupported[name]],
                }
                for name, model in app.models.items()
            ],
            "measures": [
                {
                    "name": one.name,
                    "long_name": one.long_name,
                    "units": one.units,
                    "family": one.family,
                    "alignment": one.alignment,
                    "definition": one.definition,
                }
                for one in MEASURES.values()
            ],
            "defaults": asked_by_default(),
            "limits": {
                "prompt": app.settings.limits.prompt,
                "new_tokens": app.settings.limits.new_tokens,
                "measures": app.settings.limits.measures,
            },
        }
    )


@router.post(
    "/api/runs",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events of the run"}},
)
async def begin_run(asked: RunRequest, app: Used) -> StreamingResponse:
    """Answer a prompt: server-sent events, from the place in the line to the end of the run.

    ``queued``, ``started``, ``columns`` with each token, and ``done`` or ``error``. Whoever stops
    reading stops the run.
    """
    name = asked.model or next(iter(app.models))
    if name not in app.models:
        raise unknown_name("model", name, app.models)
    asked = asked.model_copy(update={"model": name})
    for measure in (one.name for one in select_measures(asked.measures, {})):
        if measure in app.unsupported[name]:
            raise copy(app.unsupported[name][measure])  # each raise adds to a traceback

    def work(job: Job) -> Iterator[Event]:
        made = None
        try:
            for event in run_events(app.models[name], asked, app.history, job.stopped.is_set):
                if event["event"] == "started":
                    made = event["id"]
                    app.jobs[made] = job
                yield event
        finally:
            app.jobs.pop(made or "", None)

    job, reader = start(app.worker, work, under=app.under(name, asked))
    return StreamingResponse(
        as_stream(app.worker, job, reader),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.get("/api/runs")
def list_runs(app: Used) -> Json:
    """The history, the newest run first."""
    return Json(app.history.list(app.settings.limits.runs))


@router.get("/api/runs/{run}")
def get_run(run: RunId, app: Used) -> Json:
    """One run: request, ids, text, and the names of its maps."""
    return Json(app.history.get(run))


@router.post("/api/runs/{run}/stop")
def stop_run(run: RunId, app: Used) -> Json:
    """Stop a run before its next token; a run that has ended stays as it is."""
    record = app.history.get(run)
    job = app.jobs.get(run)
    if job is not None:
        app.worker.cancel(job)
    return Json({"id": run, "status": record["status"]})


@router.get("/api/runs/{run}/views/{measure}")
def view_run(run: RunId, measure: Measure, app: Used) -> Json:
    """A map of a run as a page draws it, with its words."""
    return Json(_view(measure, app.history.map(run, measure)))


@router.post("/api/runs/{run}/cell")
async def cell(run: RunId, asked: CellRequest, app: Used) -> Json:
    """The five tokens that the lens holds likeliest at a cell."""
    record = app.history.get(run)
    name, model = app.model_of(record)
    under = app.under(name, RunRequest(**record["request"]))
    found = await for_result(app.worker, lambda: top_tokens(model, record, asked), under=under)
    return Json(found)


@router.post("/api/runs/{run}/attention")
async def attention(run: RunId, asked: TokenRequest, app: Used) -> Json:
    """What a token attended to in each head, as a page draws it."""
    record = app.history.get(run)
    name, model = app.model_of(record)
    under = app.under(name, RunRequest(**record["request"]))
    array = await for_result(
        app.worker, lambda: attention_of(model, record, asked.position), under=under
    )
    view = await run_in_threadpool(_view, "attention_from", array, worded=False)
    return Json(view)


@router.post("/api/runs/{run}/save")
def save(run: RunId, asked: SaveRequest, app: Used) -> Json:
    """Save the maps of a run as numbers, a page, and pictures, into its folder."""
    record = app.history.get(run)
    arrays = {name: app.history.map(run, name) for name in record.get("maps", [])}
    if not arrays:
        raise Refusal(409, "to save a run", got="a run without maps", do="wait until it has ended")
    folder = app.results.path(f"{FOLDER}/{run}")
    names = save_run(arrays, folder, "run", asked.forms)
    return Json({"files": [f"{FOLDER}/{run}/{name}" for name in names]})


@router.post("/api/differences")
def differ(asked: DifferenceRequest, app: Used) -> Json:
    """The map of one run less that of another, as a page draws it, with its words."""
    first, second = (app.history.map(run, asked.measure) for run in (asked.first, asked.second))
    if asked.match == "position":
        least = min(first.sizes["token"], second.sizes["token"])
        first, second = (array.isel(token=slice(least)) for array in (first, second))
    array = maps.difference(
        first, second, match=asked.match, names=("the first run", "the second run")
    )
    return Json(_view(f"{asked.measure} difference", array))


@router.get("/api/results")
def list_results(app: Used) -> Json:
    """The folders of the output folder that hold maps."""
    return Json(app.results.folders())


@router.get("/api/results/folder")
def results_folder(folder: FileName, app: Used) -> Json:
    """One folder of results: its maps and its summary."""
    return Json(app.results.folder(folder))


@router.get("/api/results/view")
def results_view(folder: FileName, name: FileName, app: Used) -> Json:
    """A map of a folder of results as a page draws it, with its words."""
    return Json(_view(name.removesuffix(".nc"), app.results.map(folder, name)))


@router.get("/files/{name:path}", response_class=FileResponse)
def file(name: str, app: Used) -> FileResponse:
    """A file of the output folder, to download: nothing in it is run as the app's own."""
    path = app.results.path(name)
    if not path.is_file():
        raise Refusal(404, "a file of the output folder", got="no file", do="name a file")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=path.name,
        headers={"Content-Security-Policy": "default-src 'none'; sandbox"},
    )
