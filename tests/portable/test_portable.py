"""What is meant to work on every system: reading and writing files, and the plug-in's own modules.

CI runs this folder on macOS and Windows. On Linux a process in which POSIX's modules cannot be
imported stands for those.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client.files import decode, encode
from ldrps_engine.errors import PhotoError, SettingsError
from ldrps_engine.settings import Settings
from ldrps_gimp import messages
from ldrps_gimp.vendor.hpack import Decoder, Encoder

ROOT = Path(__file__).parents[2]
POSIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios")
PATHS = [ROOT, ROOT / "proto", ROOT / "daemon", ROOT / "tests"]


@pytest.fixture
def pixels():
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)


@pytest.mark.parametrize(
    "name", ["ldrps_client", "ldrps_client.files", "ldrps_gimp.http2", "ldrps_gimp.grpc_call"]
)
def test_it_imports_where_there_is_no_posix(name):
    code = (
        f"import sys; sys.path[:0] = {[*map(str, PATHS)]!r}\n"
        f"sys.modules.update(dict.fromkeys({POSIX_ONLY!r}))\n"
        "from support import plugin; plugin.load()\n"
        f"import {name}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg", "avif"])
def test_a_file_is_read_and_written(tmp_path, pixels, ending):
    path, again = tmp_path / f"Straße 霧.{ending}", tmp_path / f"again.{ending}"
    Image.fromarray(pixels).save(path, **({"lossless": True} if ending == "webp" else {}))
    loaded = decode(path)
    encode(again, loaded.photo, like=loaded)
    before, after = (decode(each).photo.to_samples() for each in (path, again))
    assert after.shape == pixels.shape
    if ending in ("png", "tif", "webp"):
        assert np.array_equal(before, pixels)
        assert np.array_equal(after, pixels)


def test_a_file_that_is_there_stays(tmp_path, pixels):
    path = tmp_path / "in.png"
    Image.fromarray(pixels).save(path)
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"in\.png"):
        encode(path, decode(path).photo)
    assert path.read_bytes() == before


def test_what_is_no_photo_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "in.jpg"
    path.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"in\.jpg"):
        decode(path)
    with pytest.raises(SettingsError, match="recipe 'sharpen' is not known"):
        Settings(recipe="sharpen")


def test_the_plug_in_speaks_as_protobuf_does():
    sent = pb.WatchRequest(job_id="0123", from_event=7, previews=True)
    plain = {"job_id": "0123", "from_event": 7, "previews": True}
    assert messages.encode("WatchRequest", plain) == sent.SerializeToString()
    assert messages.decode("WatchRequest", sent.SerializeToString()) == plain


def test_the_plug_ins_header_compression_is_whole():
    fields = [(":method", "POST"), ("authorization", "Bearer 霧".encode().decode("latin-1"))]
    assert list(map(tuple, Decoder().decode(Encoder().encode(fields)))) == fields
