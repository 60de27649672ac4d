"""`ldrps web`: restoration on a page in the browser."""

from __future__ import annotations

import argparse
import signal
import threading
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from ldrps_client.cli._batch import ending_on_sigterm
from ldrps_client.cli._output import print_json, warn
from ldrps_engine.errors import SettingsError

if TYPE_CHECKING:
    from ldrps_client.client import Client

_MEGABYTE = 1_000_000
_LARGEST = 500
_MOST_LARGEST = 4000
_HIGHEST_PORT = 65_535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ldrps web`."""
    add = parser.add_argument
    add("--port", type=int, default=0, metavar="N", help="port to listen on (default: a free one)")
    size = f"most that one photo may have (default: {_LARGEST})"
    add("--largest", type=float, default=_LARGEST, metavar="MB", help=size)
    add("--no-browser", action="store_true", help="print the address, and open no browser")
    add("--no-start", action="store_true", help="do not start a daemon if none answers")


def web(options: Namespace) -> int:
    """Serve the page until Ctrl-C or SIGTERM."""
    _check(options)
    _require_extra()
    from ldrps_client.client import Client
    from ldrps_client.web.serving import Page, serve

    page = Page(port=options.port, most_bytes=round(options.largest * _MEGABYTE))
    _end_with_the_terminal()
    with Client(options.address, autostart=not options.no_start) as client, ending_on_sigterm():
        _check_daemon(client, may_start=not options.no_start)
        serve(client, page, lambda keys: _print_address(keys, options))
    return 0


def _check(options: Namespace) -> None:
    if not 0 <= options.port <= _HIGHEST_PORT:
        raise SettingsError(f"port is {options.port}; use 1 to {_HIGHEST_PORT}, or leave it out")
    if not 0 < options.largest <= _MOST_LARGEST:
        raise SettingsError(f"largest is {options.largest:g}; use 1 to {_MOST_LARGEST} (MB)")


def _end_with_the_terminal() -> None:
    """Make a closed terminal end the process as SIGTERM does, so that no photo is left behind."""
    if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _require_extra() -> None:
    """Raise SettingsError if the libraries that serve the page are not installed."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"the page's server is not installed ({error.name} missing); "
            "run pip install 'ldrps[web]'"
        ) from None


def _check_daemon(client: Client, *, may_start: bool) -> None:
    """Report at once, and not at the first photo, that no daemon can be had."""
    from ldrps_client._autostart import ensure_running

    if may_start:
        ensure_running(client.address)
    else:
        client.status()


def _print_address(keys: Any, options: Namespace) -> None:
    if options.json:
        print_json({"url": keys.url})
    else:
        print(f"The page is at {keys.url} for you alone; Ctrl-C here ends it.", flush=True)
    if not options.no_browser:
        # Some wait for their browser, which waits for the server.
        threading.Thread(target=_open, args=(keys.first_url,), daemon=True).start()


def _open(url: str) -> None:
    from ldrps_client.web.serving import open_browser

    if not open_browser(url):
        warn(["no browser could be opened; open the address above in one on this machine"])
