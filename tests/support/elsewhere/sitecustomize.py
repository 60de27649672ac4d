"""Imported by Python at its start where this folder is on `PYTHONPATH`, in children too.

`PYTHON_STANDS_FOR` names the system that Linux is to look like: `windows` or `macos`.
"""

import os

if system := os.environ.get("PYTHON_STANDS_FOR"):
    from support.elsewhere.standin import become

    become(system)
