"""A part of a result alone, asked for over the wire."""

import grpc
import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.photo import Photo
from support.daemon import header, layer_bytes, refused

pytestmark = pytest.mark.e2e

CROP = pb.Rectangle(left=20, top=3, width=17, height=22)


def test_a_crop_comes_back_in_its_own_size(daemon):
    samples = np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8)
    photo = Photo.from_samples(samples)
    got = list(daemon.watch(daemon.submit(photo, crop=CROP).job_id))
    (made,) = [event.layer_header for event in got if event.HasField("layer_header")]
    assert (made.raster.width, made.raster.height) == (17, 22)
    whole = 255 - samples[3:25, 20:37]
    assert (np.frombuffer(layer_bytes(got), np.uint8).reshape(22, 17, 3) == whole).all()


@pytest.mark.parametrize(
    ("crop", "more", "words"),
    [
        (pb.Rectangle(left=30, width=16, height=16), {}, "reaches out of the photo"),
        (pb.Rectangle(width=4, height=16), {}, "16 pixels or more"),
        (CROP, {"diagnose_only": True}, "a diagnose_only job has none"),
    ],
)
def test_a_crop_that_cannot_be_is_refused_before_any_pixels(daemon, crop, more, words):
    raster = pb.Raster(width=40, height=30, channels=3, sample_type=1)
    error = refused(daemon, iter(header(raster=raster, crop=crop, **more)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert words in error.details()
