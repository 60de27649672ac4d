"""A training run of toy size: a dozen small pictures, a network of a few thousand weights."""

import csv
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from support import pictures
from training.__main__ import main
from training.autoencoder import fit_autoencoder
from training.config import load_config
from training.photos import pack

COLUMNS = ("file", "source", "licence", "size", "text")
TOML = """
[data]
tiers = ["permissive"]
source_weight = { "some" = 2.0 }
min_side = 64
holdout_every = 4

[autoencoder]
patch_size = 4
latent_channels = 16
samples = 16

[model]
block_channels = [16, 32]
blocks_per_level = 1
text_width = 32
text_layers = 1
text_tokens = 12
vocabulary = 160

[schedule]
steps = 100
noise_shift = 2.0

[train]
crop_sizes = [32]
pixels_per_batch = 4096
learning_rate = 1e-3
warmup = 2
weight_decay = 0.01
average_decay = 0.9
drop_text = 0.1
low_noise_share = 0.5
save_minutes = 60
sample_minutes = 60
seed = 7

[detail]
source_weight = { "some" = 2.0 }
crop_sizes = [32]
pixels_per_batch = 2048
learning_rate = 1e-3
warmup = 2
weight_decay = 0.01
average_decay = 0.9
scene_share = 0.3
save_minutes = 60
seed = 5
"""


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Use one thread: on a shared machine, two that wait for each other are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def toml(tmp_path):
    """Writes the toy configuration with one line replaced."""

    def write(old="", new=""):
        assert old in TOML
        path = tmp_path / "config.toml"
        path.write_text(TOML.replace(old, new) if old else TOML)
        return path

    return write


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    """The toy configuration."""
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(TOML)
    return load_config(path)


def _write_manifest(folder, rows):
    with (folder / "manifest.tsv").open("w", newline="") as sink:
        writer = csv.writer(sink, delimiter="\t")
        writer.writerow(COLUMNS)
        writer.writerows((name, "some", "CC0", "1", text) for name, text in rows)


@pytest.fixture(scope="session")
def write_manifest():
    """Writes a folder's `manifest.tsv` of (file, text)."""
    return _write_manifest


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of twelve good pictures with a manifest."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "permissive").mkdir()
    rows = []
    for seed in range(12):
        name = f"permissive/{seed}.png"
        picture = pictures.samples(pictures.natural(80, 96, seed), np.uint8)
        Image.fromarray(picture).save(folder / name)
        rows.append((name, f"Hills number {seed} | a disc"))
    _write_manifest(folder, rows)
    return folder


@pytest.fixture(scope="session")
def scene_photos(tmp_path_factory):
    """A folder of thirty pictures with a manifest: the first and the 26th are held out."""
    folder = tmp_path_factory.mktemp("scene-photos")
    (folder / "permissive").mkdir()
    names = [f"permissive/{seed}.png" for seed in range(30)]
    for seed, name in enumerate(names):
        picture = pictures.samples(pictures.natural(80, 96, seed), np.uint8)
        Image.fromarray(picture).save(folder / name)
    _write_manifest(folder, [(name, "") for name in names])
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory, scene_photos):
    """A folder with a pack of crops, to be copied and not written to."""
    work = tmp_path_factory.mktemp("scenes")
    assert main(["--work", str(work), "pack-scenes", str(scene_photos)]) == 0
    return work / "scenes"


@pytest.fixture(scope="session")
def packed(tmp_path_factory, photos, config):
    """A work folder with a pack and an autoencoder, to be copied and not written to."""
    work = tmp_path_factory.mktemp("packed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pack([photos], work, config)
    fit_autoencoder(work, config)
    return work


@pytest.fixture
def work(packed, tmp_path):
    """A work folder of one's own."""
    return Path(shutil.copytree(packed, tmp_path / "work"))
