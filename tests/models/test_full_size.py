"""The published sizes fit together: shapes alone, on torch's meta device, with nothing computed."""

import pytest
import torch

from ldrps_engine.model_store.catalogue import catalogue
from ldrps_engine.priors.flux2 import Flux2
from ldrps_engine.priors.placement import Parts, Placement, network_bytes
from ldrps_engine.priors.schedule import Schedule
from ldrps_engine.priors.sdxl import StableDiffusionXL
from support.lazy import diffusers

SIDE = 1024


def sdxl():
    """Model configured like Stable Diffusion XL base 1.0."""
    unet = diffusers.UNet2DConditionModel(
        sample_size=128,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(320, 640, 1280),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        scaling_factor=0.13025,
    )
    return {"unet": unet, "vae": vae}


def flux2_klein():
    """Model configured like FLUX.2 klein 4B: 5 and 20 blocks, the text of a Qwen3 4B."""
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=128,
        num_layers=5,
        num_single_layers=20,
        attention_head_dim=128,
        num_attention_heads=24,
        joint_attention_dim=3 * 2560,
        guidance_embeds=False,
    )
    return {"transformer": transformer, "vae": diffusers.AutoencoderKLFlux2()}


def on_meta(kind, make, channels, factor):
    """A prior whose networks have shapes and no values."""
    with torch.device("meta"):
        networks = {key: network.eval() for key, network in make().items()}
    prior = object.__new__(kind)
    prior.name, prior.device, prior.channels = "full", torch.device("meta"), channels
    prior._parts = Parts(networks, Placement(device="meta"), "full")
    prior._config, prior._factor, prior._index = networks["vae"].config, factor, {}
    levels = torch.linspace(0.999, 0.001, 1000)
    prior._schedule = Schedule(levels, "flow" if kind is Flux2 else "epsilon", 1 - levels)
    return prior, networks


# Family, its networks, latent channels and pixels for each, tokens and width of the text, weights
# of the denoiser, and what text encoders take in 16 bits beside.
SIZES = {
    "sdxl": (StableDiffusionXL, sdxl, 4, 8, (78, 2048), 2.57e9, 1.64e9),
    "flux2-klein": (Flux2, flux2_klein, 128, 16, (512, 7680), 3.88e9, 8.05e9),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_photo_goes_through_the_published_sizes(name):
    kind, make, channels, factor, text, weights, encoders = SIZES[name]
    prior, networks = on_meta(kind, make, channels, factor)
    prior._pooled_width = 1280
    denoiser = next(networks[key] for key in networks if key != "vae")
    assert sum(p.numel() for p in denoiser.parameters()) == pytest.approx(weights, rel=0.01)
    latents = prior.encode(torch.empty(1, 3, SIDE, SIDE, device="meta"))
    assert tuple(latents.shape) == (1, channels, SIDE // factor, SIDE // factor)
    words = torch.empty(1, *text, device="meta")
    assert prior.denoise(latents, 500, words, words, 2.0).shape == latents.shape
    assert tuple(prior.decode(latents).shape) == (1, 3, SIDE, SIDE)
    # What the catalogue says to fetch and to plan with.
    held = sum(network_bytes(network) for network in networks.values()) / 2 + encoders
    entry = catalogue()[name]
    assert held == pytest.approx(entry.bytes, rel=0.03)
    assert entry.memory == pytest.approx(4 / 3 * held, rel=0.03)
