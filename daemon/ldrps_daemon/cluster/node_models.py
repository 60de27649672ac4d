"""The part that runs on a node for its models: a task that fetches, checks or removes one.

Question and answers are JSON. A models folder that several nodes see is written to once: who comes
second waits for the lock that `hub.pull` holds, and finds the model there.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ldrps_engine.errors import LdrpsError, ModelError
from ldrps_engine.model_store import hub, store

_PROGRESS_SECONDS = 0.5
# Longest silence: the process asked notices by its next answer that it is not wanted any more.
_BEAT_SECONDS = 2.0
_MAX_WORDS = 300


def on_node(request: bytes) -> Iterator[bytes]:
    """Do one thing with one model, {"do", "name", "revision", "hash", "file"}.

    Yields {"file", "done", "total"} now and then, and last of all {"why"}, which is empty if all
    went well. `hash` and `file` describe the front's copy, see `_check` and `place_of`.
    """
    given = json.loads(request)
    news: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    last, reported_at = _progress("", 0, 0), 0.0

    def on_progress(file: str, done: int, total: int) -> None:
        nonlocal reported_at
        now = time.monotonic()
        if now - reported_at >= _PROGRESS_SECONDS:
            reported_at = now
            news.put(_progress(file, done, total))

    with ThreadPoolExecutor(1) as thread:
        work = thread.submit(_do, given, on_progress)
        work.add_done_callback(lambda _: news.put(b""))
        while True:
            try:
                said = news.get(timeout=_BEAT_SECONDS)
            except queue.Empty:
                said = last
            if not said:
                break
            last = said
            yield said
    yield json.dumps({"why": _why(work.exception())}).encode()


def place_of(name: str) -> list[int]:
    """Return numbers of a model's list of files, by which its copy here differs from others."""
    try:
        found = (store.folder_of(name) / store.MANIFEST).stat()
    except OSError:
        return []
    return [found.st_ino, found.st_mtime_ns]


def _do(given: dict[str, Any], on_progress: hub.OnProgress) -> None:
    name = given["name"]
    if given["do"] == "pull":
        hub.pull(name, on_progress, given["revision"])
        _check(name, given["hash"])
    elif given["do"] == "verify":
        # The front has read its own copy already.
        if place_of(name) != given["file"]:
            store.verify(name, lambda _: on_progress(name, 0, 0))
            _check(name, given["hash"])
    elif store.folder_of(name).exists():
        store.remove(name)


def _check(name: str, wanted: str) -> None:
    """Compare the list of sums with that of the front's copy: pixels are to be the same."""
    if store.weights_hash(name) != wanted:
        raise ModelError(
            f"model '{name}' is there with other files than here; {store.renewal(name)}"
        )


def _progress(file: str, done: int, total: int) -> bytes:
    return json.dumps({"file": file, "done": done, "total": total}).encode()


def _why(error: BaseException | None) -> str:
    if error is None:
        return ""
    words = str(error) if isinstance(error, LdrpsError) else f"{type(error).__name__}: {error}"
    return " ".join(words.split())[:_MAX_WORDS]
