"""Generate ldrps.v1 from restoration.proto: `python proto/generate.py [OUT]` (default: here)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
"""Google's own files, which protoc brings along; the limits of fields are options to them."""


def generate(out: Path) -> None:
    """Write restoration_pb2.py, .pyi and restoration_pb2_grpc.py below `out`/ldrps/v1."""
    code = protoc.main(
        [
            "protoc",
            f"-I{HERE}",
            f"-I{WELL_KNOWN}",
            f"--python_out={out}",
            f"--pyi_out={out}",
            f"--grpc_python_out={out}",
            str(HERE / "ldrps/v1/restoration.proto"),
        ]
    )
    if code:
        raise SystemExit(code)


def generate_plugin() -> None:
    """Write the GIMP plug-in's tables, from the module that was just generated."""
    command = [sys.executable, str(HERE.parent / "plugin_gimp" / "generate.py")]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
    if len(sys.argv) == 1:
        generate_plugin()
