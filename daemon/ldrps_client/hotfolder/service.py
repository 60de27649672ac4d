"""A systemd user unit that watches from now on, and may write only where results go."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ldrps_client._text import cause_and_remedy
from ldrps_client.hotfolder.config import WatchConfig
from ldrps_client.hotfolder.store._state import state_home
from ldrps_engine.errors import OutputError, SettingsError
from ldrps_engine.model_store.atomic import write_atomically

UNIT_NAME = "ldrps-watch.service"
# Left out, because a daemon may be started from here: MemoryDenyWriteExecute breaks torch,
# PrivateDevices and ProtectClock (which limits devices) hide the GPU. CapabilityBoundingSet,
# ProtectKernel* and ProtectControlGroups forbid what an ordinary user may not do anyway; but where
# one of them cannot be had, either nothing starts or files are not protected, without a word.
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

NoNewPrivileges=yes
# Without it, some versions of systemd leave out in silence what protects files.
PrivateUsers=yes
ProtectSystem=strict
ProtectHome=read-only
# %t too: elsewhere than a terminal and GIMP it would look for the daemon, and start a second one.
ReadWritePaths={writable} %t -%h/.cache/huggingface -%h/.local/share/ldrps
RuntimeDirectory=ldrps
# A daemon that is started from here takes no folder that others can enter.
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
# Folders in /tmp may be watched; what is only for a moment has a place of its own.
PrivateTmp=no
Environment=TMPDIR=%t/ldrps {environment}
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""


def unit_text(config: WatchConfig, command: Sequence[str], log: Path | None = None) -> str:
    """Return the unit that runs a command line for what is configured."""
    known = {name: os.environ.get(name) for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME")}
    return _UNIT.format(
        # Where a terminal has them elsewhere, systemd need not know of it.
        environment=" ".join(_quoted(f"{n}={v}") for n, v in known.items() if v),
        command=" ".join(map(_word, command)),
        writable=" ".join(_quoted(str(path)) for path in _writable(config, log)),
    )


def _writable(config: WatchConfig, log: Path | None) -> list[Path]:
    """List the results, ledgers, a log elsewhere, and files of a daemon that is started here."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ldrps"
    targets = [folder.target for folder in config.folders]
    logs = [log.expanduser().resolve().parent] if log else []
    return list(dict.fromkeys([*targets, state_home(), cache, *logs]))


def _quoted(text: str) -> str:
    """Quote a word as systemd.syntax(7) wants it: specifiers are not ours."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if escaped != text or " " in text or not text else text


def _word(text: str) -> str:
    """Quote a word of a command line, where variables are not ours either."""
    return _quoted(text).replace("$", "$$")


def install(config: WatchConfig, words: Sequence[str], log: Path | None = None) -> Path:
    """Write the unit for `ldrps` with these words; OutputError if that fails.

    Folders that it may write to are made, because systemd refuses to start without them.
    SettingsError if a folder to watch is not there, which the service would wait for in vain.
    """
    for folder in config.folders:
        if not folder.root.is_dir():
            raise SettingsError(f"{folder.root} is not a folder; create it first")
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = base / "systemd" / "user" / UNIT_NAME
    try:
        for target in _writable(config, log):
            target.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        unit = _as_text(unit_text(config, [*_program(), *words], log))
        write_atomically(path, unit.encode())
    except OSError as error:
        why = cause_and_remedy(error)
        raise OutputError(f"{error.filename or path} cannot be written: {why}") from None
    return path


def _as_text(unit: str) -> str:
    """Return the unit as text that systemd can read; SettingsError where a path is no text."""
    try:
        unit.encode("utf-8")
    except UnicodeEncodeError:
        raise SettingsError(
            "a path of this command is no UTF-8, which systemd cannot read; rename the folder"
        ) from None
    return unit


def _program() -> list[str]:
    """Return the installed command if this is it, else this interpreter."""
    found = Path(sys.argv[0])
    if found.name == "ldrps" and found.exists():
        return [str(found.absolute())]
    return [sys.executable, "-m", "ldrps_client.cli"]
