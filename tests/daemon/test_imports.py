"""Modules that each process may load."""

import subprocess
import sys

import pytest

from support.daemon import environment


def loaded(module, *forbidden):
    code = f"import sys, {module}; print([m for m in {forbidden!r} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize("module", ["ldrps_daemon.transport.server", "ldrps_daemon.__main__"])
def test_front_loads_neither_torch_nor_image_libraries(module):
    heavy = ("torch", "diffusers", "transformers", "PIL", "tifffile", "ldrps_engine.restore")
    assert loaded(module, *heavy) == "[]"


def test_options_are_read_without_grpc():
    assert loaded("ldrps_daemon.config", "grpc", "torch") == "[]"
