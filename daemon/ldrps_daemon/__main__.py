"""Keeps models warm and restores photos for local clients, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ldrps_daemon.config import ServeConfig
from ldrps_engine.errors import LdrpsError

_NUMBERS = {
    "--queue-limit": (int, "jobs that may wait"),
    "--max-pixels": (int, "largest photo taken"),
    "--max-bytes": (int, "largest payload taken"),
    "--idle-seconds": (float, "a worker without work for so long exits and frees its memory"),
    "--grace-seconds": (float, "an attached job that nobody watches for so long is cancelled"),
    "--keep-seconds": (float, "results are kept for so long"),
    "--max-kept-jobs": (int, "so many ended jobs are kept"),
    "--max-kept-bytes": (int, "so many bytes of results are kept"),
}


def parser() -> argparse.ArgumentParser:
    """The options of the daemon; every default is ServeConfig's."""
    made = argparse.ArgumentParser(prog="ldrps serve", description=__doc__)
    absent = argparse.SUPPRESS
    made.add_argument("--address", default=absent, help="unix:PATH, or 127.0.0.1:PORT")
    made.add_argument(
        "--device", dest="devices", action="append", default=absent, help="auto, cpu, cuda:0 ..."
    )
    for option, (kind, words) in _NUMBERS.items():
        made.add_argument(option, type=kind, default=absent, help=words)
    made.add_argument("--spool", type=Path, default=absent, help="folder for waiting pixels")
    made.add_argument("--token-file", type=Path, default=absent, help="token for TCP clients")
    made.add_argument("--engine", default=absent, help=argparse.SUPPRESS)
    return made


def config_of(argv: Sequence[str]) -> ServeConfig:
    """Options to a validated config; SettingsError for impossible values."""
    given = vars(parser().parse_args(argv))
    if "devices" in given:
        given["devices"] = tuple(given["devices"])
    return dataclasses.replace(ServeConfig(), **given)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code is that of the error's class."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = config_of(sys.argv[1:] if argv is None else argv)
        # Imported after the options are read: `--help` answers at once.
        from ldrps_daemon.server import serve

        asyncio.run(serve(config))
    except LdrpsError as error:
        print(f"ldrps: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
