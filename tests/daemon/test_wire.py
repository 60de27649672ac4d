import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.errors import BY_REASON, InternalError, LimitError, PhotoError, SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings
from ldrps_wire import conversion as wire
from ldrps_wire.status import STATUS_OF_REASON, error_of, sentence, status_of


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(
            recipe="haze",
            strength=0.0,
            description="",
            recurrences=0,
            steps=1,
            seed=2**63 - 1,
            model="sd21",
            noise_sigma=0.0,
            layers=("pilot", "restored"),
        ),
    ],
)
def test_settings_come_back_as_they_were(settings):
    assert wire.settings_from_proto(wire.settings_to_proto(settings)) == settings


def test_an_empty_message_means_the_defaults():
    assert wire.settings_from_proto(pb.Settings()) == Settings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipe": "magic"},
        {"strength": float("nan")},
        {"steps": 0},
        {"recurrences": 4},
        {"seed": 2**64 - 1},
        {"noise_sigma": -1.0},
        {"layers": ["map"]},
        {"description": "x" * 401},
    ],
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        wire.settings_from_proto(pb.Settings(**wrong))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_photos_come_back_sample_for_sample(channels, dtype):
    peak = {"uint8": 255, "uint16": 65535}.get(dtype, 1.5)
    samples = (np.random.default_rng(1).random((17, 23, channels)) * peak).astype(dtype)
    raster, data = wire.photo_to_wire(Photo.from_samples(samples, b"profile"))
    assert (raster.width, raster.height, raster.icc_profile) == (23, 17, b"profile")
    assert len(data) == wire.raster_bytes(raster)
    back = wire.photo_from_wire(raster, data)
    np.testing.assert_array_equal(back.to_samples(), samples)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"channels": 0}, PhotoError),
        ({"channels": 9}, PhotoError),
        ({"sample_type": 0}, PhotoError),
        ({"width": 0}, LimitError),
        ({"width": 2**32 - 1, "height": 2**32 - 1}, LimitError),
        ({"width": 16, "height": 2000}, LimitError),
        ({"icc_profile": bytes(wire.MAX_PROFILE_BYTES + 1)}, PhotoError),
    ],
)
def test_impossible_rasters_are_refused(change, error):
    fields = {"width": 20, "height": 20, "channels": 3, "sample_type": 1} | change
    with pytest.raises(error):
        wire.check_raster(pb.Raster(**fields))


def test_pixels_must_fill_the_raster():
    raster = pb.Raster(width=20, height=20, channels=3, sample_type=1)
    with pytest.raises(PhotoError, match="1199 bytes where the raster needs 1200"):
        wire.photo_from_wire(raster, bytes(1199))


def test_chunks_are_cut_to_size():
    data = bytes(range(256)) * 8192
    pieces = list(wire.chunks(data + b"x"))
    assert [len(piece) for piece in pieces] == [wire.CHUNK_BYTES, wire.CHUNK_BYTES, 1]
    assert b"".join(pieces) == data + b"x"


def test_every_reason_has_a_status():
    assert set(STATUS_OF_REASON) == set(BY_REASON)
    for reason in BY_REASON:
        error = error_of(reason, "a sentence")
        assert (error.reason, str(error)) == (reason, "a sentence")
        assert status_of(error) is STATUS_OF_REASON[reason]
    assert isinstance(error_of("news", "a sentence"), InternalError)


def test_what_a_client_sent_cannot_break_a_line_of_the_log():
    error = SettingsError("layers 'a\nERROR forged\x1b[31m\u2028' is not known; " + "x" * 5000)
    shown = sentence(error)
    assert shown.isprintable()
    assert shown.startswith("layers 'a ERROR forged [31m ' is not known; ")
    assert len(shown) == 1000
