"""Size of the spool: decoded and encoded results, profiles, and what lies beside them count."""

import io
import os
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image, ImageCms

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.photo import Photo
from ldrps_wire.conversion import chunks
from support.daemon import (
    kinds,
    layer_bytes,
    refused,
    requests,
    wait_until,
)

pytestmark = pytest.mark.e2e


def png(side):
    """A file that is far smaller than what it decodes to."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (77, 77, 77)).save(file, "PNG")
    return file.getvalue()


def hand_in_file(daemon, data, **more):
    header = pb.SubmitHeader(file=pb.EncodedFile(size=len(data)), detached=True, **more)
    pieces = [pb.SubmitRequest(chunk=chunk) for chunk in chunks(data)]
    return daemon.stub.Submit(iter([pb.SubmitRequest(header=header), *pieces]), timeout=60).job_id


def test_decoded_results_count_towards_the_spool(start_daemon):
    side = 600
    size, data = side * side * 3, png(side)
    assert len(data) * 20 < size
    daemon = start_daemon(spool_bytes=int(3.5 * size))
    jobs = []
    for _ in range(4):
        jobs.append(hand_in_file(daemon, data))
        events = list(daemon.watch(jobs[-1]))
        assert layer_bytes(events) == bytes([178]) * size
        assert wait_until(lambda: daemon.status().spool_bytes <= 3.5 * size)
    on_disk = sum(path.stat().st_size for path in daemon.spool.glob("*/*/result"))
    assert on_disk == 2 * size
    known = [job.job_id for job in daemon.stub.ListJobs(pb.ListJobsRequest()).jobs]
    assert known == jobs[:1:-1]


@pytest.mark.parametrize("is_file", [False, True])
def test_what_lies_beside_a_result_while_it_is_encoded_counts(start_daemon, is_file):
    side = 1500
    noise = np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8)
    size = noise.size
    # Photo, what is decoded, the result, and beside it one layer raw and encoded.
    most = (3 + 1 + is_file) * size + (1 << 20)
    daemon = start_daemon(spool_bytes=most)
    wanted = {"result_format": pb.FILE_FORMAT_PNG}
    if is_file:
        job_id = hand_in_file(daemon, saved(noise), **wanted)
    else:
        job_id = daemon.submit(Photo.from_samples(noise), detached=True, **wanted).job_id
    (folder,) = daemon.spool.glob(f"*/{job_id}")
    counted = daemon.status().spool_bytes
    seen, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            # What an attempt writes lies in a folder of its own below, which may go any moment.
            found = [Path(at, name) for at, _, names in os.walk(folder) for name in names]
            large = [path for path in found if path.name not in ("events", "header")]
            seen.append(sum(map(file_size, large)))

    looking = threading.Thread(target=look)
    looking.start()
    assert kinds(daemon.watch(job_id))[-1] == "done"
    ended.set()
    looking.join()
    assert 2 * size < max(seen) <= most
    if not is_file:
        assert max(seen) <= counted
    refused_photo = Photo.from_samples(np.zeros((side, side + 800, 3), np.uint8))
    error = refused(daemon, requests(refused_photo, **wanted))
    assert error.code() == grpc.StatusCode.OUT_OF_RANGE
    assert f"the spool takes {most}" in error.details()


def file_size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def saved(samples):
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "PNG", compress_level=1)
    return file.getvalue()


def test_large_profiles_count_towards_the_spool(start_daemon):
    """A header is kept in the journal, and a profile of megabytes with each layer's header."""
    limit, profile = 20_000_000, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Photo.from_samples(
        np.full((16, 20, 3), 77, np.uint8), icc_profile=profile.ljust(2_900_000, b"\0")
    )
    daemon = start_daemon(spool_bytes=limit)
    for _ in range(12):
        job_id = daemon.submit(photo, detached=True).job_id
        assert kinds(daemon.watch(job_id))[-1] == "done"
        assert sum(map(file_size, daemon.spool.rglob("*"))) < limit + (8 << 20)
    # Nothing is kept of them but that, and they give way as large results do.
    assert 2 <= len(daemon.stub.ListJobs(pb.ListJobsRequest()).jobs) <= 7
    assert daemon.status().spool_bytes <= limit


def test_a_result_for_which_the_spool_is_too_small_is_one_sentence(start_daemon):
    daemon = start_daemon(spool_bytes=1_000_000)
    layers = pb.Settings(layers=["restored", "pilot"])
    failed = list(daemon.watch(hand_in_file(daemon, png(500), settings=layers)))[-1].failed
    assert failed.reason == "limit"
    assert "the spool takes 1000000" in failed.message
    assert daemon.restores()
