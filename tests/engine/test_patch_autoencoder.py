"""The linear autoencoder: orthonormal in what ships, so that distances and noise are kept."""

from pathlib import Path

import pytest
import torch

from ldrps_engine.analysis.resampling import resize
from ldrps_engine.model_store.store import folder_of
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder, lapped_boundary
from support import pictures
from training.metrics import psnr

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def shipped():
    return PatchAutoencoder.from_pretrained(folder_of("bundled") / "vae")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_basis_and_boundary_are_orthonormal(shipped):
    for matrix in (shipped.basis, shipped.boundary):
        # Stored as single floats at the least.
        assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-5)


def test_any_rotation_makes_an_orthonormal_boundary():
    rotation = torch.linalg.qr(random(4, 4).double()).Q
    boundary = lapped_boundary(rotation)
    assert torch.allclose(boundary @ boundary.T, torch.eye(8, dtype=torch.float64), atol=1e-12)


def test_the_identity_laps_nothing():
    boundary = lapped_boundary(torch.eye(4, dtype=torch.float64))
    assert torch.allclose(boundary, torch.eye(8, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (8, 6)])
def test_latents_survive_decoding_and_encoding(shipped, size):
    latents = random(2, shipped.config.latent_channels, *size)
    assert torch.allclose(
        shipped.encode(shipped.decode(latents).sample).latents, latents, atol=1e-4
    )


def test_white_noise_stays_white(shipped):
    latents = shipped.encode(0.5 * random(8, 3, 128, 128)).latents
    flat = latents.transpose(0, 1).flatten(1)
    covariance = flat @ flat.T / flat.shape[1]
    # At least 2048 samples of each channel: five deviations of their variance are 0.04.
    assert torch.allclose(covariance, 0.25 * torch.eye(len(flat)), atol=0.045)


def test_the_decoders_gradient_is_the_encoder(shipped):
    image = random(1, 3, 32, 32, seed=1)
    latents = torch.zeros_like(shipped.encode(image).latents, requires_grad=True)
    (shipped.decode(latents).sample * image).sum().backward()
    assert torch.allclose(latents.grad, shipped.encode(image).latents, atol=1e-4)


@pytest.mark.parametrize("name", ["haze", "low-light", "grey"])
def test_a_photo_enlarged_twice_survives(shipped, name):
    photo = pictures.photo_of(EXAMPLES / f"{name}.jpg", (200, 150, 328, 278))
    enlarged = resize(photo, (256, 256))
    image = torch.from_numpy(enlarged).permute(2, 0, 1)[None] * 2 - 1
    decoded = shipped.decode(shipped.encode(image).latents).sample
    back = (decoded[0].permute(1, 2, 0) / 2 + 0.5).numpy()
    # 38 dB is what good JPEG keeps, and the pilot's own finest detail is not given out.
    assert psnr(back, enlarged) > 38


def test_a_saved_autoencoder_loads_with_all_it_had(shipped, tmp_path):
    model = PatchAutoencoder(patch_size=4, latent_channels=6, latent_std=[1.0] * 6)
    with torch.no_grad():
        model.basis.copy_(torch.linalg.qr(random(48, 6)).Q.T)
        model.boundary.copy_(torch.linalg.qr(random(4, 4)).Q)
    model.save_pretrained(tmp_path)
    again = PatchAutoencoder.from_pretrained(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir() if "model" in path.name] == [".safetensors"]
    image = random(1, 3, 16, 24)
    assert torch.equal(again.encode(image).latents, model.encode(image).latents)
    assert list(again.config.latent_std) == [1.0] * 6
