"""Locked-in processes: what they can reach, and whose fault it is when something fails in them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client.files import decode, decode_bytes
from ldrps_daemon.workers import confined, encoder, helpers, reading, writing
from ldrps_daemon.workers.pipe import JobFolder, Order
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.errors import InternalError, LdrpsError, OutputError, PhotoError
from ldrps_engine.photo import Photo
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import settings_to_proto
from support.daemon import environment

HEADER = pb.SubmitHeader(file=pb.EncodedFile(size=9))


@pytest.fixture
def order(tmp_path):
    """A job whose photo is a PNG."""
    Image.new("RGB", (40, 30)).save(tmp_path / "pixels", "PNG")
    return Order(job="j", folder=JobFolder(tmp_path), attempt=JobFolder(tmp_path), max_pixels=10**6)


def test_our_packages_can_be_read_wherever_they_lie(tmp_path, monkeypatch):
    """As with an editable install, whose packages lie outside every folder of sys.path."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "__init__.py").touch()
    monkeypatch.setitem(sys.modules, "outside", type(sys)("outside"))
    sys.modules["outside"].__path__ = [str(outside)]
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/libraries:relative")
    folders = confined.code_folders()
    assert {outside, tmp_path / "libraries", Path(sys.base_prefix)} <= set(folders)
    assert all(folder.is_absolute() for folder in folders)
    # Not the folder one happens to be in.
    assert Path("/") not in folders


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_missing_library_is_no_damage(monkeypatch, tmp_path, kind):
    path = tmp_path / "a"
    Image.new("RGB", (40, 30)).save(path, kind)
    for name in ("_pillow", "_png", "_tiff"):
        monkeypatch.setitem(sys.modules, f"ldrps_client.files.codecs.{name}", None)
    for read in (lambda: decode(path), lambda: decode_bytes(path.read_bytes(), "a")):
        with pytest.raises(InternalError, match="a library that reads it cannot be loaded"):
            read()


def test_a_decoder_knows_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    for name in ("RAY_AUTH_TOKEN", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    (tmp_path / "in").touch()
    with (tmp_path / "in").open("rb") as payload, (tmp_path / "out").open("wb") as out:
        streams = (payload, out)
        assert helpers.run("support.tell_environment", {}, streams, lambda: None, seconds=60) == 0
    reported = (tmp_path / "out").read_text().split()
    assert {"PYTHONPATH", "PATH", "OMP_NUM_THREADS"} <= set(reported)
    assert not [name for name in reported if "TOKEN" in name or "SECRET" in name]


def test_a_part_of_an_optional_library_that_is_missing_is_not_the_library(monkeypatch):
    from ldrps_client.files.codecs import _extras

    def broken(name):
        raise ModuleNotFoundError("No module named '_rawpy'", name="_rawpy")

    monkeypatch.setattr(_extras, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        _extras._library("rawpy", "raw", "a raw file", "develop it")


def test_a_disk_that_fails_is_no_damage(monkeypatch, tmp_path):
    from ldrps_client.files.codecs import _png

    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)

    def fails(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(_png, "read_png", fails)
    with pytest.raises(PhotoError, match="cannot be read: input/output error"):
        decode(path)


def test_a_decoder_that_cannot_start_is_no_fault_of_the_photo(order, monkeypatch):
    monkeypatch.setattr(reading, "DECODER", "ldrps_daemon.there_is_none")
    with pytest.raises(InternalError, match="the decoder could not be run"):
        reading.read_photo(order, HEADER, lambda: None)
    assert not order.folder.decoded.exists()


def test_a_decoder_that_is_killed_met_a_limit(order, monkeypatch):
    monkeypatch.setattr(reading, "DECODE_SECONDS", 0.0)
    with pytest.raises(PhotoError, match="within the limits"):
        reading.read_photo(order, HEADER, lambda: None)


def test_the_decoder_says_what_failed_in_it(order, monkeypatch):
    """An import that fails once everything is locked, in place of a photo that is damaged."""
    folder = order.folder.path / "hooks"
    folder.mkdir()
    hidden = "import sys; sys.modules['ldrps_client.files.codecs._pillow'] = None"
    (folder / "sitecustomize.py").write_text(hidden)
    paths = f"{folder}{os.pathsep}{environment()['PYTHONPATH']}"
    monkeypatch.setattr(helpers, "environment", lambda: os.environ | {"PYTHONPATH": paths})
    with pytest.raises(InternalError, match="ModuleNotFoundError"):
        reading.read_photo(order, HEADER, lambda: None)


def test_a_full_disk_is_no_fault_of_the_photo():
    code = (
        "from ldrps_daemon.workers.confined import refusing\n"
        "with open('/dev/full', 'wb') as out, refusing(out):\n"
        "    out.write(bytes(10))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True)
    assert done.returncode == confined.DISK_FULL
    with pytest.raises(OutputError, match="disk is full; make room"):
        helpers.check_status("decoder", done.returncode)


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (PhotoError("/proc/self/fd/0 is a GIF"), "photo", "the file is a GIF"),
        (MemoryError(), "limit", "more memory"),
        (RuntimeError("a bug"), "internal", "RuntimeError: a bug"),
        (ImportError("No module named x"), "internal", "ImportError: No module named x"),
    ],
)
def test_every_failure_comes_out_in_words(error, reason, words):
    out = io.BytesIO()
    with confined.refusing(out):
        raise error
    said = json.loads(out.getvalue()[1:])
    assert (out.getvalue()[:1], said["reason"]) == (confined.ERROR, reason)
    assert words in said["message"]


@pytest.mark.parametrize("lie", [b"", b"F", b"X" + bytes(9), b"E", b"E[1]", b'E{"reason": 7}'])
def test_what_an_encoder_made_is_not_believed(tmp_path, lie):
    from ldrps_daemon.workers import writing

    (tmp_path / "made").write_bytes(lie)
    with pytest.raises(LdrpsError) as caught:
        writing._check_made(tmp_path / "made")
    assert "\n" not in str(caught.value)


def test_the_encoder_knows_of_a_result_what_the_worker_knew():
    found = Diagnosis(
        noise_sigma=3.0,
        haze=0.0,
        darkness=0.4,
        cast=0.0,
        grey=False,
        inner=Rectangle(left=4, top=3, width=90, height=60),
    )
    photo = Photo.from_samples(np.zeros((70, 100, 3), np.uint8))
    restoration = Restoration(
        layers=(Layer("restored", photo),),
        diagnosis=found,
        description="a street",
        generated=(0.1, 0.2),
        seconds=1.5,
    )
    header = pb.SubmitHeader(settings=settings_to_proto(Settings()))
    how = writing._how(header, restoration, pb.Done(seconds=1.5, model="bundled"))
    reported = json.loads(json.dumps({**how, "layer": "restored"}))
    result = encoder.result_of(reported, photo, None)
    assert (result.diagnosis, result.words) == (found, found.words())
    assert (result.settings, result.generated) == (Settings(), (0.1, 0.2))
