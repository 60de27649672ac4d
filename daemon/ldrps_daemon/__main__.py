"""Keeps models warm and restores photos for local clients, until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ldrps_daemon.config import CARRIED, LOG_FORMATS, SHARED, ServeConfig
from ldrps_daemon.event_loop import loop_factory
from ldrps_daemon.observability.logs import set_up
from ldrps_engine.errors import LdrpsError, OutputError, SettingsError, UnavailableError
from ldrps_wire.hints import did_you_mean
from ldrps_wire.installed import require_daemon

_NUMBERS = {
    "--queue-limit": (int, "jobs that may wait"),
    "--jobs-per-client": (int, "jobs that one client may have here at once"),
    "--max-pixels": (int, "largest photo taken"),
    "--max-bytes": (int, "largest payload that is accepted, in bytes"),
    "--bytes-per-client": (int, "bytes of payload that one client may have here at once"),
    "--spool-bytes": (int, "bytes on disk for all payloads and results together"),
    "--spare-bytes": (int, "bytes of the disk that are left free for others"),
    "--memory-bytes": (
        int,
        "memory that a worker on the CPU may use (default: most of the machine's)",
    ),
    "--max-connections": (int, "most connections at a time"),
    "--connections-per-client": (int, "most connections of one process or address at a time"),
    "--rest-seconds": (float, "idle seconds after which a worker frees its device's memory"),
    "--idle-seconds": (float, "idle seconds after which a worker exits and frees its memory"),
    "--checkpoint-seconds": (float, "most seconds of work that are lost when a process dies"),
    "--batch-wait-seconds": (
        float,
        "seconds of waiting after which a batch job is not overtaken any more",
    ),
    "--max-crashes": (int, "workers in a row that may die at a job before it fails"),
    "--grace-seconds": (
        float,
        "seconds without a watcher after which an attached job is cancelled",
    ),
    "--reconnect-seconds": (float, "the same after a restart of the daemon"),
    "--stall-seconds": (float, "seconds without data after which a submit is refused"),
    "--min-bytes-per-second": (int, "rate below which a submit is refused"),
    "--cancel-seconds": (float, "seconds after which a worker that does not stop is killed"),
    "--hang-seconds": (float, "seconds after which a silent worker is killed"),
    "--start-seconds": (float, "seconds after which a worker that is not ready is killed"),
    "--stop-seconds": (float, "seconds that a stop waits for running jobs to be checkpointed"),
    "--keep-seconds": (float, "seconds for which results are kept"),
    "--max-kept-jobs": (int, "most ended jobs that are kept"),
    "--max-kept-bytes": (int, "most bytes of results that are kept"),
    "--metrics-port": (int, "Prometheus metrics on this port of 127.0.0.1 (default: none)"),
}


# As of a program that SIGPIPE ends.
_BROKEN_PIPE = 141


class _Parser(argparse.ArgumentParser):
    """Parser that reports errors in one sentence, that of a full disk for its help included."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a whole command line; SettingsError for what is wrong in it."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            hint = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see '{self.prog} --help'")

    def _print_message(self, message: str, file: Any = None) -> None:
        try:
            print(message, end="", file=file or sys.stderr, flush=True)
        except OSError as error:
            # The interpreter must not try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                sys.exit(_BROKEN_PIPE)
            why = str(error.strerror).lower()
            raise OutputError(f"the help cannot be written ({why}); make room there") from None


def parser() -> argparse.ArgumentParser:
    """Build the parser of the daemon's options; every default is ServeConfig's."""
    made = _Parser(prog="ldrps serve", description=__doc__)
    absent = argparse.SUPPRESS
    made.add_argument(
        "--address", default=absent, help="unix:PATH, 127.0.0.1:PORT, or tls:HOST:PORT"
    )
    made.add_argument(
        "--device", dest="devices", action="append", default=absent, help="auto, cpu, cuda:0 ..."
    )
    made.add_argument("--pool", default=absent, help="local (default), ray or ray://HEAD:PORT")
    made.add_argument("--gpus", default=absent, help="auto (default), a number, or MIN..MAX")
    made.add_argument(
        "--job-store", choices=(CARRIED, SHARED), default=absent, help="carried (default) or shared"
    )
    for option, (kind, words) in _NUMBERS.items():
        made.add_argument(option, type=kind, default=absent, help=words)
    made.add_argument("--spool", type=Path, default=absent, help="folder for waiting pixels")
    made.add_argument("--token-file", type=Path, default=absent, help="token for TCP clients")
    made.add_argument("--tls-cert", type=Path, default=absent, help="certificate chain (PEM)")
    made.add_argument("--tls-key", type=Path, default=absent, help="its private key (PEM)")
    made.add_argument(
        "--tls-client-ca",
        type=Path,
        default=absent,
        help="authority that signs clients' certificates (PEM)",
    )
    made.add_argument(
        "--log-format", choices=LOG_FORMATS, default=absent, help="text (default) or json"
    )
    made.add_argument("--engine", default=absent, help=argparse.SUPPRESS)
    return made


def config_of(argv: Sequence[str]) -> ServeConfig:
    """Turn options into a validated config; SettingsError for impossible values."""
    given = vars(parser().parse_args(argv))
    if "devices" in given:
        given["devices"] = tuple(given["devices"])
    return dataclasses.replace(ServeConfig(), **given)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; the exit code is that of the error's class."""
    try:
        config = config_of(sys.argv[1:] if argv is None else argv)
        if config.engine == ServeConfig.engine:
            require_daemon()
        set_up(config.log_format)
        # Imported after the options are read: `--help` answers at once.
        from ldrps_daemon.transport.server import serve

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(config))
    except ModuleNotFoundError as error:
        # With an engine of one's own only what the front itself needs has to be there.
        print(f"ldrps: {error.name} is missing; run pip install 'ldrps[daemon]'", file=sys.stderr)
        return UnavailableError.exit_code
    except LdrpsError as error:
        print(f"ldrps: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
