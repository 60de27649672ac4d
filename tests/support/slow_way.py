"""A connection to a daemon on which everything takes its time, as over a slow network."""

import asyncio
import contextlib
import threading


@contextlib.contextmanager
def slow_way(to, at, seconds=0.06):
    """Carry bytes between an address `at` and another, `seconds` late each way; both are a path of
    a unix socket or a port of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    server = do(_serve(to, at, seconds))
    try:
        yield
    finally:
        do(_end(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _serve(to, at, seconds):
    async def carry(reader, writer):
        ends = [writer]
        try:
            # A connection is to be accepted first, which takes its time as well.
            await asyncio.sleep(2 * seconds)
            back, there = await _open(to)
            ends.append(there)
            await asyncio.gather(_late(reader, there, seconds), _late(back, writer, seconds))
        except OSError:
            pass
        finally:
            for each in ends:
                each.transport.abort()

    if isinstance(at, int):
        return await asyncio.start_server(carry, "127.0.0.1", at)
    return await asyncio.start_unix_server(carry, at)


async def _open(to):
    if isinstance(to, int):
        return await asyncio.open_connection("127.0.0.1", to)
    return await asyncio.open_unix_connection(to)


async def _late(source, target, seconds):
    """Send data on `seconds` after it came, however much comes in between."""
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue()

    async def send():
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            target.write(data)
            await target.drain()

    async def receive():
        data = b"more"
        while data:
            data = await source.read(1 << 16)
            waiting.put_nowait((loop.time() + seconds, data))

    await asyncio.gather(send(), receive())
    if target.can_write_eof():
        target.write_eof()
    else:
        target.close()


async def _end(server):
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # What was aborted is closed in the loop's next rounds.
    for _ in range(3):
        await asyncio.sleep(0)
