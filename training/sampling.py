"""Samples of a prior from pure noise, and sheets of pictures to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ldrps_engine.priors.base import LatentPrior

Pixels = NDArray[np.uint8]
Denoise = Callable[[Tensor, int], Tensor]
"""Clean latents from noisy ones (N, C, h, w) at one step of the schedule."""

PROMPTS = (
    "blue above, green in the middle, green below, natural colours",
    "orange above, brown in the middle, black below, colourful",
    "grey above, white in the middle, grey below, muted",
    "faces easy, brown above, orange in the middle, natural colours",
    "cyan above, blue in the middle, brown below, natural colours",
    "red above, red in the middle, green below, colourful",
    "black above, grey in the middle, black below, muted",
    "shoes, white above, white in the middle, white below, muted",
)
"""In the words that the model was trained with: class words and the tagger's."""


def sample(
    prior: LatentPrior, prompts: Sequence[str], *, side: int, steps: int, scale: float
) -> list[Pixels]:
    """One square picture per prompt, from the same noises on every call; '' is unconditional."""
    pictures = []
    empty = prior.embed("")
    shape = prior.encode(torch.zeros(1, 3, side, side)).shape
    for seed, prompt in enumerate(prompts):
        text = prior.embed(prompt)
        guidance = scale if prompt else 1.0

        def denoise(
            noisy: Tensor, time: int, text: Tensor = text, guidance: float = guidance
        ) -> Tensor:
            return prior.denoise(noisy, time, text, empty, guidance)

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            clean = ddim(denoise, prior.alphas, shape, steps, generator, prior.latent_std.device)
            pictures += to_pixels(prior.decode(clean))
    return pictures


def ddim(
    denoise: Denoise,
    alphas: Tensor,
    shape: Sequence[int],
    steps: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Clean latents from pure noise: DDIM without added noise, trailing timesteps.

    Song et al., "Denoising diffusion implicit models" (ICLR 2021), equation 12 with eta 0.
    """
    noisy = torch.randn(tuple(shape), generator=generator).to(device)
    alphas = alphas.to(device)
    clean = noisy
    times = [round(len(alphas) * (1 - k / steps)) - 1 for k in range(steps)]
    for time, following in zip(times, [*times[1:], None], strict=True):
        clean = denoise(noisy, time)
        if following is None:
            break
        noise = (noisy - alphas[time].sqrt() * clean) / (1 - alphas[time]).sqrt()
        noisy = alphas[following].sqrt() * clean + (1 - alphas[following]).sqrt() * noise
    return clean


def to_pixels(images: Tensor) -> list[Pixels]:
    """(N, 3, H, W) about [0, 1] to (H, W, 3) pictures."""
    scaled = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return list(scaled.permute(0, 2, 3, 1).cpu().numpy())


def save_sheet(pictures: Sequence[Pixels], columns: int, path: Path) -> None:
    """Write pictures of one size as a grid, row by row."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + 4) - 4, columns * (width + 4) - 4, 3), 255, np.uint8)
    for k, picture in enumerate(pictures):
        top, left = k // columns * (height + 4), k % columns * (width + 4)
        sheet[top : top + height, left : left + width] = picture
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
