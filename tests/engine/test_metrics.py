"""The metrics against values worked out by hand and against scikit-image."""

import math
from pathlib import Path

import numpy as np
import pytest

from ldrps_engine.errors import ModelError
from training.metrics import Lpips, colourfulness, psnr, ssim


@pytest.fixture
def photo() -> np.ndarray:
    rng = np.random.default_rng(1)
    coarse = rng.random((8, 8, 3))
    return np.kron(coarse, np.ones((8, 8, 1)))


def test_psnr_of_a_constant_error_is_its_logarithm(photo):
    assert psnr(photo * 0, photo * 0 + 0.1) == pytest.approx(20.0)
    assert psnr(photo * 0, photo * 0 + 1.0) == pytest.approx(0.0)


def test_psnr_of_gaussian_noise_follows_sigma():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 25 / 255, (256, 256, 3))
    # 20 log10(255 / 25); 0.05 dB is five deviations of the sample variance at this size.
    assert psnr(noise * 0, noise) == pytest.approx(20 * math.log10(255 / 25), abs=0.05)


def test_psnr_of_equal_photos_is_infinite(photo):
    assert psnr(photo, photo) == math.inf


def test_metrics_are_symmetric(photo):
    other = photo[::-1]
    assert psnr(photo, other) == psnr(other, photo)
    assert ssim(photo, other) == pytest.approx(ssim(other, photo))


def test_ssim_of_equal_photos_is_one(photo):
    assert ssim(photo, photo) == pytest.approx(1.0)


def test_ssim_of_flat_photos_compares_their_luminance():
    a, b = np.full((16, 16, 3), 100 / 255), np.full((16, 16, 3), 150 / 255)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1))


def test_ssim_sees_luma_only():
    grey = np.full((16, 16, 3), 0.5)
    # 0.299 r + 0.587 g stays what it was.
    tinted = grey + np.array([0.0587, -0.0299, 0.0])
    assert ssim(grey, tinted) == pytest.approx(1.0)


def test_ssim_rounds_luma_to_eight_bits(photo):
    eight_bit = np.rint(photo * 255) / 255
    grey = np.repeat(eight_bit[..., :1], 3, axis=2)
    assert ssim(grey, grey + 0.4 / 255) == pytest.approx(1.0)


def test_ssim_agrees_with_scikit_image(photo):
    metrics = pytest.importorskip("skimage.metrics")
    noisy = np.clip(photo + np.random.default_rng(2).normal(0, 0.1, photo.shape), 0, 1)
    luma = [np.rint(x @ [0.299, 0.587, 0.114] * 255) for x in (photo, noisy)]
    # Truncated at 3.5 sigma, the window is the 11x11 of the paper; its borders are cut off.
    expected = metrics.structural_similarity(
        *luma, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(photo, noisy) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1), (16, 17, 3)])
def test_shapes_that_do_not_match_are_refused(shape):
    with pytest.raises(ValueError, match="shapes"):
        psnr(np.zeros((16, 16, 3)), np.zeros(shape))


def test_ssim_refuses_photos_smaller_than_its_window():
    small = np.zeros((10, 40, 3))
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(small, small)


def test_colourfulness_of_grey_is_zero_and_grows_with_saturation(photo):
    grey = np.repeat(photo[..., :1], 3, axis=2)
    assert colourfulness(grey) == pytest.approx(0.0)
    half = (photo + grey) / 2
    assert colourfulness(half) == pytest.approx(colourfulness(photo) / 2)


def test_colourfulness_of_one_flat_colour_by_hand():
    # rg = 255, yb = 127.5, no spread: 0.3 * sqrt(255^2 + 127.5^2).
    red = np.broadcast_to([1.0, 0.0, 0.0], (4, 4, 3))
    assert colourfulness(red) == pytest.approx(0.3 * math.hypot(255, 127.5))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """AlexNet's shapes with random values, since the trained ones are not in the repository."""
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    shapes = [(64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3)]
    generator = torch.Generator().manual_seed(0)
    arrays = {}
    for i, (out, into, side) in enumerate(shapes):
        kernel = torch.randn(out, into, side, side, generator=generator) / (into**0.5 * side)
        arrays |= {f"conv{i}_w": kernel.half(), f"conv{i}_b": torch.zeros(out).half()}
        arrays[f"lin{i}"] = torch.full((1, out, 1, 1), 0.1).half()
    save_file(arrays, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_lpips_is_zero_for_equal_photos_and_grows_with_noise(weights, photo):
    lpips = Lpips(weights)
    noise = np.random.default_rng(3).normal(0, 1, photo.shape)
    assert lpips(photo, photo) == 0.0
    distances = [lpips(photo, photo + sigma * noise) for sigma in (0.02, 0.1, 0.3)]
    assert distances == sorted(distances)
    assert distances[0] > 0
    assert lpips(photo, photo + 0.1 * noise) == pytest.approx(distances[1])


def test_lpips_says_what_is_wrong_with_its_weights(tmp_path):
    pytest.importorskip("safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a model")
    for path in (broken, tmp_path / "missing.safetensors"):
        with pytest.raises(ModelError, match="does not hold LPIPS weights"):
            Lpips(path)
