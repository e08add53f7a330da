"""Who is let in: hosts, origins, the token, the size of a request; and headers of every answer.

The checks stand before everything else that the app does, and see requests only by their headers.
"""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layergram.app.refusal import Refusal, answer_of
from layergram.app.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DRAINED = 32 * 2**20
"""Bytes of a body that is too large which are read before the refusal, so that it is heard."""


class Guard:
    """Refuses what must not reach the app, and puts the headers of safety on every answer.

    Args:
        app: what stands behind it.
        settings: whom to let in.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name not in headers:
                        headers[name] = value
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(headers, scope["method"], scope["path"])
            entered = self._entered(scope, headers)
            if entered is None:
                receive = await self._whole_body(headers, receive)
        except Refusal as error:
            await answer_of(error)(scope, receive, guarded)
            return
        await (entered or self.app)(scope, receive, guarded)

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        try:
            name = urlsplit(f"//{given[0]}").hostname if len(given) == 1 else None
        except ValueError:
            name = None
        if not name or not self.settings.knows_host(name):
            raise Refusal(
                403,
                "the live app under another name",
                got=f"the host {', '.join(given) or 'of no name'}",
                allowed="the address that was printed when the app was started",
                do=f"open {self.settings.url.partition('?')[0]}",
            )

    def _check_origin(self, headers: Headers, method: str, path: str) -> None:
        """Other sites may link to the app, and nothing else."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        linked = method == "GET" and path == "/" and headers.get("sec-fetch-mode") == "navigate"
        own = origin is None or origin in (f"{kind}://{headers['host']}" for kind in KINDS)
        if (own and site in (None, "same-origin", "none")) or (linked and origin is None):
            return
        raise Refusal(
            403,
            "the live app from another site",
            got=f"a request of {origin or 'another site'}",
            allowed="requests of the app's own page",
        )

    def _entered(self, scope: Scope, headers: Headers) -> Response | None:
        """Where the token came in the address: an answer that puts it into a cookie."""
        token = self.settings.token
        if not token:
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        by_address = _equal(asked.get("token", [""])[0], token)
        # cookies of other programs on this machine come too, some of them in no proper form
        cookies = cookie_parser(headers.get("cookie", ""))
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if by_address and scope["path"] == "/" and scope["method"] == "GET":
            # "strict" would withhold the cookie from whoever follows the link in a mail or a chat;
            # requests of other sites are refused by their origin
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(self.settings.cookie, token, httponly=True, samesite="lax")
            return answer
        by_header = kind.lower() == "bearer" and _equal(shown.strip(), token)
        if by_address or by_header or _equal(cookies.get(self.settings.cookie, ""), token):
            return None
        raise Refusal(
            401,
            "the live app",
            got="no token, or another one",
            do="open the address that was printed when the app was started: it ends in ?token=…",
        )

    async def _whole_body(self, headers: Headers, receive: Receive) -> Receive:
        """The body, read at once as far as it is allowed."""
        most, size = self.settings.limits.body, 0
        pieces: list[bytes] = []
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            piece = message.get("body", b"")
            size += len(piece)
            more = message.get("more_body", False) and size <= DRAINED
            if size <= most:
                pieces.append(piece)
        if size > most:
            raise Refusal(
                413,
                "a large request",
                got=f"{size} bytes or more",
                allowed=f"{most} bytes",
                do="shorten the prompt",
            )
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": b"".join(pieces), "more_body": False}

        return replay


KINDS = ("http", "https")


def _equal(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode("utf-8"))
