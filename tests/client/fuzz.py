"""Broken photos by the thousand: `python tests/client/fuzz.py --minutes 10 --seed 1`.

Files of every kind are damaged at random; reading one must give a photo or one sentence, soon
and in bounded memory. Each file is read in a process that may die; what killed it is kept.
"""

import argparse
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from ldrps_client.files import decode, encode, result_suffix
from ldrps_client.provenance import read_mark
from ldrps_engine.errors import InputError, OutputError

SECONDS = 20
MEMORY = 6 << 30
_SPECIAL = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 70_000, 20_000)


def check(path, expect_photo=False):
    """Check what must hold for any file at all; returns the photo that it is, if it is one."""
    try:
        loaded = decode(path)
    except InputError as error:
        _check_sentence(error, path)
        if expect_photo:
            raise
        return None
    # What was read can be written, or is refused in a sentence too.
    target = path.with_name(f"again{result_suffix(path)}")
    try:
        encode(target, loaded.photo, like=loaded, force=True)
        decode(target)
    except OutputError as error:
        _check_sentence(error, target)
    try:
        read_mark(path)
    except InputError as error:
        _check_sentence(error, path)
    return loaded.photo


def _check_sentence(error, path):
    assert str(error).startswith(str(path)), str(error)
    assert "\n" not in str(error), str(error)


def damaged(data, source):
    """The file with one to four wounds; `source` is a random.Random."""
    data = bytearray(data)
    for _ in range(source.randint(1, 4)):
        if data:
            source.choice(_WOUNDS)(data, source)
    return bytes(data)


def _place(data, source):
    # Headers are where it hurts, and are short.
    reach = source.choice((32, 256, 2048, len(data)))
    return source.randrange(min(len(data), reach))


def _flip(data, source):
    data[_place(data, source)] ^= 1 << source.randrange(8)


def _set(data, source):
    data[_place(data, source)] = source.randrange(256)


def _number(data, source):
    """Replace a length, count or offset by another."""
    form = source.choice(("<I", ">I", "<H", ">H"))
    value = source.choice((*_SPECIAL, source.getrandbits(32))) & (
        0xFFFFFFFF >> (32 - 8 * struct.calcsize(form))
    )
    where = _place(data, source)
    data[where : where + struct.calcsize(form)] = struct.pack(form, value)


def _cut(data, source):
    del data[source.randrange(len(data)) :]


def _remove(data, source):
    start = _place(data, source)
    del data[start : start + source.randint(1, 64)]


def _repeat(data, source):
    start = _place(data, source)
    piece = data[start : start + source.randint(1, 64)]
    data[start:start] = piece * source.randint(1, 8)


def _noise(data, source):
    start = _place(data, source)
    data[start : start + source.randint(1, 32)] = source.randbytes(source.randint(1, 32))


_WOUNDS = (_flip, _flip, _set, _number, _number, _number, _cut, _remove, _repeat, _noise)


def _child(path):
    """Read one file in this process, which may die of it: an exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.alarm(SECONDS)
    try:
        check(path)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _batch(seed, count, files, folder):
    """Many files in one forked process; the seed of the one that it died of, if it did."""
    path_of = {name: folder / name for name in files}
    mark = folder / "current"
    child = os.fork()
    if not child:
        names = sorted(files)
        for number in range(seed, seed + count):
            source = random.Random(number)
            name = source.choice(names)
            path_of[name].write_bytes(damaged(files[name], source))
            mark.write_text(f"{number} {name}")
            if _child(path_of[name]):
                os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return None if status == 0 else (mark.read_text(), status)


def main():
    from client.corpus import corpus

    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    seed, found = options.seed * 10**9, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = corpus(folder)
        for file, data in files.items():
            (folder / file).write_bytes(data)
            check(folder / file, expect_photo=True)
        while time.monotonic() < end:
            death = _batch(seed, 200, files, folder)
            if death:
                found += 1
                number, _, culprit = death[0].partition(" ")
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{number}-{culprit}").write_bytes((folder / culprit).read_bytes())
                print(f"found: seed {number}, {culprit}, status {death[1]}", flush=True)
                seed = int(number) + 1
            else:
                seed += 200
    print(f"{seed - options.seed * 10**9} files, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
