"""Make .venv and install into it: `python3 scripts/setup_environment.py [dev]`.

Does nothing when the environment is up to date. Needs nothing but Python itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
INPUTS = (ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3.0


def main() -> None:
    """Bring the environment up to date."""
    extras = ",".join(["daemon", *sys.argv[1:]])
    wanted = state()
    if wanted in (read(stamp(extras)), read(stamp("daemon,dev"))):
        return
    make_venv()
    install_torch()
    print(f"Installing ldrps[{extras}]", flush=True)
    pip("-c", str(CONSTRAINTS), "-e", f"{ROOT}[{extras}]")
    stamp(extras).write_text(wanted)


def state() -> str:
    """Hash of all that the environment depends on, its place included: it cannot be moved."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stamp(extras: str) -> Path:
    """Says for which state these extras were installed."""
    return VENV / f"installed-{extras.replace(',', '-')}"


def read(path: Path) -> str:
    """The stamp's text, empty if there is none."""
    return path.read_text() if path.exists() and PYTHON.exists() else ""


def make_venv() -> None:
    """Create .venv unless it works already."""
    # Older ones do get here: they are what this line is for.
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"Python {sys.version.split()[0]} is too old; use 3.11 or later.")
    if PYTHON.exists() and succeeds(str(PYTHON), "-m", "pip", "--version"):
        return
    print("Creating .venv", flush=True)
    if not succeeds(sys.executable, "-m", "venv", "--clear", str(VENV)):
        sys.exit("Python cannot create environments; install python3-venv and try again.")


def install_torch() -> None:
    """First and by itself, so that nothing else decides which build is taken.

    Without a GPU that is the CPU build, a tenth of the size, wherever pip is offered one: a
    pin without a local version prefers 2.x.y+cpu to 2.x.y when both can be had.
    """
    pin = next(line for line in CONSTRAINTS.read_text().split() if line.startswith("torch=="))
    cpu = [] if has_gpu() or not reachable(CPU_INDEX) else ["--extra-index-url", CPU_INDEX]
    print(f"Installing {pin}", flush=True)
    pip("-c", str(CONSTRAINTS), *cpu, pin)


def has_gpu() -> bool:
    """Tell whether this machine has an NVIDIA GPU that can be used."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def reachable(url: str) -> bool:
    """Tell whether a package index answers soon; some networks have mirrors only."""
    try:
        with urllib.request.urlopen(f"{url}/torch/", timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


def pip(*arguments: str) -> None:
    """Install quietly; leave with pip's own words if it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if "dev" in sys.argv:
        # Of 15,000 files few are ever imported, and compiled then; all of them take a minute.
        command.append("--no-compile")
    # Setuptools warns at length of what an editable install is; pip's own words remain.
    quiet = os.environ | {"PYTHONWARNINGS": "ignore"}
    if subprocess.run([*command, *arguments], env=quiet).returncode:
        sys.exit("Installing failed; the lines above say why. Mend that and try again.")


def succeeds(*command: str) -> bool:
    """Tell whether a command ends well."""
    return subprocess.run(command, capture_output=True).returncode == 0


if __name__ == "__main__":
    main()
