"""The bundled denoiser: scales with what it is given, knows its schedule, and listens to text."""

import math

import pytest
import torch
from safetensors.torch import save_file

from ldrps_engine.priors.latent_unet import LatentUNet
from training.config import ScheduleConfig
from training.model import noise_levels

SHIFT, STEPS = 2.0, 100


@pytest.fixture
def unet():
    """A small network; its last convolution, which starts silent, has something to say."""
    torch.manual_seed(0)
    network = LatentUNet(
        in_channels=4,
        block_out_channels=(16, 32),
        blocks_per_level=1,
        cross_attention_dim=8,
        noise_shift=SHIFT,
        num_train_timesteps=STEPS,
    )
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network.eval().requires_grad_(False)


def words(seed=0, count=1):
    return torch.randn(count, 5, 8, generator=torch.Generator().manual_seed(seed))


def latents(count=1, side=8):
    return torch.randn(count, 4, side, side, generator=torch.Generator().manual_seed(1))


def test_before_training_it_predicts_nothing():
    network = LatentUNet(in_channels=4, block_out_channels=(16, 32), cross_attention_dim=8)
    assert network(latents(), 10, words()).sample.abs().max() == 0


def test_it_knows_the_noise_of_the_schedule_it_is_trained_with(unet):
    alphas = noise_levels(ScheduleConfig(steps=STEPS, noise_shift=SHIFT))
    angle = unet._angle(torch.arange(STEPS).float())
    assert torch.allclose(angle.cos().square().double(), alphas, atol=1e-6)


def test_convolutions_answer_in_proportion(unet):
    # Attention compares places and is not of this kind; here it is left out.
    for last in (unet.attention.among.out_proj, unet.attention.each[-1]):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    torch.nn.init.zeros_(unet.attention.text.out_proj.weight)
    hidden = torch.randn(1, 5, 8, 8, generator=torch.Generator().manual_seed(2))
    time = unet.time(unet._waves(torch.tensor([0.3])))

    def through(values):
        first = unet.down[0](unet.head(values), time)
        low = unet.after(unet.before(unet.shrink[0](first), time), time)
        return unet.tail(unet.up[0](unet.grow[0](low) + first, time))

    assert torch.allclose(through(3 * hidden), 3 * through(hidden), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("step", [0, 50, STEPS - 1])
def test_every_timestep_has_an_answer(unet, step):
    found = unet(latents(), step, words()).sample
    assert found.shape == (1, 4, 8, 8)
    assert torch.isfinite(found).all()


def test_timesteps_of_a_batch_are_its_own(unet):
    both = unet(latents().repeat(2, 1, 1, 1), torch.tensor([5, 90]), words().repeat(2, 1, 1)).sample
    for one, step in zip(both, (5, 90), strict=True):
        assert torch.allclose(one, unet(latents(), step, words()).sample[0], atol=1e-5)


def test_the_text_is_heard(unet):
    torch.nn.init.normal_(unet.attention.text.out_proj.weight, std=0.3)
    one, other = (unet(latents(), 50, words(seed)).sample for seed in (0, 1))
    assert not torch.allclose(one, other, atol=1e-4)


def test_several_texts_of_a_batch_are_answered_one_after_another(unet):
    torch.nn.init.normal_(unet.attention.text.out_proj.weight, std=0.3)
    two, texts = latents(2), torch.cat([words(0, 2), words(1, 2)])
    together = unet(two, torch.tensor([5, 90]), texts).sample
    each = [unet(two, torch.tensor([5, 90]), words(seed, 2)).sample for seed in (0, 1)]
    assert torch.allclose(together, torch.cat(each), atol=1e-5)
    assert not torch.allclose(*each, atol=1e-4)


def test_it_is_read_back_as_it_was_written(unet, tmp_path):
    unet.save_pretrained(tmp_path)
    again = LatentUNet.from_pretrained(tmp_path)
    assert torch.equal(again(latents(), 50, words()).sample, unet(latents(), 50, words()).sample)


def test_a_network_under_its_former_names_is_the_same(tmp_path):
    """Exported by an earlier version: `told_bands` in the configuration, `told.` in the weights."""
    network = LatentUNet(block_out_channels=(16, 32), cross_attention_dim=8, noise_bands=3)
    network.save_pretrained(tmp_path)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    config, weights = tmp_path / "config.json", tmp_path / "diffusion_pytorch_model.safetensors"
    config.write_text(config.read_text().replace("noise_bands", "told_bands"))
    save_file(
        {name.replace("noise_features.", "told."): value for name, value in expected.items()},
        weights,
    )
    read = LatentUNet.from_pretrained(tmp_path)
    assert read.config.noise_bands == 3
    assert all(torch.equal(value, expected[name]) for name, value in read.state_dict().items())
    assert any(name.startswith("noise_features.") for name in expected)


def test_noise_is_a_quarter_turn_at_the_end(unet):
    assert unet._angle(torch.tensor([STEPS - 1.0])).item() == pytest.approx(math.pi / 2)
