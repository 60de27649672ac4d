"""Entry point of `python -m ldrps_client.cli`, which is the `ldrps` command."""

from __future__ import annotations

import sys

from ldrps_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
