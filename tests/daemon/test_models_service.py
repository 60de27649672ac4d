"""Models over the wire, where the caller does not wait for the answer."""

import asyncio
import contextlib
import gc
import threading

from ldrps_daemon.scheduling.worker_specs import LocalPool
from ldrps_daemon.transport.models_service import ModelsServicer
from ldrps_engine.errors import ModelError


async def left_alone():
    """Let a caller leave before its call fails, and return what asyncio complains about."""
    complaints, failing = [], threading.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    servicer = ModelsServicer([], LocalPool([], 0))

    def work(*_):
        failing.wait(10)
        raise ModelError("there is no such model")

    call = asyncio.create_task(servicer._streamed("pull", "x", None, work))
    await asyncio.sleep(0.05)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    failing.set()
    while servicer._at_work:
        await asyncio.sleep(0.01)
    del call
    gc.collect()
    return complaints


def test_a_call_that_fails_after_its_caller_left_is_no_error_of_ours():
    assert asyncio.run(left_alone()) == []
