"""Small files that claim to be large, and places that hold less than they should."""

import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import imagecodecs
import pytest
from PIL import Image

LARGE = 1 << 29
DEFLATE, LZW, ZSTD = 8, 5, 50_000


def tiff(data, compression, *, tile=0, rows=64):
    """A grey TIFF of 64x64 whose one strip or tile is what is given."""
    plain = {256: 64, 257: 64, 258: 8, 259: compression, 262: 1, 277: 1}
    if tile:
        entries = plain | {322: tile, 323: tile, 324: 0, 325: len(data)}
    else:
        entries = plain | {273: 0, 278: rows, 279: len(data)}
    start = 8 + 2 + 12 * len(entries) + 4
    entries[324 if tile else 273] = start
    table = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in sorted(entries.items()))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + table + bytes(4) + data


def png(*chunks):
    """A 64x64 PNG with more chunks before its pixels."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(64 * (1 + 64 * 3))))
    more = b"".join(chunk(*each) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + more + pixels + chunk(b"IEND", b"")


def bombs():
    zeros = zlib.compress(bytes(LARGE), 9)
    yield "deflate.tif", tiff(zeros, DEFLATE)
    yield "rows.tif", tiff(zeros, DEFLATE, rows=2**32 - 1)
    yield "lzw.tif", tiff(imagecodecs.lzw_encode(bytes(LARGE // 16)), LZW)
    yield "zstd.tif", tiff(imagecodecs.zstd_encode(bytes(LARGE)), ZSTD)
    yield "tile.tif", tiff(zlib.compress(bytes(1000)), DEFLATE, tile=65_520)
    yield "tile-raw.tif", tiff(bytes(100), 1, tile=2**31 - 16)
    yield "profile.png", png((b"iCCP", b"x\0\0" + zeros))
    yield "text.png", png((b"zTXt", b"Raw profile type iptc\0\0" + zeros))
    yield "comment.png", png((b"iTXt", b"Comment\0\1\0\0\0" + zeros))
    yield "lying.webp", webp(16_383, 16_383)


def webp(width, height):
    """A lossless WebP that says how large it is, and no more."""
    size = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", size) + bytes(27)
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


READ = """
import resource, sys
from ldrps_client.files import decode
from ldrps_engine.errors import InputError
for path in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        decode(path)
    except InputError as error:
        assert str(error).startswith(path) and "\\n" not in str(error), error
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(path, grown // 1024)
"""


def test_bombs_take_no_memory(tmp_path):
    """Each holds or claims half a gigabyte; a hundred megabytes are the libraries' own."""
    paths = []
    for name, data in bombs():
        assert len(data) < 4 << 20
        (tmp_path / name).write_bytes(data)
        paths.append(str(tmp_path / name))
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    grown = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert len(grown) == len(paths)
    assert {path for path, megabytes in grown.items() if int(megabytes) > 100} == set()


WRITE = """
import resource, sys
import numpy as np
from ldrps_client.files import encode
from ldrps_engine.errors import OutputError
from ldrps_engine.photo import Photo
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
try:
    encode(sys.argv[1], Photo.from_samples(noise))
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg", ".webp", ".avif"])
def test_a_disk_that_is_full_half_way(tmp_path, ending):
    """The system itself refuses to write on after 5,000 bytes."""
    path = tmp_path / f"out{ending}"
    command = [sys.executable, "-c", WRITE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if path.exists():
        # Some kinds make that little of noise.
        assert path.stat().st_size <= 5000
        with Image.open(path) as image:
            image.load()
    else:
        assert done.stdout == f"{path} cannot be written: file too large; choose another place\n"
        assert os.listdir(tmp_path) == []


REFUSED = """
import os, sys
from pathlib import Path
import numpy as np
from ldrps_client.files import check_target, encode
from ldrps_engine.errors import OutputError
from ldrps_engine.photo import Photo
photo = Photo.from_samples(np.zeros((48, 64, 3), np.uint8))
if os.geteuid() == 0:
    os.setuid(65_534)  # root may write everywhere
for write in (check_target, lambda path: encode(path, photo)):
    try:
        write(Path(sys.argv[1]))
    except OutputError as error:
        print(error)
"""


def test_a_folder_that_may_not_be_written_to():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        command = [sys.executable, "-c", REFUSED, str(folder / "out.png")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout == 2 * f"{folder} may not be written to; choose another folder\n"
        assert os.listdir(folder) == []
