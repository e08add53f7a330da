"""``layergram serve``: the live app."""

from __future__ import annotations

import logging
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from layergram.app import check_installed
from layergram.cli.common import Dtype, Flag, OutputOptions, Several, tell
from layergram.errors import LayergramError


def command(
    *,
    model: Several = None,
    host: str = "127.0.0.1",
    port: int = 8642,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("layergram-runs"),
    token: str = "",
    device: str = "auto",
    dtype: Dtype = "auto",
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    check: Flag = False,
) -> None:
    """Serve the live app: ask a model in the browser, and watch its maps grow with the answer.

    The address is printed; Ctrl+C stops the server. On this machine's own address (the default)
    nobody else can reach it. On any other --host a token is part of the printed address, and
    nothing is answered without it; the connection is not encrypted.

    Args:
        model: hub id, folder, .gguf file, or smollm2 (the default). Several may be given; the
            reader chooses.
        host: the address to listen at; 0.0.0.0 for every address of this machine.
        port: the port to listen at; 0 for any free one.
        out: the folder in which runs are kept, and whose result folders can be opened. Nothing else
            on the disk can be read through the app.
        token: what the address has to carry, 16 letters or more; a random one by default on any
            --host but this machine, none on this machine.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: type of the weights.
        quiet: print nothing but the address and errors.
        check: load the models, say where the app would be, and end.
    """
    check_installed()
    from layergram.models.sources.request import check_request

    names = list(dict.fromkeys(model or ["smollm2"]))
    for name in names:
        check_request(name, device=device, dtype=dtype, revision=None)
    OutputOptions(out=out).folder("")
    from layergram.app.settings import Settings

    settings = Settings(out, host=host, port=port, token=token)
    with _listen(host, port) as listening:
        settings = replace(settings, port=listening.getsockname()[1])  # of 0, any free one
        from layergram.app.server import create_app
        from layergram.models.load import load

        models = {}
        for name in names:
            if not quiet:
                print(f"loading {name} …", file=sys.stderr)
            models[name] = load(name, device=device, dtype=dtype)
        app = create_app(models, settings)
        tell(f"layergram is at {settings.url}")
        if not quiet:
            print("Ctrl+C stops it", file=sys.stderr)
        sys.stdout.flush()
        if check:
            return
        import uvicorn

        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """The port, taken before anything slow is done.

    Raises:
        LayergramError: where it cannot be had.
    """
    if not 0 <= port < 2**16:
        raise LayergramError(f"port = {port}", allowed="1 to 65535, or 0 for any free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError as error:
        raise LayergramError(
            f"to listen at {host}, port {port}",
            got=str(error.strerror or error),
            do="choose another port with --port; another layergram serve may be running",
        ) from None
    return opened
