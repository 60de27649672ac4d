"""Results as files, for clients without an image library: encoded in a locked-in process."""

import io

import grpc
import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client, events
from ldrps_client.cli import main
from ldrps_client.files import decode
from ldrps_client.provenance import SOURCE_TYPE, read_mark
from ldrps_engine.errors import PhotoError, SettingsError
from ldrps_engine.photo import Photo
from ldrps_wire.conversion import MAX_PROFILE_BYTES
from support.daemon import header, layer_bytes, refused, requests, running_daemon
from support.profiles import P3, SRGB_CURVE, matrix, parametric

pytestmark = pytest.mark.e2e

KINDS = ("PNG", "JPEG", "TIFF", "WEBP")
MAKER = "A maker of cameras"
PROFILE = matrix(P3, parametric(*SRGB_CURVE))


@pytest.fixture(scope="module")
def daemon():
    """One for all tests of this file: none minds what the others hand in."""
    with running_daemon() as running:
        yield running


def number(kind):
    return pb.FileFormat.Value(f"FILE_FORMAT_{kind}")


def photo_file(kind="JPEG", mode="RGB", size=(40, 30), **options):
    """A photo with a profile, EXIF and XMP."""
    image = Image.new(mode, size, (10, 20, 30, 128)[: len(mode)])
    exif = image.getexif()
    exif[0x010F] = MAKER
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif, icc_profile=PROFILE, quality=95, **options)
    return buffer.getvalue()


def submitted(daemon, data, kind, **more):
    """Events of a job whose photo is a file."""
    more |= {"file": pb.EncodedFile(size=len(data)), "result_format": number(kind)}
    chunks = [pb.SubmitRequest(chunk=data[i : i + (1 << 20)]) for i in range(0, len(data), 1 << 20)]
    job_id = daemon.stub.Submit(iter([*header(**more), *chunks])).job_id
    return job_id, list(daemon.watch(job_id))


def read(tmp_path, data, kind):
    """A result as our own reader has it, whatever it is called."""
    path = tmp_path / f"result.{kind.lower()}"
    path.write_bytes(data)
    loaded = decode(path)
    assert loaded.format.name == kind
    return loaded, read_mark(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_comes_back_as_a_file_with_all_that_belonged_to_it(daemon, tmp_path, kind):
    settings = pb.Settings(layers=("restored", "pilot"), seed=7)
    job_id, reported = submitted(daemon, photo_file(), kind, settings=settings)
    headers = [event.layer_header for event in reported if event.HasField("layer_header")]
    assert [head.name for head in headers] == ["restored", "pilot"]
    for head, value in zip(headers, ((245, 235, 225), (10, 20, 30)), strict=True):
        data = layer_bytes(reported, head.layer)
        assert (head.file.format, head.file.size) == (number(kind), len(data))
        assert (head.raster.width, head.raster.height) == (40, 30)
        loaded, mark = read(tmp_path, data, kind)
        assert loaded.photo.icc_profile == PROFILE
        assert MAKER.encode() in loaded.metadata.exif
        # JPEG and lossy WebP round; 3 steps are below what anybody sees.
        assert np.abs(loaded.photo.to_samples().astype(int) - value).max() <= 3
        assert (mark.layer, mark.request["seed"]) == (head.name, 7)
        assert mark.derived_from.pixels.startswith("sha256:")
        assert SOURCE_TYPE.encode() in loaded.metadata.xmp
        assert b"/proc" not in data
    assert daemon.job(job_id).width == 40


@pytest.mark.parametrize("kind", KINDS)
def test_raw_pixels_can_come_back_as_a_file(daemon, tmp_path, kind):
    photo = Photo.from_samples(np.full((30, 40, 3), 77, np.uint8), PROFILE)
    job_id = daemon.submit(photo, result_format=number(kind)).job_id
    loaded, mark = read(tmp_path, layer_bytes(daemon.watch(job_id)), kind)
    assert loaded.photo.icc_profile == PROFILE
    assert np.abs(loaded.photo.to_samples().astype(int) - 178).max() <= 3
    assert mark.layer == "restored"


def test_sixteen_bits_and_transparency_are_kept_where_the_kind_can(daemon, tmp_path):
    samples = np.arange(30 * 40 * 4, dtype=np.uint16).reshape(30, 40, 4) * 13
    for kind in ("PNG", "TIFF"):
        job_id = daemon.submit(Photo.from_samples(samples), result_format=number(kind)).job_id
        loaded, _ = read(tmp_path, layer_bytes(daemon.watch(job_id)), kind)
        assert (loaded.photo.to_samples()[..., :3] == 65535 - samples[..., :3]).all(), kind
        assert (loaded.photo.to_samples()[..., 3] == samples[..., 3]).all(), kind


def test_a_grey_map_is_a_file_too(daemon, tmp_path):
    settings = {"layers": ("restored", "generated")}
    for kind in KINDS:
        job_id = daemon.submit(settings=settings, result_format=number(kind)).job_id
        loaded, _ = read(tmp_path, layer_bytes(daemon.watch(job_id), 1), kind)
        assert np.abs(loaded.photo.to_samples().astype(int) - 64).max() <= 2, kind


def test_a_large_file_comes_in_chunks_that_can_be_asked_for_again(daemon, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    job_id = daemon.submit(Photo.from_samples(noise), result_format=number("PNG")).job_id
    reported = list(daemon.watch(job_id))
    chunks = [event for event in reported if event.HasField("layer_chunk")]
    assert len(chunks) >= 3
    again = list(daemon.watch(job_id, from_event=chunks[1].number))
    assert again == reported[chunks[1].number - 1 :]
    loaded, _ = read(tmp_path, layer_bytes(reported), "PNG")
    assert (loaded.photo.to_samples() == 255 - noise).all()


CLEAR = pb.Raster(width=20, height=16, channels=4, sample_type=1)
LONG = pb.Raster(width=20_000, height=400, channels=3, sample_type=1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"raster": CLEAR, "result_format": 2}, "JPEG cannot be transparent"),
        ({"raster": LONG, "result_format": 4}, "at most 16383 pixels a side"),
        ({"raster": LONG, "result_format": 99}, "result_format 99 is not known"),
        ({"raster": LONG, "result_format": 1, "diagnose_only": True}, "diagnose_only"),
    ],
)
def test_a_kind_that_cannot_be_had_is_refused_from_the_header(daemon, fields, words):
    before = daemon.kept()
    error = refused(daemon, iter(header(**fields)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in error.details()
    assert daemon.kept() == before


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (photo_file("PNG", "RGBA"), "JPEG", "JPEG cannot be transparent"),
        (photo_file("PNG", size=(16_500, 300)), "WEBP", "at most 16383 pixels a side"),
        (photo_file("WEBP", xmp=b"<x>" + b" " * 70_000), "JPEG", "the photo's XMP, 70003 bytes"),
    ],
)
def test_what_only_the_file_tells_is_refused_before_any_work(daemon, data, kind, words):
    _, reported = submitted(daemon, data, kind)
    assert reported[-1].failed.reason == "settings"
    assert words in reported[-1].failed.message
    assert not any(event.HasField("step") for event in reported)
    assert daemon.restores()


def test_a_cancelled_job_leaves_no_half_of_a_file(daemon):
    job_id = daemon.submit(
        settings={"description": "forever"}, result_format=number("PNG"), detached=True
    ).job_id
    daemon.running_worker(job_id)
    daemon.cancel(job_id)
    assert daemon.restores()
    (kept,) = [f for f in daemon.kept() if f.name == job_id]
    assert not list(kept.glob("*.part"))
    assert not (kept / "result").exists()


def test_our_own_client_hands_the_file_on(daemon):
    job_id = daemon.stub.Submit(requests(result_format=number("TIFF"))).job_id
    with Client(daemon.address, autostart=False) as client:
        (layer,) = (e for e in client.watch(job_id) if isinstance(e, events.EncodedLayer))
        assert (layer.name, layer.format) == ("restored", "TIFF")
        assert tifffile.imread(io.BytesIO(layer.data)).shape == (16, 20, 3)
        with pytest.raises(SettingsError, match=r"is a TIFF file; take it from Client\.watch"):
            client.result(job_id)


def test_a_profile_as_large_as_printers_have_them_goes_there_and_back(daemon, tmp_path):
    """As a file through the daemon, and by the command, whose header and answer hold it."""
    large = MAX_PROFILE_BYTES.to_bytes(4, "big") + PROFILE[4:].ljust(MAX_PROFILE_BYTES - 4, b"\0")
    samples = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    path = tmp_path / "in.png"
    Image.fromarray(samples).save(path, icc_profile=large)
    words = ["restore", str(path), "-o", f"{tmp_path}/out.png", "--address", daemon.address]
    assert main(words) == 0
    _, reported = submitted(daemon, path.read_bytes(), "PNG")
    for back in ((tmp_path / "out.png").read_bytes(), layer_bytes(reported)):
        # Not by Pillow itself, which takes no profile of more than a megabyte.
        photo = read(tmp_path, back, "PNG")[0].photo
        assert photo.icc_profile == large
        assert (photo.to_samples() == 255 - samples).all()


def test_a_larger_profile_is_refused_in_a_sentence(daemon):
    photo = Photo.from_samples(np.zeros((16, 20, 3), np.uint8), bytes(MAX_PROFILE_BYTES + 1))
    with (
        Client(daemon.address) as client,
        pytest.raises(PhotoError, match="colour profile has"),
    ):
        client.submit(photo)
