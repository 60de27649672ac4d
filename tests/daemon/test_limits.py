"""Every string, bytes field and list of the contract has a limit, and a real server keeps it."""

import asyncio
import socket
import threading
from multiprocessing.connection import Connection

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.transport import limits
from ldrps_daemon.transport.server import running
from ldrps_daemon.workers import pipe
from ldrps_engine.errors import LdrpsError

MESSAGES = pb.DESCRIPTOR.message_types_by_name
FIELDS = [field for message in MESSAGES.values() for field in message.fields]
TEXTS = {FIELDS[0].TYPE_STRING, FIELDS[0].TYPE_BYTES}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.full_name)
def test_every_field_that_can_grow_has_a_limit(field):
    length, items = limits.limits_of(field)
    assert (length > 0) == (field.type in TEXTS)
    assert (items > 0) == bool(field.is_repeated)


def paths(message, before=()):
    """Every field of a message that can grow, as the names that lead to it."""
    for field in message.fields:
        here = (*before, field)
        if field.type in TEXTS or field.is_repeated:
            yield here
        if field.type == field.TYPE_MESSAGE:
            yield from paths(field.message_type, here)


def filled(message, path, excess):
    """A message with one field at its limit, and `excess` more."""
    made = getattr(pb, message.name)()
    holder = made
    for field in path[:-1]:
        holder = getattr(holder, field.name)
        if field.is_repeated:
            holder = holder.add()
    field = path[-1]
    length, items = limits.limits_of(field)
    text = b"x" if field.type == field.TYPE_BYTES else "ä"
    if not items:
        setattr(holder, field.name, text * (length + excess))
    elif field.type == field.TYPE_MESSAGE:
        for _ in range(items + excess):
            getattr(holder, field.name).add()
    else:
        getattr(holder, field.name).extend([text] * (items + excess))
    return made


def cases(inputs_only):
    """Every message, the path of a field in it that can grow, and the method that takes it."""
    methods = [m for s in pb.DESCRIPTOR.services_by_name.values() for m in s.methods]
    inputs = {m.input_type.name: m for m in methods}
    for message in MESSAGES.values():
        if not inputs_only or message.name in inputs:
            for path in paths(message):
                name = ".".join(field.name for field in path)
                method = inputs.get(message.name)
                yield pytest.param(message, path, method, id=f"{message.name}.{name}")


def test_there_is_something_to_try():
    names = {case.id for case in cases(inputs_only=True)}
    assert {"SubmitRequest.header.settings.layers", "ModelRequest.name"} <= names
    assert len(names) >= 12


@pytest.mark.parametrize(("message", "path", "method"), list(cases(inputs_only=False)))
def test_a_message_over_a_limit_is_named_and_one_at_it_is_not(message, path, method):
    limits.check(filled(message, path, 0))
    with pytest.raises(LdrpsError) as caught:
        limits.check(filled(message, path, 1))
    name = ".".join(field.name for field in path)
    assert str(caught.value).startswith(f"{name} has ")
    assert caught.value.reason in ("settings", "photo")


def test_a_list_with_one_long_text_is_over_its_limit():
    with pytest.raises(LdrpsError, match=r"layers has 33 characters; at most 32"):
        limits.check(pb.Settings(layers=["restored", "x" * 33]))


def call(channel, method, request):
    """Any call of the contract, by its descriptor."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    kind = f"{'stream' if method.client_streaming else 'unary'}_"
    kind += "stream" if method.server_streaming else "unary"
    made = getattr(channel, kind)(
        name,
        request_serializer=type(request).SerializeToString,
        response_deserializer=getattr(pb, method.output_type.name).FromString,
    )
    return made(iter([request]) if method.client_streaming else request, timeout=60)


async def outcome(answer, method):
    """Status, sentence and reason word of a call."""
    try:
        if method.server_streaming:
            async for _ in answer:
                pass
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        reason = dict(error.trailing_metadata()).get("ldrps-reason")
        return error.code(), error.details(), reason
    return grpc.StatusCode.OK, "", ""


def test_the_front_keeps_every_limit_of_every_call(config):
    async def main():
        async with (
            running(config()) as dispatcher,
            grpc.aio.insecure_channel(config().address) as channel,
        ):
            for case in cases(inputs_only=True):
                message, path, method = case.values
                answer = call(channel, method, filled(message, path, 1))
                code, words, reason = await outcome(answer, method)
                name = ".".join(field.name for field in path)
                assert code is grpc.StatusCode.INVALID_ARGUMENT, case.id
                assert f"{name} has " in words, case.id
                assert reason in ("settings", "photo"), case.id
                # At the limit something else may be wrong, but not that.
                answer = call(channel, method, filled(message, path, 0))
                assert "; at most " not in (await outcome(answer, method))[1], case.id
            assert dispatcher.admission.used_bytes() == 0
            assert not dispatcher.index.newest(10)

    asyncio.run(main())


def received(event):
    """An event as the front has it from a worker; sent from a thread, since buffers are small."""
    front, worker = socket.socketpair()
    with Connection(front.detach()) as receiving, Connection(worker.detach()) as sending:
        thread = threading.Thread(target=pipe.send_event, args=(sending, event))
        thread.start()
        try:
            return pipe.receive_report(receiving)
        finally:
            thread.join()


def test_what_a_worker_tells_is_cut_to_the_limits():
    said = pb.Description(text="x" * 10**6, remarks=["y" * 5000] * 50)
    reported = received(pb.Event(description=said)).description
    assert (len(reported.text), len(reported.remarks)) == (1000, 16)
    assert {len(remark) for remark in reported.remarks} == {1000}
    limits.check(reported)


def test_a_worker_that_tells_too_many_bytes_is_not_believed():
    with pytest.raises(EOFError):
        received(pb.Event(preview=pb.Preview(pixels=bytes(2 << 20))))


def test_what_has_no_limits_of_ours_is_let_through():
    from grpc_health.v1 import health_pb2

    assert not limits.is_ours(health_pb2.HealthCheckRequest(service="x" * 10**6))


def test_a_list_of_jobs_fits_into_a_message_that_every_client_takes():
    from ldrps_daemon.transport.servicer import LIST_BYTES, _fitting

    job = pb.Job(job_id="j", message="ä" * 1000, settings=pb.Settings(description="ä" * 400))
    answer = pb.ListJobsResponse(jobs=_fitting([job] * 10_000))
    assert LIST_BYTES * 0.99 < answer.ByteSize() <= LIST_BYTES
    few = pb.ListJobsResponse(jobs=_fitting([job] * 9))
    assert len(few.jobs) == 9
