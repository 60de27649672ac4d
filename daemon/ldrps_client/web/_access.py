"""Access to the page: for the page that this program served, to the user who started it.

Every user and every web site that a browser shows can reach a port of the loopback. So each path
begins with a token past guessing; `Host` must name the loopback, against names that turn to
it later (DNS rebinding); and requests by pages of another origin are refused.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
_TOKEN_BYTES = 24
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The address holds the token.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STALE = "this address is not, or no longer, right; use the one that 'ldrps web' printed last"
_FOREIGN = "only the page that 'ldrps web' opened may ask for this"


@dataclass
class Keys:
    """Keys that open the page at one port."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))
    """First part of every path."""
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))
    """Ticket that leads to the page once, for the browser's command line, which others can read."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def first_url(self) -> str:
        """Address that leads to the page once."""
        return f"http://{HOST}:{self.port}/{self.ticket}"

    def use(self, ticket: str) -> bool:
        """Tell whether a text is the ticket, and tear it."""
        with self._lock:
            if not self.ticket or not _same(ticket, self.ticket):
                return False
            self.ticket = ""
            return True

    def opens(self, token: str) -> bool:
        """Tell whether a text is the token."""
        return _same(token, self.token)

    @property
    def hosts(self) -> tuple[str, str]:
        """Return the names of this server that are no trick."""
        return f"{HOST}:{self.port}", f"localhost:{self.port}"


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())


class Access:
    """Checks requests and removes their token; puts our headers on every answer."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        app, inner = self._judged(scope)
        await app(inner, receive, answer)

    def _judged(self, scope: Scope) -> tuple[ASGIApp, Scope]:
        headers = Headers(scope=scope)
        first, slash, _ = scope["path"].removeprefix("/").partition("/")
        if headers.get("host", "") not in self._keys.hosts:
            return _refusal(_STALE), scope
        if not slash and scope["method"] == "GET" and self._keys.use(first):
            return RedirectResponse(f"/{self._keys.token}/", 303), scope
        if not self._keys.opens(first):
            return _refusal(_STALE), scope
        if not _is_ours(headers):
            return _refusal(_FOREIGN), scope
        if not slash:
            return RedirectResponse(f"/{first}/", 308), scope
        return self._app, {**scope, "root_path": f"/{first}"}


def _is_ours(headers: Headers) -> bool:
    """Tell whether our own page asks, or the user by typing an address."""
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers['host']}":
        return False
    visits = headers.get("sec-fetch-mode") == "navigate"
    return visits or headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _refusal(sentence: str) -> PlainTextResponse:
    return PlainTextResponse(f"LD-RPS Restore: {sentence}.\n", 403)
