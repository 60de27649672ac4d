import asyncio

import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.job_index import JobIndex
from ldrps_daemon.storage.spool import StoredLayers, write_layers
from ldrps_engine.errors import NotFoundError
from ldrps_engine.photo import Photo
from ldrps_engine.result import Layer
from ldrps_wire.conversion import CHUNK_BYTES


def step(index):
    return pb.Event(step=pb.Step(index=index, count=9))


def stored(folder, *sides):
    layers = [Layer(str(s), Photo.from_samples(np.full((s, s), s % 256, np.uint8))) for s in sides]
    return StoredLayers(folder / "result", tuple(write_layers(folder / "result", layers)))


async def collect(job, number=0, previews=False):
    return [event async for event in job.feed.follow(number, previews)]


def test_layers_lie_between_what_was_said_and_the_end(job, tmp_path):
    async def main():
        made = job()
        made.publish(step(1))
        made.end(pb.Event(done=pb.Done()), stored(tmp_path, 1500, 20))
        events = await collect(made)
        check_layers(events)
        for number in range(1, 9):
            assert await collect(made, number) == events[number - 1 :]
        assert made.to_proto(0).last_event == 8

    asyncio.run(main())


def check_layers(events):
    assert [event.number for event in events] == list(range(1, 9))
    kinds = [event.WhichOneof("kind") for event in events]
    chunk = "layer_chunk"
    assert kinds == ["step", "layer_header", *[chunk] * 3, "layer_header", chunk, "done"]
    sizes = [len(event.layer_chunk.data) for event in events[2:5]]
    assert sizes == [CHUNK_BYTES, CHUNK_BYTES, 1500 * 1500 - 2 * CHUNK_BYTES]
    assert events[6].layer_chunk.data == bytes([20]) * 400


def test_only_the_first_end_counts(job):
    made = job()
    made.end(pb.Event(cancelled=pb.Cancelled(message="first")))
    made.end(pb.Event(done=pb.Done()))
    made.publish(step(1))
    assert (made.state, made.message, made.log.last) == (pb.JOB_STATE_CANCELLED, "first", 1)


def test_watchers_see_events_as_they_come_and_only_the_latest_preview(job):
    async def main():
        made = job()
        made.publish(step(1))
        made.publish(pb.Event(preview=pb.Preview(pixels=b"before")))
        watching = asyncio.create_task(collect(made, previews=True))
        await asyncio.sleep(0)
        made.publish(pb.Event(preview=pb.Preview(pixels=b"old")))
        made.publish(pb.Event(preview=pb.Preview(pixels=b"new")))
        await asyncio.sleep(0.01)
        made.publish(step(2))
        made.end(pb.Event(failed=pb.Failed(reason="photo", message="bad")))
        return made, await watching

    made, events = asyncio.run(main())
    assert [event.number for event in events] == [1, 1, 2, 3]
    assert events[1].preview.pixels == b"new"
    assert (made.to_proto(0).reason, made.to_proto(0).step) == ("photo", 2)


def test_watchers_are_counted(job):
    made = job()
    with made.feed.watched(True), made.feed.watched(False):
        assert (made.feed.watchers, made.feed.preview_watchers) == (2, 1)
    assert (made.feed.watchers, made.feed.preview_watchers) == (0, 0)


def test_the_oldest_results_go_first_but_not_under_a_reader(config, job, tmp_path):
    index = JobIndex(config(max_kept_jobs=1))
    jobs = [job(idempotency_key=f"key {number}") for number in range(3)]
    for number, each in enumerate(jobs):
        index.add(each)
        each.end(pb.Event(done=pb.Done()))
        each.ended_tick += number
    with jobs[0].feed.watched(False):
        index.sweep()
        assert index.newest(9) == [jobs[0]]
    with pytest.raises(NotFoundError):
        index.get(jobs[1].id)
    assert index.with_key("key 0") is jobs[0]
    assert index.with_key("key 1") is None
    assert index.with_key("") is None


def test_results_take_no_more_room_than_allowed(config, job, tmp_path):
    index = JobIndex(config(max_kept_bytes=1000))
    for _ in range(3):
        made = job()
        index.add(made)
        made.end(pb.Event(done=pb.Done()), stored(tmp_path, 20))
    index.sweep()
    assert len(index.newest(9)) == 2


def test_old_jobs_are_forgotten_and_open_ones_are_not(config, job):
    index = JobIndex(config(keep_seconds=10))
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)
    for each in (old := job(), waiting := job(raster=raster)):
        index.add(each)
    old.end(pb.Event(done=pb.Done()))
    old.ended_tick -= 11
    index.sweep()
    assert index.newest(9) == index.open() == [waiting]


def test_metrics_may_look_while_jobs_come(config, job):
    """They are scraped in a thread of their own."""
    index = JobIndex(config())
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)

    class Herald:
        """Another job comes while this one is looked at."""

        ended, payload_bytes, watchers = False, 960, 1

        @property
        def feed(self):
            index.add(job(raster=raster))
            return self

    index._jobs = {"herald": Herald()}
    assert index.watchers() == 1
    assert index.stored_bytes() == 1920
