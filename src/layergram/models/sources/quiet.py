"""Silence around transformers, and a sign of life for long work on a terminal."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the log lines, warnings and progress bars of transformers and the hub away."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    before, before_hub = logging.get_verbosity(), hub.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    hub.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        hub.set_verbosity(before_hub)
        if bars:
            logging.enable_progress_bar()


def status(message: str) -> AbstractContextManager[object]:
    """A moving line on stderr that says what takes so long; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.markup import escape

    sys.stderr.write("\r\x1b[K")  # in the place of what the line says
    return Console(file=sys.stderr).status(escape(message))
