"""How a daemon is set up: read once at the start, frozen. Clients cannot change any of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ldrps_client._address import default_address, default_token_file
from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import MAX_PIXELS

AUTO = "auto"


def default_spool() -> Path:
    """On disk rather than in the run folder, which is often memory."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ldrps" / "spool"


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Everything the daemon can be told at its start."""

    address: str = field(default_factory=default_address)
    """`unix:PATH`, or `HOST:PORT` on the loopback interface."""
    devices: tuple[str, ...] = (AUTO,)
    """One worker each: `cpu`, `cuda:0` ...; `auto`: every NVIDIA device, else the CPU."""
    queue_limit: int = 16
    """Jobs that may wait, those being handed in included."""
    max_pixels: int = MAX_PIXELS
    """Largest photo taken."""
    max_bytes: int = 16 * MAX_PIXELS
    """Largest payload taken, raw or encoded."""
    idle_seconds: float = 600.0
    """A worker without work for so long exits and gives its memory back."""
    grace_seconds: float = 5.0
    """An attached job without a watcher for so long is cancelled."""
    stall_seconds: float = 30.0
    """A Submit that sends nothing for so long is refused; it holds a place in the queue."""
    stop_seconds: float = 3.0
    """How long a stop waits for running jobs before it kills their workers."""
    keep_seconds: float = 3600.0
    """Ended jobs and their results are kept for so long,"""
    max_kept_jobs: int = 100
    """so many at most,"""
    max_kept_bytes: int = 4 << 30
    """and no more than so many bytes of results."""
    spool: Path = field(default_factory=default_spool)
    """Pixels of waiting jobs and results lie here, in a folder of this daemon's own."""
    token_file: Path = field(default_factory=default_token_file)
    """Token that clients of a TCP address must show."""
    engine: str = "ldrps_engine.restore"
    """Module with `restore` and `Models`. Never settable over the wire."""

    def __post_init__(self) -> None:
        if not self.devices:
            raise SettingsError("devices is empty; name a device such as 'cpu', or 'auto'")
        for device in self.devices:
            _check_device(device)
        for name in ("queue_limit", "max_pixels", "max_bytes", "max_kept_jobs"):
            _at_least(name, getattr(self, name), 1)
        for name in ("idle_seconds", "grace_seconds", "keep_seconds", "stop_seconds"):
            _at_least(name, getattr(self, name), 0)

    def resolved_devices(self) -> tuple[str, ...]:
        """The devices with `auto` answered, without loading torch."""
        found = [d for name in self.devices for d in (detect() if name == AUTO else (name,))]
        return tuple(dict.fromkeys(found))


def _at_least(name: str, value: float, low: float) -> None:
    if not value >= low:
        raise SettingsError(f"{name} is {value}; use {low} or more")


def _check_device(device: str) -> None:
    kind, _, index = device.partition(":")
    if device in (AUTO, "cpu") or (kind == "cuda" and index.isdecimal()):
        return
    raise SettingsError(f"device '{device}' is not known; use auto, cpu or cuda:0, cuda:1 ...")


def detect(dev: Path = Path("/dev")) -> tuple[str, ...]:
    """Every NVIDIA device this process may use, else the CPU."""
    count = 0 if _torch_is_cpu_only() else _visible(len(list(dev.glob("nvidia[0-9]*"))))
    return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",)


def _visible(present: int) -> int:
    # CUDA renumbers the devices that this variable leaves visible.
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return present
    return min(present, len([c for c in chosen.split(",") if c.strip() not in ("", "-1")]))


def _torch_is_cpu_only() -> bool:
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return True
