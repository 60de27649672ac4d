"""Kills a watcher at every step that reaches the disk, and looks at what the next start makes.

Run as a program, in a process of its own, because it forks. Prints one line for each step.
"""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

from hotfolder.support import InvertingClient, is_result_of, names, run_once, write_photo
from ldrps_client.hotfolder import _ledger

_CALLS = ("link", "replace", "rename", "unlink", "fsync", "mkdir")


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
        for name in ("add", "claim", "change", "remember", "note_output"):
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


def main(base, beside):
    at = 1
    while True:
        folder = base / str(at)
        inside, out = folder / "in", folder / "out"
        inside.mkdir(parents=True)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        write_photo(inside / "sub" / "a.png", 1)
        where = {} if beside else {"out": out}

        def first(at=at, inside=inside, where=where):
            Bomb(at).arm()
            run_once(InvertingClient(), inside, settle=0.02, **where)

        ended = in_child(first)
        in_child(partial(run_once, InvertingClient(), inside, settle=0.02, **where))
        target = inside if beside else out
        wanted = ["sub/a.png", "sub/a_restored.png"] if beside else ["sub/a_restored.png"]
        found = names(target)
        good = found == wanted and is_result_of(target / "sub" / "a_restored.png", 1)
        print(at, "good" if good else f"BAD {found}", flush=True)
        shutil.rmtree(folder)
        if ended:
            return
        at += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == ["beside"])
