"""``python -m layergram`` is the ``layergram`` command."""

from layergram.cli import run

run()
