"""Whether Ray is installed, and answers at an address."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from urllib.parse import urlsplit

from layergram.errors import LayergramError

ANSWERS_IN = 5.0  # seconds in which an address has to answer
VARIABLE = "RAY_ADDRESS"


def check_ray(on: str) -> None:
    """Refuse a Ray that is not installed, or an address that does not answer within seconds.

    A cluster elsewhere also needs Ray's client.

    Args:
        on: ``ray`` or ``ray://HOST:PORT``.

    Raises:
        LayergramError: saying which.
    """
    if find_spec("ray") is None:
        raise LayergramError(
            f"a run on {on}",
            got="an installation without Ray",
            allowed="layergram with the extra 'runs'",
            do="pip install 'layergram[runs]'",
        )
    address = on if "://" in on else os.environ.get(VARIABLE, "")
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise no_answer(address, "no port number") from None
    if "://" in on and (host is None or port is None):
        raise no_answer(address, "no host and port")
    if host and port:
        try:
            socket.create_connection((host, port), timeout=ANSWERS_IN).close()
        except OSError as error:
            raise no_answer(address, str(error.strerror or error)) from None
    if "://" in on and find_spec("grpc") is None:
        raise LayergramError(
            f"a run on {on}",
            got="an installation of Ray without its client",
            allowed="ray[client], for clusters elsewhere",
            do="pip install 'ray[client]', or run with --on ray on a machine of the cluster",
        )


def no_answer(address: str, why: str) -> LayergramError:
    """The refusal of an address, and why nothing answers there."""
    return LayergramError(
        f"a run on the Ray cluster at '{address}'",
        got=f"no answer there: {why}",
        allowed="ray://HOST:PORT of a Ray that runs (its client port, usually 10001), or ray",
        do="check the address, and that the cluster is up (ray status)",
    )
