"""`ldrps immich run` and `ldrps immich serve`."""

from __future__ import annotations

import argparse
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ldrps_client._text import shown
from ldrps_client.cli._batch import ending_on_sigterm
from ldrps_client.cli._output import duration, error_record, print_json, say, warn
from ldrps_engine.errors import LdrpsError, SettingsError, UnavailableError
from ldrps_engine.settings import RECIPES, Settings

if TYPE_CHECKING:
    from ldrps_client.immich._api import Asset, ImmichApi
    from ldrps_client.immich._restoring import Outcome, Restorer
    from ldrps_client.immich._state import ImmichState

_ACTIONS = {
    "run": "restore an album",
    "serve": "restore what Immich's workflows name, until Ctrl-C",
}
_LISTEN = "127.0.0.1:2284"
_HERE = ("localhost", "127.0.0.1", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ldrps immich`."""
    words = "; ".join(f"{action}: {what}" for action, what in _ACTIONS.items())
    add = parser.add_argument
    add("action", choices=tuple(_ACTIONS), help=words)
    add("--url", required=True, metavar="URL", help="address of the Immich server")
    add("--api-key-file", required=True, metavar="FILE", help="file with an API key of Immich")
    add("--album", metavar="NAME", help="run: the album to restore")
    add("--listen", metavar="HOST:PORT", help=f"serve: where events come in (default: {_LISTEN})")
    secret = "serve: file with what events must show (default: one of its own, made at once)"
    add("--secret-file", metavar="FILE", help=secret)
    add("--recipe", default="auto", metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    add("--strength", type=float, default=1.0, metavar="X", help="0 to 1 (default: 1)")
    add("--tag", default="restored", metavar="NAME", help="tag for results (default: restored)")
    wanted = "tag that asks for a restoration whatever is found (default: restore)"
    add("--wanted-tag", default="restore", metavar="NAME", help=wanted)
    add("--no-start", action="store_true", help="do not start a daemon if none answers")


def immich(options: Namespace) -> int:
    """Run one action."""
    settings = Settings(recipe=options.recipe, strength=options.strength)
    _check(options)
    _require_extra()
    from ldrps_client.client import Client
    from ldrps_client.immich._api import ImmichApi
    from ldrps_client.immich._restoring import Restorer, Tags
    from ldrps_client.immich._state import opened_state
    from ldrps_client.immich.serving import private_text

    key = private_text(Path(options.api_key_file), "API key")
    stop = threading.Event()
    with (
        closing(ImmichApi(options.url, key)) as api,
        Client(options.address, autostart=not options.no_start) as client,
        ending_on_sigterm(),
    ):
        _warn_of_http(api.url)
        api.check()
        with opened_state(api.url) as state:
            tags = Tags(done=options.tag, wanted=options.wanted_tag)
            restorer = Restorer(api, client, state, tags, stop)
            if options.action == "run":
                return _run(options, api, state, restorer, settings)
            return _serve(options, state, restorer, settings, stop)


def _check(options: Namespace) -> None:
    if options.action == "run" and not options.album:
        raise SettingsError("run needs an album; name it with --album")
    if options.action == "serve" and options.album:
        raise SettingsError("--album is for run; leave it out")
    if options.action == "run" and (options.listen or options.secret_file):
        raise SettingsError("--listen and --secret-file are for serve; leave them out")
    for name in ("tag", "wanted_tag"):
        if not getattr(options, name).strip():
            raise SettingsError(f"{name.replace('_', '-')} is empty; give the name of a tag")
    if options.tag == options.wanted_tag:
        raise SettingsError("tag and wanted-tag are the same, so results would be restored again")


def _require_extra() -> None:
    try:
        import httpx  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"what talks to Immich is not installed ({error.name} missing); "
            "run pip install 'ldrps[immich]'"
        ) from None


def _warn_of_http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _HERE:
        warn([f"{url} is not encrypted: who sees the network sees the API key and the photos"])


def _run(
    options: Namespace, api: ImmichApi, state: ImmichState, restorer: Restorer, settings: Settings
) -> int:
    from ldrps_client.cli._progress import progress_for
    from ldrps_client.immich.album import restore_album

    records: list[dict[str, Any]] = []
    codes: list[int] = []

    @contextmanager
    def progress(asset: Asset) -> Iterator[Any]:
        with progress_for(shown(asset.name), silent=options.json) as on_event:
            yield on_event

    def on_outcome(asset: Asset, outcome: Outcome | LdrpsError) -> None:
        record: dict[str, Any] = {"asset": asset.id, "name": shown(asset.name)}
        if isinstance(outcome, LdrpsError):
            say(outcome)
            codes.append(outcome.exit_code)
            records.append({**record, "state": "failed", "error": error_record(outcome)})
            return
        facts = {"state": outcome.state, "words": outcome.words, "result": outcome.result or None}
        records.append({**record, **facts})
        if not options.json:
            took = f" ({duration(outcome.seconds)})" if outcome.result else ""
            print(f"{shown(asset.name)}: {outcome.state}{took}; {shown(outcome.words)}", flush=True)

    try:
        restore_album(api, state, restorer, options.album, settings, progress, on_outcome)
    finally:
        if options.json:
            print_json({"results": records})
    if not records and not options.json:
        print(f"nothing new in {shown(options.album)}")
    return codes[0] if codes else 0


def _serve(
    options: Namespace,
    state: ImmichState,
    restorer: Restorer,
    settings: Settings,
    stop: threading.Event,
) -> int:
    from ldrps_client.immich.serving import HEADER, Listening, secret_in, serve

    host, _, port = (options.listen or _LISTEN).rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"listen is '{shown(options.listen)}'; give HOST:PORT, as {_LISTEN}")
    path = Path(options.secret_file) if options.secret_file else state.secret
    where = Listening(host=host.strip("[]"), port=int(port), secret=secret_in(path))

    def on_event(kind: str, words: str) -> None:
        if options.json:
            print_json({"event": kind, "words": words})
        elif kind == "listening":
            print(f"Events come in at http://{words}/ with the header {HEADER}, whose value is in")
            print(f"{path}; Ctrl-C ends it.", flush=True)
        else:
            print(f"{kind}: {words}", flush=True)

    serve(where, state, restorer, settings, stop, on_event)
    return 0
