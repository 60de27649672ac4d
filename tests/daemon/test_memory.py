"""Memory that was taken for a moment is given back to the system."""

import asyncio
import ctypes
import subprocess
import sys
import threading

import pytest

from ldrps_daemon import memory
from ldrps_daemon.memory import MemoryTrimmer
from ldrps_daemon.scheduling import dispatch
from ldrps_daemon.scheduling.dispatch import Dispatcher
from support.daemon import environment

CROWD = """
import ctypes, os, sys
from ldrps_daemon.memory import MemoryTrimmer
from ldrps_daemon.workers.process import resident_bytes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
trimmer = MemoryTrimmer()
trimmer.give_back()
blocks = []
for _ in range(60_000):
    blocks.append(libc.malloc(1000))
    ctypes.memset(blocks[-1], 1, 1000)
# One that stays keeps malloc from giving back what lies below it.
for block in blocks[:-1]:
    libc.free(block)
before = resident_bytes(os.getpid())
trimmer.give_back()
print(before - resident_bytes(os.getpid()))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc"
)
def test_what_malloc_keeps_is_given_back():
    words = [sys.executable, "-c", CROWD]
    ran = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    assert int(ran.stdout) > 40 << 20


def test_it_is_not_looked_for_where_nothing_has_grown(monkeypatch):
    trims, resident = [], [100 << 20]
    monkeypatch.setattr(memory, "_malloc_trim", lambda: trims.append)
    monkeypatch.setattr(memory, "resident_bytes", lambda _: resident[0])
    trimmer = MemoryTrimmer()
    for grown in (0, 0, 1, 2, 6, 0):
        resident[0] += grown << 20
        trimmer.give_back()
    assert len(trims) == 2


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    trimmer = MemoryTrimmer()
    trimmer.give_back()
    assert trimmer._trim is None


def test_a_daemon_does_so_now_and_then_beside_its_calls(config, tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch, "_SWEEP_SECONDS", 0.01)
    threads = []
    monkeypatch.setattr(MemoryTrimmer, "give_back", lambda _: threads.append(threading.get_ident()))

    async def main():
        dispatcher = Dispatcher(config(), tmp_path)
        await dispatcher.start()
        async with asyncio.timeout(30):
            while len(threads) < 2:
                await asyncio.sleep(0.01)
        await dispatcher.stop()

    asyncio.run(main())
    assert threading.get_ident() not in threads
