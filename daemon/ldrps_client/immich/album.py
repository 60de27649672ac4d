"""Restoration of a whole album, one photo after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ldrps_client.hotfolder.work._retry import RetryDecision
from ldrps_client.immich._api import Asset, ImmichApi
from ldrps_client.immich._restoring import Outcome, Restorer, reaction_to
from ldrps_client.immich._state import ImmichState
from ldrps_engine.errors import LdrpsError
from ldrps_engine.settings import Settings

__all__ = ["restore_album"]

OnOutcome = Callable[[Asset, Outcome | LdrpsError], None]
"""Callback with the outcome of each photo."""


def restore_album(
    api: ImmichApi,
    state: ImmichState,
    restorer: Restorer,
    name: str,
    settings: Settings,
    progress: Callable[[Asset], Any],
    on_outcome: OnOutcome,
) -> None:
    """Restore the photos of an album that are not done yet.

    `progress(asset)` is entered while a photo is worked on, and called with events. Errors of a
    single photo are reported and remembered, and tried again the next time; others end it.
    """
    album = api.album(name)
    for listed in list(api.album_photos(album)):
        entry = state.add(listed.id, settings)
        if entry.state == "failed":
            state.queue_again(entry)
        elif entry.state in ("done", "skipped", "gone"):
            # Tags come later than photos.
            if entry.state == "done" or not restorer.is_wanted(api.asset(listed.id)):
                continue
            state.queue_again(entry)
        entry = state.ledger.entry(entry.key)
        try:
            with progress(listed) as on_event:
                outcome: Outcome | LdrpsError = restorer.work(entry, album, on_event)
        except LdrpsError as error:
            if reaction_to(error) is RetryDecision.WAIT:
                state.ledger.change(entry.key, state="queued")
                raise
            state.ledger.end(entry.key, "failed", reason=error.reason, message=str(error))
            outcome = error
        except BaseException:
            state.ledger.change(entry.key, state="queued")
            raise
        on_outcome(listed, outcome)
