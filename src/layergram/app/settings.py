"""What the app is started with, and how much anybody may ask of it."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from layergram.errors import LayergramError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")


@dataclass(frozen=True)
class Limits:
    """How much a request may ask for.

    Attributes:
        prompt: characters of a prompt.
        new_tokens: tokens of an answer.
        measures: measures of one run.
        heads: heads that are ablated in one run.
        waiting: jobs that may wait for the model; more are refused.
        body: bytes of a request.
        runs: runs that the history lists, the newest.
        maps: map files that the list of results holds.
        file: bytes of a map file that is opened.
    """

    prompt: int = 20_000
    new_tokens: int = 2048
    measures: int = 8
    heads: int = 512
    waiting: int = 16
    body: int = 256 * 1024
    runs: int = 200
    maps: int = 500
    file: int = 256 * 2**20


@dataclass(frozen=True)
class Settings:
    """Where the app listens, what it may read, and whom it lets in.

    Attributes:
        out: the folder of runs and results; nothing else is readable.
        host: the address to listen at.
        port: the port to listen at.
        token: what a visitor has to show; none by default on a loopback address, a random one
            on any other.
        limits: how much a request may ask for.

    Raises:
        LayergramError: for a token that can be guessed.
    """

    out: Path
    host: str = "127.0.0.1"
    port: int = 8642
    token: str = ""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Never open to other machines without a token."""
        if not self.token and not self.local:
            object.__setattr__(self, "token", secrets.token_urlsafe(24))
        if self.token and not TOKEN.fullmatch(self.token):
            raise LayergramError(
                "the token of the live app",
                got=f"one of {len(self.token)} characters",
                allowed="16 or more letters, digits and -._~",
                do="leave it out: a random one is made on any host but this machine",
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the app."""
        return self.host in LOOPBACK

    @property
    def cookie(self) -> str:
        """Name of the cookie with the token; cookies are shared between ports."""
        return f"layergram-{self.port}"

    @property
    def url(self) -> str:
        """Where the app is found, with its token."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")

    def knows_host(self, name: str) -> bool:
        """Whether a request for this host name may be meant for the app.

        A name that somebody else's DNS server can point at this machine is refused. On other hosts
        than loopback every IP address is accepted (no DNS is asked for one), and this machine's
        own name.
        """
        name = name.lower().strip("[]")
        if name in LOOPBACK:
            return True
        if self.local:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            own = socket.gethostname().lower()
            return name in (self.host.lower(), own, own.partition(".")[0], f"{own}.local")
        return True
