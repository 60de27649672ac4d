"""Kills a watcher at every step that reaches the disk, and looks at what the next start makes.

Run as a program, in a process of its own, because it forks. Prints one line for each step.
"""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from hotfolder.support import (
    SIDECAR,
    InvertingClient,
    is_result_of,
    names,
    run_once,
    tags,
    write_photo,
)
from ldrps_client.hotfolder.store import _ledger

_CALLS = ("link", "replace", "rename", "unlink", "fsync", "mkdir")
_COLOUR = (40, 80, 120)
_MORE_THAN_A_JPEG_HOLDS = "y" * 70_000
_SIDECAR = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:y="http://y/" y:y="{_MORE_THAN_A_JPEG_HOLDS}"/>
</rdf:RDF></x:xmpmeta>"""


class Bomb:
    """Goes off before or after the Nth step; counts them if N is 0."""

    def __init__(self, at):
        self.at = at
        self.count = 0

    def tick(self):
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self):
        for name in _CALLS:
            setattr(os, name, self._around(getattr(os, name)))
        ledger = _ledger.Ledger
        for name in ("add", "claim", "change", "remember", "forget", "note_output", "note_sidecar"):
            setattr(ledger, name, self._around(getattr(ledger, name)))

    def _around(self, call):
        def wrapped(*args, **options):
            self.tick()
            result = call(*args, **options)
            self.tick()
            return result

        return wrapped


def in_child(action):
    """Run in a fork; whether it ended by itself."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("the watcher failed")
    return os.WIFEXITED(status)


def drop(folder, where):
    """Drop a photo; returns what must be beside the result, and what says whether it is good."""
    if where == "late":
        write_photo(folder / "a.png", 1)
        return [
            "a_restored.png"
        ], lambda result: is_result_of(result, 1) and tags(result)["rating"] == "4"
    if where != "sidecar":
        write_photo(folder / "a.png", 1)
        return ["a_restored.png"], lambda result: is_result_of(result, 1)
    folder.mkdir()
    Image.new("RGB", (24, 20), _COLOUR).save(folder / "a.jpg", quality=95)
    (folder / "a.jpg.xmp").write_text(_SIDECAR)
    return ["a_restored.jpg", "a_restored.jpg.xmp"], has_all


def has_all(result):
    """Tell whether the photo is inverted, and its sidecar complete."""
    with Image.open(result) as image:
        off = np.abs(255 - np.asarray(image, int) - _COLOUR).max()
    sidecar = result.with_name(f"{result.name}.xmp").read_text()
    return off < 8 and _MORE_THAN_A_JPEG_HOLDS in sidecar


def main(base, where):
    at = 1
    while True:
        folder = base / str(at)
        inside, out = folder / "in", folder / "out"
        inside.mkdir(parents=True)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        wanted, is_good = drop(inside / "sub", where)
        target = inside if where == "beside" else out
        options = {} if where == "beside" else {"out": out}
        kept = names(inside) if where == "beside" else []

        def first(at=at, inside=inside, options=options):
            Bomb(at).arm()
            run_once(InvertingClient(), inside, settle=0.02, **options)

        if where == "late":
            in_child(partial(run_once, InvertingClient(), inside, settle=0.02, **options))
            (inside / "sub" / "a.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
        ended = in_child(first)
        in_child(partial(run_once, InvertingClient(), inside, settle=0.02, **options))
        found = names(target)
        good = found == sorted([*kept, *(f"sub/{name}" for name in wanted)])
        good = good and is_good(target / "sub" / wanted[0])
        print(at, "good" if good else f"BAD {found}", flush=True)
        shutil.rmtree(folder)
        if ended:
            return
        at += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
