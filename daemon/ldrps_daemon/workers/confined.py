"""Common ground of processes that handle foreign files: locked in, their libraries in reach.

The same holds wherever the daemon was started and however it was installed: from a wheel, from a
checkout, or editable, where packages lie outside every folder of `sys.path`.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from ldrps_client.files import load_readers
from ldrps_daemon.workers.sandbox import Limits, restrict
from ldrps_engine.errors import InternalError, LdrpsError, LimitError
from ldrps_wire.system import CONFINES

log = logging.getLogger("ldrps.decoder")
ERROR = b"E"
"""First byte of a refusal; JSON follows."""
PHOTO = b"P"
"""First byte of a photo: the length of a pb.Raster, that, and the samples follow."""
FILE = b"F"
"""First byte of a file's bytes."""
DISK_FULL = 28
"""Exit status of a process whose output found no room on the disk."""
LENGTH = struct.Struct("<I")
BYTES_PER_PIXEL = 16
"""Bytes of a pixel at most: four channels of four bytes."""
_WORDS = 200
_FIXED_MEMORY = 2 << 30
_COPIES = 4
_SLACK = 1 << 20
STDIN = Path("/proc/self/fd/0")
"""Name by which a process that may open no other file reads its input."""
_LIBRARIES = ("/usr/lib", "/lib", "/usr/lib64", "/lib64", "/usr/local/lib")
_OPTIONAL = ("pillow_heif", "rawpy")


def lock_in(max_pixels: int, cpu_seconds: int, files: Iterable[Path] = ()) -> None:
    """Load the readers and writers of photos, then give up all rights but to read `files`."""
    _preload()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    limits = limits_for(max_pixels, cpu_seconds)
    layers = restrict(limits, [STDIN, *files, *code_folders()])
    # Where no system has it, the daemon said so once, at its start.
    if CONFINES and not (layers.seccomp and layers.landlock):
        log.warning(
            "decoding is not locked in entirely; 'ldrps doctor' shows what is missing",
            extra=vars(layers),
        )
    # From here on the file may speak through us, and the daemon's log is not for its words.
    os.dup2(nowhere, 2)


def limits_for(max_pixels: int, cpu_seconds: int) -> Limits:
    """Return the limits of a process that holds a photo of so many pixels."""
    samples = BYTES_PER_PIXEL * max_pixels
    memory = _FIXED_MEMORY + _COPIES * samples
    return Limits(memory=memory, output=samples + _SLACK, cpu_seconds=cpu_seconds)


def _preload() -> None:
    """Import the readers while everything can be read, so that missing ones show at once."""
    load_readers()
    for name in _OPTIONAL:
        # Clients with a file of that kind get an error; all others can do without.
        with suppress(ImportError):
            import_module(name)


def code_folders() -> list[Path]:
    """List the folders that code is loaded from: libraries read some of theirs late."""
    packages = [
        str(path)
        for name, module in list(sys.modules.items())
        if "." not in name
        for path in getattr(module, "__path__", ())
    ]
    searched = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    paths = {
        *(*sys.path, *packages, *sysconfig.get_paths().values()),
        *(sys.base_prefix, sys.base_exec_prefix, *_LIBRARIES, *searched),
    }
    existing = [Path(path) for path in sorted(paths) if path and os.path.isabs(path)]
    return [Path("/etc/ld.so.cache"), *existing]


@contextmanager
def refusing(out: BinaryIO, source: Path = STDIN) -> Iterator[None]:
    """Write any exception raised inside as a refusal, so that the worker hears of it in words.

    The client does not learn the name of `source`, the photo's file here.
    """
    try:
        yield
        out.flush()
    except LdrpsError as error:
        _refuse(out, error, source)
    except MemoryError:
        words = "the photo needs more memory than there is for its file"
        _refuse(out, LimitError(words), source)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            # Nor is there room for words.
            os._exit(DISK_FULL)
        what = f"{type(error).__name__}: {error}"[:_WORDS]
        words = f"the daemon's own code failed at this file ({what})"
        _refuse(out, InternalError(words), source)


def _refuse(out: BinaryIO, error: LdrpsError, source: Path) -> None:
    words = str(error).replace(str(source), "the file")
    out.write(ERROR + json.dumps({"reason": error.reason, "message": words}).encode())
