"""One asset: fetched, diagnosed, restored, uploaded, stacked, tagged. May be killed anywhere.

Never goes round in circles: a result's checksum is in the ledger before it is uploaded, it has a
tag, and its own metadata says that it is ours.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ldrps_client import events
from ldrps_client._text import cause_and_remedy, shown
from ldrps_client.client import Choices, Client
from ldrps_client.files import LoadedFile, decode_bytes, result_suffix
from ldrps_client.files._names import fitting, longest_name
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.work._retry import RetryDecision, retry_decision
from ldrps_client.immich._api import Asset, FaultError, GoneError, ImmichApi
from ldrps_client.immich._state import ImmichState
from ldrps_client.provenance import mark_in
from ldrps_engine.analysis.inset import diagnose_photo
from ldrps_engine.errors import LdrpsError, OutputError
from ldrps_engine.model_store.atomic import folder_into_place

OnEvent = Callable[[events.Event], None]
_MARK = "_restored"


class StoppedError(Exception):
    """End of the program; the asset is taken up again at the next start."""


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Names of tags."""

    done: str = "restored"
    """Tag of results, which are never restored."""
    wanted: str = "restore"
    """Tag that has an asset restored even if no fault was found."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome for one asset."""

    state: str
    """State: `done`, `skipped` or `gone`."""
    name: str
    words: str
    """Diagnosis, or the reason why nothing was done."""
    result: str = ""
    """Id of the new asset."""
    seconds: float = 0.0


def _quiet(_: events.Event) -> None:
    pass


def reaction_to(error: LdrpsError) -> RetryDecision:
    """Return the reaction to an error that came with an asset."""
    return RetryDecision.RETRY if isinstance(error, FaultError) else retry_decision(error)


class Restorer:
    """Works on one asset at a time."""

    def __init__(
        self,
        api: ImmichApi,
        client: Client,
        state: ImmichState,
        tags: Tags,
        stop: threading.Event | None = None,
    ) -> None:
        self._api, self._client, self._state, self._tags = api, client, state, tags
        self._stop = stop or threading.Event()

    def is_wanted(self, asset: Asset) -> bool:
        """Tell whether the user asks for an asset by its tag."""
        return self._tags.wanted in asset.tags

    def work(self, entry: Entry, album: str = "", on_event: OnEvent = _quiet) -> Outcome:
        """Bring an asset to its end; LdrpsError says why that could not be done."""
        ledger, key = self._state.ledger, os.fsdecode(entry.source)
        ledger.change(entry.key, state="working")
        try:
            asset = self._api.asset(key)
            outcome = self._judged(asset) or self._restored(entry, asset, album, on_event)
        except GoneError as error:
            outcome = Outcome(state="gone", name=key, words=str(error))
        except FaultError:
            # Raises what ails the server as a whole; else it is this asset's own trouble.
            self._api.check()
            raise
        except OSError as error:
            why = cause_and_remedy(error)
            raise OutputError(f"nothing can be kept in {self._state.folder}: {why}") from error
        ended = {"message": outcome.words, "words": outcome.words, "seconds": outcome.seconds}
        if outcome.result:
            ended["output"] = os.fsencode(outcome.result)
        ledger.end(entry.key, outcome.state, **ended)  # type: ignore[arg-type]
        # Last: what is staged must not be missing while the ledger still wants it uploaded.
        self._state.drop(entry)
        return outcome

    def _judged(self, asset: Asset) -> Outcome | None:
        """Return the outcome of an asset that needs no work, without a look at its file."""
        why = ""
        if not asset.is_photo:
            why = "no photo"
        elif asset.is_trashed:
            why = "in the trash"
        elif self._tags.done in asset.tags or self._state.ledger.is_output(asset.checksum):
            why = "a result already"
        return _skipped(asset, why) if why else None

    def _restored(self, entry: Entry, asset: Asset, album: str, on_event: OnEvent) -> Outcome:
        staged = self._state.staged(entry)
        words, seconds = entry.words, entry.seconds
        if not staged.is_dir():
            loaded = decode_bytes(self._api.original(asset), shown(asset.name))
            if mark_in(loaded.metadata.xmp) is not None:
                return _skipped(asset, "a result already")
            found = diagnose_photo(loaded.photo)
            if not found.needs_work and entry.settings.blind and not self.is_wanted(asset):
                return _skipped(asset, found.words())
            words, seconds = self._stage(entry, asset, loaded, on_event)
        result = self._place(entry, asset, staged, album)
        return Outcome(state="done", name=asset.name, words=words, result=result, seconds=seconds)

    def _stage(
        self, entry: Entry, asset: Asset, loaded: LoadedFile, on_event: OnEvent
    ) -> tuple[str, float]:
        """Restore, and keep the finished file until the server has it."""
        settings = entry.settings
        job = self._client.submit(
            loaded,
            detached=True,
            batch=True,
            # The same after a crash: the daemon has gone on meanwhile.
            idempotency_key=f"immich-{entry.key}-{entry.round}",
            **cast(Choices, settings.as_dict()),
        )
        self._state.ledger.change(entry.key, job=job)

        def unless_stopped(event: events.Event) -> None:
            if self._stop.is_set():
                raise StoppedError
            on_event(event)

        result = self._client.result(job, source=loaded, on_event=unless_stopped)
        staged = self._state.staged(entry)
        part = staged.with_name(f"{staged.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700, parents=True)
        result.save(part / _result_name(asset.name, part))
        self._state.ledger.change(entry.key, words=result.summary, seconds=result.seconds)
        folder_into_place(part, staged)
        return result.summary, result.seconds

    def _place(self, entry: Entry, asset: Asset, staged: Path, album: str) -> str:
        """Upload, stack and tag; each step may be repeated."""
        # The photo first, its sidecar behind it.
        files = sorted(staged.iterdir(), key=lambda path: path.suffix == ".xmp")
        # Before any client can learn of the new asset.
        self._state.ledger.change(entry.key, state="placing", output_content=_checksum(files[0]))
        result = self._api.upload(files, asset)
        self._api.tag(self._tags.done, result)
        self._api.stack(result, asset.id)
        if album:
            self._api.add_to_album(album, result)
        return result


def _skipped(asset: Asset, words: str) -> Outcome:
    return Outcome(state="skipped", name=asset.name, words=words)


def _checksum(path: Path) -> str:
    """Return the checksum in Immich's form."""
    return base64.b64encode(
        hashlib.sha1(path.read_bytes(), usedforsecurity=False).digest()
    ).decode()


def _result_name(name: str, folder: Path) -> str:
    path = Path(shown(name).replace("/", "_"))
    tail = f"{_MARK}{result_suffix(path)}"
    return fitting(path.stem, lambda stem: f"{stem}{tail}", longest_name(folder)) + tail
