"""Limits hold before a byte is taken."""

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.job_index import JobIndex
from ldrps_daemon.transport import admission
from ldrps_daemon.transport.admission import Admission, check_header, memory_needed
from ldrps_engine.errors import BusyError, LimitError, ModelError, SettingsError

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)
HEADER = pb.SubmitHeader(raster=RASTER)
BYTES = 20 * 16 * 3


@pytest.fixture
def keep(config, tmp_path):
    """Makes what keeps the limits, and the index it looks into."""

    def make(**limits):
        chosen = config(**{"spare_bytes": 0, "memory_bytes": 8 << 30} | limits)
        index = JobIndex(chosen)
        return Admission(chosen, index, tmp_path), index

    return make


def test_a_place_is_held_while_pixels_come_in(keep):
    kept, _ = keep(queue_limit=2)
    with kept.place(HEADER, "a", 1, lambda: 3) as size:
        assert size == BYTES
        assert kept.used_bytes() == 2 * BYTES, "the result comes before the photo goes"
        with (
            pytest.raises(BusyError, match="try again in 3 seconds") as caught,
            kept.place(HEADER, "b", 1, lambda: 3),
        ):
            pass
        assert caught.value.retry_after == 3
    with kept.place(HEADER, "b", 1, lambda: 3):
        pass
    assert kept.used_bytes() == 0


def test_one_client_cannot_take_all_places(keep, job):
    kept, index = keep(jobs_per_client=2)
    index.add(job("a", raster=RASTER))
    with kept.place(HEADER, "a", 1, lambda: 1):
        with (
            pytest.raises(BusyError, match="this client has 2 jobs"),
            kept.place(HEADER, "a", 1, lambda: 1),
        ):
            pass
        with kept.place(HEADER, "b", 1, lambda: 1):
            pass


def test_one_client_cannot_take_all_bytes(keep, job):
    kept, index = keep(bytes_per_client=int(BYTES * 1.5))
    with kept.place(HEADER, "a", 0, lambda: 1):
        pass
    index.add(job("a", raster=RASTER))
    with pytest.raises(BusyError, match="share of the disk"), kept.place(HEADER, "a", 1, lambda: 1):
        pass
    with kept.place(HEADER, "b", 1, lambda: 1):
        pass


def test_the_spool_has_a_size(keep, job):
    kept, index = keep(spool_bytes=int(BYTES * 3.5))
    waiting = job("a", raster=RASTER)
    index.add(waiting)
    with pytest.raises(BusyError, match="fill the spool"), kept.place(HEADER, "b", 1, lambda: 1):
        pass
    # What has ended makes room for what is to come.
    waiting.end(pb.Event(done=pb.Done()))
    with kept.place(HEADER, "b", 1, lambda: 1):
        pass
    large = pb.SubmitHeader(file=pb.EncodedFile(size=BYTES * 4))
    with pytest.raises(LimitError, match="the spool takes"), kept.place(large, "b", 0, lambda: 1):
        pass


def test_the_disk_is_not_filled(keep):
    kept, _ = keep(spare_bytes=1 << 60)
    with pytest.raises(BusyError, match="nearly full"), kept.place(HEADER, "a", 0, lambda: 1):
        pass


def test_a_photo_for_which_there_is_not_enough_memory_is_refused(keep):
    kept, _ = keep(memory_bytes=memory_needed(10**7))
    raster = pb.Raster(width=4000, height=4000, channels=3, sample_type=1)
    with (
        pytest.raises(LimitError, match="MiB of memory"),
        kept.place(pb.SubmitHeader(raster=raster), "a", 0, lambda: 1),
    ):
        pass
    with kept.place(HEADER, "a", 0, lambda: 1):
        pass


def test_workers_share_the_machines_memory(config, monkeypatch):
    monkeypatch.setattr(admission, "_machine_bytes", lambda: 100 << 30)
    one = admission.memory_limit(config(devices=("cpu",)))
    two = admission.memory_limit(config(devices=("cuda:0", "cuda:1")))
    assert one == 2 * two == (85 * (1 << 30))
    assert admission.memory_limit(config(memory_bytes=5)) == 5


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"deadline_seconds": -1.0}, "deadline_seconds"),
        ({"deadline_seconds": float("nan")}, "deadline_seconds"),
        ({"deadline_seconds": 1e300}, "deadline_seconds"),
    ],
)
def test_impossible_headers_are_named(wrong, name):
    with pytest.raises(SettingsError, match=name):
        check_header(pb.SubmitHeader(**wrong))


@pytest.mark.parametrize("where", ["model", "describer"])
@pytest.mark.parametrize("path", ["/etc", "../x", "./model", "~/model", "a/b"])
def test_paths_do_not_come_over_the_wire(where, path):
    with pytest.raises(ModelError, match="no name of a model"):
        check_header(pb.SubmitHeader(settings=pb.Settings(**{where: path})))


@pytest.mark.parametrize("settings", [{}, {"model": "sd21", "describer": "tagger"}])
def test_a_header_with_names_or_nothing_is_taken_as_it_is(settings):
    header = pb.SubmitHeader(raster=RASTER, settings=pb.Settings(**settings))
    before = header.SerializeToString()
    check_header(header)
    assert header.SerializeToString() == before
