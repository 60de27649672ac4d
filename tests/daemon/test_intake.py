"""Submit over a real server in this process."""

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_daemon.transport.admission import payload_bytes
from ldrps_daemon.transport.security import own_folder
from ldrps_daemon.transport.server import running
from ldrps_engine.errors import InternalError, LimitError, PhotoError
from support.daemon import grey_photo, requests

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)
LARGE = pb.EncodedFile(size=9 << 20)


@asynccontextmanager
async def serving(config):
    async with (
        running(config) as dispatcher,
        grpc.aio.insecure_channel(config.address) as channel,
    ):
        yield dispatcher, pb_grpc.RestorationStub(channel)


@contextmanager
def writing(config):
    """A stub as our clients have it. One of grpc.aio loses an early refusal while it writes.

    `grpc.aio` sets a call's end to INTERNAL where a message cannot be sent because it has ended.
    """
    with grpc.insecure_channel(config.address) as channel:
        yield pb_grpc.RestorationStub(channel)


def refusal(config, messages):
    async def main():
        async with serving(config) as (dispatcher, _):
            with writing(config) as stub, pytest.raises(grpc.RpcError) as caught:
                await asyncio.to_thread(stub.Submit, iter(messages))
            # The place in the queue is free again, and nothing is kept.
            assert dispatcher.admission.used_bytes() == 0
            assert not folders(dispatcher.spool)
            return caught.value

    return asyncio.run(main())


def folders(spool):
    return [path for path in spool.iterdir() if path.is_dir()]


def header(**fields):
    return pb.SubmitRequest(header=pb.SubmitHeader(**fields))


def chunk(size):
    return pb.SubmitRequest(chunk=bytes(size))


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([], "INVALID_ARGUMENT", "no header"),
        ([chunk(1)], "INVALID_ARGUMENT", "no header"),
        ([header(raster=RASTER), header(raster=RASTER)], "INVALID_ARGUMENT", "second header"),
        ([header(raster=RASTER), chunk(959)], "INVALID_ARGUMENT", "ended 1 bytes early"),
        ([header(raster=RASTER), chunk(960), chunk(1)], "INVALID_ARGUMENT", "more bytes"),
        ([header(raster=RASTER), pb.SubmitRequest()], "INVALID_ARGUMENT", "empty"),
        ([header(file=LARGE), chunk((1 << 20) + 1)], "INVALID_ARGUMENT", "at most 1048576"),
        ([header(settings=pb.Settings(steps=0), raster=RASTER)], "INVALID_ARGUMENT", "steps"),
        ([header(file=pb.EncodedFile(size=2**40))], "OUT_OF_RANGE", "at most"),
    ],
)
def test_refusals_say_why_and_leave_nothing(config, messages, code, words):
    error = refusal(config(), messages)
    assert error.code().name == code
    assert words in error.details()


def test_a_submit_that_stalls_is_refused(config):
    def stalling():
        yield header(raster=RASTER)
        time.sleep(5)

    error = refusal(config(stall_seconds=0.1), stalling())
    assert "no pixels came" in error.details()


def test_a_submit_that_trickles_is_refused(config):
    def trickling():
        yield header(raster=RASTER)
        while True:
            yield chunk(1)
            time.sleep(0.05)

    # Never so long without a byte as would be a stall.
    error = refusal(config(stall_seconds=0.4), trickling())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "less than 32768 bytes a second" in error.details()


def test_a_submit_that_trickles_for_a_good_reason_is_taken(config):
    async def trickling():
        yield header(raster=RASTER)
        for _ in range(10):
            yield chunk(96)
            await asyncio.sleep(0.05)

    async def main():
        async with serving(config(stall_seconds=0.4, min_bytes_per_second=0)) as (_, stub):
            assert (await stub.Submit(trickling())).job_id

    asyncio.run(main())


def test_trickling_submits_make_room_for_one_that_comes_at_once(config):
    """With all places held by them, none is free for the better part of a minute otherwise."""

    async def main():
        settings = config(queue_limit=3, stall_seconds=60)
        async with serving(settings) as (dispatcher, _), asyncio.timeout(60):
            with writing(settings) as stub:

                def trickling():
                    yield header(raster=RASTER)
                    while True:
                        yield chunk(1)
                        time.sleep(0.2)

                slow = [stub.Submit.future(trickling()) for _ in range(3)]
                held = dispatcher.admission._held
                while len(held.paces) < 3:
                    await asyncio.sleep(0.01)
                with pytest.raises(grpc.RpcError) as early:
                    await asyncio.to_thread(stub.Submit, iter(requests(detached=True)))
                assert early.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                while not any(pace.is_slow for pace in held.paces):
                    await asyncio.sleep(0.05)
                assert (await asyncio.to_thread(stub.Submit, iter(requests(detached=True)))).job_id
                while not (done := [call for call in slow if call.done()]):
                    await asyncio.sleep(0.01)
                assert [call.code() for call in done] == [grpc.StatusCode.RESOURCE_EXHAUSTED]
                for call in slow:
                    call.cancel()

    asyncio.run(main())


def test_limits_are_checked_from_the_header_alone(config):
    with pytest.raises(LimitError, match="at most 100 pixels"):
        payload_bytes(pb.SubmitHeader(raster=RASTER), config(max_pixels=100))
    with pytest.raises(LimitError, match="960 bytes; this daemon takes at most 959"):
        payload_bytes(pb.SubmitHeader(raster=RASTER), config(max_bytes=959))
    with pytest.raises(PhotoError, match="describes no payload"):
        payload_bytes(pb.SubmitHeader(), config())
    assert payload_bytes(pb.SubmitHeader(raster=RASTER), config()) == 960


def test_the_same_key_on_two_connections_at_once_makes_one_job(config):
    async def main():
        async with serving(config()) as (dispatcher, stub):
            photo = grey_photo()
            both = [stub.Submit(requests(photo, idempotency_key="k")) for _ in range(2)]
            answers = [await call for call in both]
            assert len({answer.job_id for answer in answers}) == 1
            assert len(folders(dispatcher.spool)) == 1

    asyncio.run(main())


def test_a_stopping_daemon_takes_nothing_new(config):
    async def main():
        from ldrps_daemon.scheduling.dispatch import Dispatcher
        from ldrps_daemon.transport.servicer import Servicer

        server = grpc.aio.server()
        own_folder(config().spool)
        dispatcher = Dispatcher(config(), config().spool)
        dispatcher.stopping = True
        servicer = Servicer(config(), dispatcher)
        pb_grpc.add_RestorationServicer_to_server(servicer, server)
        server.add_insecure_port(config().address)
        await server.start()
        with writing(config()) as stub, pytest.raises(grpc.RpcError) as caught:
            await asyncio.to_thread(stub.Submit, iter(requests()))
        await server.stop(None)
        await dispatcher.repository.close()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert dict(caught.value.trailing_metadata())["ldrps-reason"] == "unavailable"

    asyncio.run(main())


def test_an_end_that_is_being_written_when_the_daemon_stops_stands(config):
    async def main():
        async with serving(config()) as (dispatcher, stub):
            answer = await stub.Submit(requests(detached=True, settings={"steps": 1000}))
            job = dispatcher.index.get(answer.job_id)
            cancelling = asyncio.create_task(dispatcher.cancel(job, "a client asked for it"))
            await asyncio.sleep(0)
            assert job.ending
        await asyncio.wait([cancelling])
        async with serving(config()) as (dispatcher, _):
            assert dispatcher.index.get(job.id).state == pb.JOB_STATE_CANCELLED

    asyncio.run(main())


def test_a_client_that_leaves_while_its_job_is_journalled_tears_nothing_apart(config):
    async def main():
        async with serving(config()) as (dispatcher, stub):
            writing, go_on = asyncio.Event(), asyncio.Event()
            accept = dispatcher.repository.accept

            async def slowly(job):
                writing.set()
                await go_on.wait()
                await accept(job)

            dispatcher.repository.accept = slowly
            call = stub.Submit(requests(detached=True))
            await writing.wait()
            call.cancel()
            await asyncio.sleep(0.2)
            go_on.set()
            while not (found := dispatcher.index.newest(1)):
                await asyncio.sleep(0.01)
            assert found[0].folder.is_whole(found[0].payload_bytes) or found[0].ended
            async with asyncio.timeout(60):
                while not found[0].ended:
                    await asyncio.sleep(0.01)
            assert found[0].state == pb.JOB_STATE_DONE

    asyncio.run(main())


def test_a_journal_that_cannot_be_written_refuses_and_keeps_nothing(config):
    async def main():
        async with serving(config()) as (dispatcher, _):

            async def fails(job):
                raise InternalError("the journal cannot be written")

            dispatcher.repository.accept = fails
            with writing(config()) as stub, pytest.raises(grpc.RpcError) as caught:
                await asyncio.to_thread(stub.Submit, iter(requests()))
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert not folders(dispatcher.spool)

    asyncio.run(main())
