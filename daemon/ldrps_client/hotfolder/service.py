"""A systemd user unit that watches from now on, and may write only where results go."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ldrps_client.hotfolder._state import state_home
from ldrps_client.hotfolder.config import WatchConfig
from ldrps_engine.errors import OutputError

UNIT_NAME = "ldrps-watch.service"
# Left out, because a daemon may be started from here: MemoryDenyWriteExecute breaks torch,
# PrivateDevices and ProtectClock (which limits devices) hide the GPU.
_UNIT = """\
# Written by `ldrps watch --install-service`; run that again to change it.
[Unit]
Description=LD-RPS Restore: hot folder
Documentation=man:systemd.exec(5)
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
Restart=always
RestartSec=30
# A setting that is wrong does not become right by itself.
RestartPreventExitStatus=2
# Jobs are detached and originals are only read: stopping at any moment loses nothing.
TimeoutStopSec=20
KillMode=mixed
Nice=10
IOSchedulingClass=idle
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
RuntimeDirectory=ldrps
RuntimeDirectoryPreserve=yes
PrivateTmp=no
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=

[Install]
WantedBy=default.target
"""


def unit_text(config: WatchConfig, command: Sequence[str]) -> str:
    """The unit that runs a command line for what is configured."""
    return _UNIT.format(
        command=" ".join(_quoted(word) for word in command),
        writable=" ".join(_quoted(str(path)) for path in _writable(config)),
    )


def _writable(config: WatchConfig) -> list[Path]:
    """Results, the ledgers, and what a daemon that is started from here writes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ldrps"
    targets = [folder.target for folder in config.folders]
    return list(dict.fromkeys([*targets, state_home(), cache]))


def _quoted(text: str) -> str:
    """As systemd.syntax(7) wants it: specifiers and variables are not ours."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != text or " " in text or not text else text


def install(config: WatchConfig, arguments: Sequence[str]) -> Path:
    """Write the unit for this very command line; OutputError if that cannot be done.

    Folders that it may write to are made, because systemd refuses to start without them.
    """
    command = [*_program(), *_absolute(arguments)]
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = base / "systemd" / "user" / UNIT_NAME
    try:
        for folder in _writable(config):
            folder.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{UNIT_NAME}.part")
        part.write_text(unit_text(config, command), "utf-8")
        os.replace(part, path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise OutputError(f"{error.filename or path} cannot be written: {why}") from None
    return path


def _program() -> list[str]:
    """The installed command if this is it, else this interpreter."""
    found = Path(sys.argv[0])
    if found.name == "ldrps" and found.exists():
        return [str(found.absolute())]
    return [sys.executable, "-m", "ldrps_client.cli"]


def _absolute(arguments: Sequence[str]) -> list[str]:
    """Without what asks for the unit; paths of this folder are meant for that service too."""
    words = [word for word in arguments if word not in ("--install-service", "--json")]
    return [str(Path(word).resolve()) if _is_path(word) else word for word in words]


def _is_path(word: str) -> bool:
    return not word.startswith("-") and word != "watch" and Path(word).exists()
