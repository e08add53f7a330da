"""Models: where one comes from, where its parts are, and what is proved about it.

A request can be refused (:func:`check_request`) before torch is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergram.models.anatomy import Anatomy, Readout
    from layergram.models.edits import HeadEdit, edited, edits_in_force
    from layergram.models.model import Model, examine, load
    from layergram.models.proofs import Proof
    from layergram.models.request import check_request

_HOMES = {
    "Anatomy": "anatomy",
    "HeadEdit": "edits",
    "Model": "model",
    "Proof": "proofs",
    "Readout": "anatomy",
    "check_request": "request",
    "edited": "edits",
    "edits_in_force": "edits",
    "examine": "model",
    "load": "model",
}

__all__ = [
    "Anatomy",
    "HeadEdit",
    "Model",
    "Proof",
    "Readout",
    "check_request",
    "edited",
    "edits_in_force",
    "examine",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'layergram.models' has no attribute '{name}'")
    return getattr(import_module(f"layergram.models.{_HOMES[name]}"), name)
