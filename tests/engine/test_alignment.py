"""F-PAM, its discriminator and the terms of the guidance, against values worked out by hand."""

import dataclasses

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.diffusion import losses
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.fpam import ConvolutionalFpam, Discriminator, PhysicalFpam
from ldrps_engine.diffusion.weights import Alignment, Guidance

NEUTRAL = Degradation(np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32), "light")


@pytest.fixture
def image(natural):
    return torch.from_numpy(natural[:64, :96]).permute(2, 0, 1)[None].contiguous()


@pytest.fixture(autouse=True)
def _same_weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def guess(space, grey=False):
    rng = np.random.default_rng(0)
    gain, offset = rng.uniform(0.2, 0.9, (3, 4, 3)), rng.uniform(0, 0.2, (3, 4, 3))
    return Degradation(gain.astype(np.float32), offset.astype(np.float32), space, grey=grey)


def moved(fpam):
    """The same module with a field that online training has changed."""
    with torch.no_grad():
        fpam.log_change.normal_(0, 0.3)
        fpam.offset_change.normal_(0, 0.3)
    return fpam


@pytest.mark.parametrize("space", ["light", "display"])
@pytest.mark.parametrize("trained", [False, True])
def test_inverse_undoes_forward(image, space, trained):
    fpam = PhysicalFpam(guess(space))
    fpam = moved(fpam) if trained else fpam
    degraded = fpam(image)
    assert (degraded - image).abs().mean() > 0.05
    assert torch.allclose(fpam.inverse(degraded, image), image, atol=1e-4)


def test_where_colour_was_lost_the_inverse_takes_it_from_the_clean_image(image):
    fpam = PhysicalFpam(dataclasses.replace(NEUTRAL, grey=True))
    degraded = fpam(image)
    assert torch.equal(degraded[:, 0], degraded[:, 1])
    assert torch.allclose(fpam.inverse(degraded, image), image, atol=1e-4)
    without = fpam.inverse(degraded, degraded)
    assert torch.allclose(without, degraded, atol=1e-4)


def test_a_neutral_guess_starts_as_the_identity(image):
    # The residual's last layer is zero and the field's change too.
    assert torch.allclose(PhysicalFpam(NEUTRAL)(image), image, atol=1e-5)


def test_the_pull_is_zero_at_the_first_guess_and_grows_away_from_it():
    fpam = PhysicalFpam(guess("light"))
    assert fpam.pull().item() == 0
    assert moved(fpam).pull().item() > 0.1


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (40, 72)])
def test_the_convolutional_form_keeps_the_size(size):
    assert ConvolutionalFpam()(torch.zeros(2, 3, *size)).shape == (2, 3, *size)


def test_the_convolutional_form_has_the_published_layers():
    # 3x3 3-64, 1x1 to 3, then 3-64-128-256-3 with 3x3 kernels.
    sizes = [(m.in_channels, m.out_channels, m.kernel_size[0])
             for m in ConvolutionalFpam().modules() if isinstance(m, torch.nn.Conv2d)]  # fmt: skip
    residual = [(3, 64, 3), (64, 128, 3), (128, 256, 3), (256, 3, 3)]
    assert sizes == [(3, 64, 3), (64, 3, 1), *residual]


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_the_discriminator_gives_a_map_an_eighth_of_the_size(size):
    logits = Discriminator()(torch.zeros(2, 3, *size))
    assert logits.shape == (2, 1, size[0] // 8, size[1] // 8)


def how(**changes):
    plain = Alignment(physical=True, content=0.0, perceptual=0.0, adversarial=0.0, fit=1.0)
    return dataclasses.replace(plain, **changes)


def error(aligner, clean, photo):
    with torch.no_grad():
        return losses.squared_error(aligner.fpam(clean), photo).item()


@pytest.mark.parametrize(
    "alignment",
    [
        how(field_rate=0.02),
        how(field_rate=0.02, side=0),
        how(rate=5e-3),
        how(field_rate=0.02, adversarial=0.02),
    ],
)
def test_learning_brings_f_of_the_clean_image_nearer_to_the_photo(image, alignment):
    photo = image * 0.4 + 0.1
    aligner = Aligner(photo, NEUTRAL, alignment)
    before = error(aligner, image, photo)
    for _ in range(40):
        aligner.learn(image)
    assert error(aligner, image, photo) < 0.5 * before


def test_learning_content_keeps_f_near_the_identity(image):
    paper = how(physical=False, fit=0.0, content=3.0, perceptual=0.002, adversarial=0.001, side=64)
    image = image[..., :32, :32].contiguous()
    aligner = Aligner(image * 0.2, NEUTRAL, paper)
    before = error(aligner, image, image)
    for _ in range(20):
        aligner.learn(image)
    assert error(aligner, image, image) < 0.5 * before


def test_the_discriminator_learns_to_tell_the_photo(image):
    photo, clean = image * 0.2, image
    alignment = how(fit=0.0, rate=1e-9, discriminator_rate=1e-3)
    aligner = Aligner(photo, NEUTRAL, alignment)
    for _ in range(30):
        aligner.learn(clean)
    with torch.no_grad():
        assert aligner.discriminator(photo).mean() > 0 > aligner.discriminator(clean).mean()


def test_learning_sends_no_gradient_to_the_clean_image(image):
    clean = image.clone().requires_grad_()
    Aligner(image * 0.5, NEUTRAL, how()).learn(clean)
    assert clean.grad is None


def test_the_photo_in_the_clean_domain_is_the_inverse(image):
    dark = guess("light")
    aligner = Aligner(PhysicalFpam(dark)(image).detach(), dark, how())
    assert torch.allclose(aligner.clean_photo(image), image, atol=1e-4)


def test_the_guidance_loss_is_the_sum_of_its_terms(image):
    photo = image * 0.5
    aligner = Aligner(photo, NEUTRAL, how())
    scale = 512 * 512 * 3 / photo.numel()
    plain = Guidance(scale=scale)
    error_of = losses.squared_error(aligner.fpam(image), photo)
    assert aligner.guidance_loss(image, plain, 500).item() == pytest.approx(error_of.item(), 1e-5)
    toned = dataclasses.replace(plain, exposure=2.0, grey_world=3.0, tone_below=100)
    tone = 2 * losses.exposure(image) + 3 * losses.grey_world(image)
    early, late = (aligner.guidance_loss(image, toned, step).item() for step in (100, 99))
    assert early == pytest.approx(error_of.item(), 1e-5)
    assert late == pytest.approx((error_of + tone).item(), 1e-5)


def test_exposure_by_hand():
    # A half at 0.3 and a half at 0.9: (0.2^2 + 0.4^2) / 2.
    image = torch.full((1, 3, 32, 64), 0.3)
    image[..., 32:] = 0.9
    assert losses.exposure(image).item() == pytest.approx(0.1, rel=1e-4)
    assert losses.exposure(image, target=0.3).item() == pytest.approx(0.18, rel=1e-4)


def test_exposure_sees_patches_and_not_pixels():
    checks = torch.zeros(1, 3, 64, 64)
    checks[..., ::2] = 1.0
    assert losses.exposure(checks).item() == pytest.approx(0, abs=1e-12)


def test_grey_world_by_hand():
    # Means 0.5, 0.3, 0.2: 0.2^2 + 0.1^2 + 0.3^2.
    image = torch.tensor([0.5, 0.3, 0.2])[None, :, None, None].expand(1, 3, 8, 8)
    assert losses.grey_world(image).item() == pytest.approx(0.14, rel=1e-4)
    assert losses.grey_world(image[:, :1].expand(1, 3, 8, 8)).item() == 0


def test_squared_error_by_hand():
    a = torch.zeros(1, 3, 4, 4)
    assert losses.squared_error(a, a + 0.5).item() == 0.25


def test_perceptual_distance_is_zero_for_equal_images_and_grows_with_noise(image):
    assert losses.perceptual(image, image).item() == 0
    noise = torch.randn(image.shape)
    near, far = (losses.perceptual(image, image + s * noise).item() for s in (0.02, 0.1))
    assert 0 < near < far


def test_perceptual_distance_minds_texture_more_than_light(image):
    noise = torch.randn(image.shape) * 0.1
    light = torch.full_like(image, 0.1)
    # The same squared error in both.
    distances = [losses.perceptual(image, image + change).item() for change in (light, noise)]
    assert distances[1] > 2 * distances[0]
