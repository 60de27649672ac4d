"""Engine without an effect, which cannot be loaded while the file named by BAD_START says how not.

`die` ends the process, `raise` raises the error for too few descriptors, `hang` takes for ever.
A file of that name with `.hangs` is there from the moment on at which a start hangs.
"""

import errno
import os
import time
from pathlib import Path

from support.noop_engine import ModelCache, restore

__all__ = ["ModelCache", "restore"]

_how = Path(os.environ["BAD_START"])
_wrong = _how.read_text() if _how.exists() else ""
if _wrong == "die":
    os._exit(3)
if _wrong == "raise":
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
if _wrong == "hang":
    Path(f"{_how}.hangs").write_text(str(os.getpid()))
    time.sleep(3600)
