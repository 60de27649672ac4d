"""Server of the page: a port of the loopback, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import sys
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import uvicorn

from ldrps_client._text import cause
from ldrps_client._until_signal import SignalledServer
from ldrps_client.client import Client
from ldrps_client.web._access import HOST, Access, Keys
from ldrps_client.web._app import Parts, application
from ldrps_client.web._folder import private_folder
from ldrps_client.web._gallery import Gallery
from ldrps_client.web._running import Runs
from ldrps_engine.errors import SettingsError

__all__ = ["Page", "open_browser", "serve"]

_READERS = 2
_ENDING_SECONDS = 2
_BACKLOG = 128


@dataclass(frozen=True, kw_only=True)
class Page:
    """Options of the page's server."""

    port: int = 0
    """Port to listen on; 0: any that is free."""
    most_bytes: int
    """Most bytes of one photo."""


def serve(client: Client, page: Page, on_ready: Callable[[Keys], None]) -> None:
    """Serve the page until a signal ends it. `on_ready` is called once connections are taken."""
    with private_folder() as folder, _listening(page.port) as listener:
        gallery = Gallery(folder)
        runs = Runs(client, gallery)
        readers = ThreadPoolExecutor(_READERS, "ldrps-web-read")
        keys = Keys(listener.getsockname()[1])
        app = application(Parts(gallery, runs, readers, folder, page.most_bytes))
        config = uvicorn.Config(
            Access(app, keys),
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=200,
            timeout_graceful_shutdown=_ENDING_SECONDS,
        )
        # Connections are taken from here on, and answered as soon as the server runs.
        on_ready(keys)
        try:
            SignalledServer(config).serve_on(listener)
        finally:
            readers.shutdown(wait=False, cancel_futures=True)
            runs.close()
            readers.shutdown(wait=True)


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        if os.name == "posix":
            # So that the same port can be had again at once. On Windows it would mean: with others.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(_why(port, error)) from None
    return listener


def _why(port: int, error: OSError) -> str:
    other = "choose another one with --port, or leave it out"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; {other}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used by this user; {other}"
    return f"port {port} cannot be used: {cause(error)}; {other}"


def open_browser(url: str) -> bool:
    """Show an address in the user's browser; False if there is none to show it in."""
    graphical = sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not graphical and not os.environ.get("BROWSER"):
        # Those of a terminal would take it from us.
        return False
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
