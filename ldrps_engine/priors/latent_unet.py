"""The bundled model's denoiser: a U-Net whose every layer but attention is homogeneous.

After DRUNet (Zhang et al., "Plug-and-play image restoration with deep denoiser prior", TPAMI
2021): no normalisation, no biases, skips that add, and the noise level as a channel. Scaling image
and noise together scales the answer, so that what is learnt at one noise level holds at the
others. To that it adds what a diffusion model needs: modulation by the timestep, and
self-attention and cross-attention to a text at the coarsest level. Conditioned on
the noise that was measured in a photo, it takes the level at each place and the spectrum as well,
as FFDNet takes a map (Zhang et al., TIP 2018); without a condition, or with one of white noise of
an even level, it starts as the same network.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.priors.own_network import OwnNetwork, kept

_FREQUENCIES = 32
_HEAD = 32


@dataclass(frozen=True)
class Predicted:
    """The U-Net's output, under the name that diffusers gives it."""

    sample: Tensor
    """(N, in_channels, h, w), v."""


@dataclass(frozen=True)
class NoiseCondition:
    """Measured noise, relative to what the timestep says. Neutral: zeros, white and even."""

    levels: Tensor
    """(N, 3, h, w), log of the deviation at each place of the latents, for red, green and blue."""
    bands: Tensor
    """(N, bands), log of the deviation in each band of the spectrum."""


class LatentUNet(OwnNetwork):
    """v of noisy latents, given their timestep and a text.

    The last convolution predicts `sigma * v`, which is the noisy latents times alpha, less the
    clean ones: the noise where there is little of it, the scene where there is nothing else to
    see. Both are of the scale of the latents themselves.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        "told": "noise_features",
        "told_bands": "noise_bands",
    }

    @kept
    def __init__(
        self,
        *,
        in_channels: int = 12,
        block_out_channels: tuple[int, ...] = (32, 64, 128, 256),
        blocks_per_level: int = 2,
        cross_attention_dim: int = 128,
        noise_shift: float = 4.0,
        num_train_timesteps: int = 1000,
        noise_bands: int = 0,
    ) -> None:
        """`noise_shift` and `num_train_timesteps` are those of the schedule: a shifted cosine.

        `noise_bands` is the number of spectral bands in its condition; 0: it has none.
        """
        super().__init__()
        widths = list(block_out_channels)
        embedded = 4 * _FREQUENCIES
        self.time = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, embedded), nn.SiLU(), nn.Linear(embedded, embedded)
        )
        self.head = _conv(in_channels + 1, widths[0])
        self.down = nn.ModuleList(_Level(w, blocks_per_level, embedded) for w in widths[:-1])
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in itertools.pairwise(widths)
        )
        self.before = _Level(widths[-1], blocks_per_level, embedded)
        self.attention = _Attention(widths[-1], cross_attention_dim)
        self.after = _Level(widths[-1], blocks_per_level, embedded)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(_Level(w, blocks_per_level, embedded) for w in widths[:-1])
        self.tail = _conv(widths[0], in_channels)
        # With v = 0 the estimate is the noisy latents times alpha: a safe place to start from.
        nn.init.zeros_(self.tail.weight)
        self.noise_features = (
            _NoiseFeatures(noise_bands, widths[0], embedded) if noise_bands else None
        )

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        condition: NoiseCondition | None = None,
    ) -> Predicted:
        """(N, in_channels, h, w), sides a multiple of 2 ** (levels - 1); timesteps from 0, ()
        or (N,); text (K * N, tokens, cross_attention_dim): K texts for each sample, one after
        another for all of them, as for classifier-free guidance. What comes before the text is
        computed once.
        """
        time = torch.as_tensor(timestep, device=sample.device).float().expand(len(sample))
        angle = self._angle(time)
        sigma = angle.sin().to(sample.dtype)[:, None, None, None]
        embedded = self.time(self._waves(angle).to(sample.dtype))
        hidden = self.head(torch.cat([sample, sigma.expand(-1, 1, *sample.shape[2:])], 1))
        if condition is not None and self.noise_features is not None:
            seen, modulation = self.noise_features(condition, sigma)
            hidden, embedded = hidden + seen, embedded + modulation
        skips = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            hidden = level(hidden, embedded)
            # Added and not concatenated on the way up: half the channels, and still homogeneous.
            skips.append(hidden)
            hidden = shrink(hidden)
        hidden = self.before(hidden, embedded)
        hidden = self.attention(hidden, encoder_hidden_states)
        # From here on there is one sample for each text.
        embedded, sigma = _as_many(embedded, hidden), _as_many(sigma, hidden)
        hidden = self.after(hidden, embedded)
        for level, grow in zip(reversed(self.up), reversed(self.grow), strict=True):
            hidden = level(grow(hidden) + _as_many(skips.pop(), hidden), embedded)
        return Predicted(self.tail(hidden) / sigma)

    def time_of(self, ratio: Tensor) -> Tensor:
        """Timestep, between whole ones too, whose noise is `ratio` (N,) times the signal."""
        share = torch.atan(ratio / self.config.noise_shift) / (math.pi / 2)
        return torch.as_tensor(share * self.config.num_train_timesteps - 1)

    def _angle(self, time: Tensor) -> Tensor:
        """Half a quarter turn is as much signal as noise: alpha is its cosine, sigma its sine."""
        share = (time + 1) / self.config.num_train_timesteps
        ratio = self.config.noise_shift * torch.tan(share.clamp(max=1) * (math.pi / 2))
        return torch.where(share < 1, torch.atan(ratio), torch.full_like(ratio, math.pi / 2))

    @staticmethod
    def _waves(angle: Tensor) -> Tensor:
        """(N, 64): the noise level as sines and cosines, finer where there is little noise."""
        # Just below a right angle, where the tangent is still finite.
        octave = torch.log2(torch.tan(angle.clamp(max=1.57)))
        rates = torch.linspace(0.05, 2.0, _FREQUENCIES, device=angle.device)
        phases = octave[:, None] * rates
        return torch.cat([phases.sin(), phases.cos()], 1)


class _Level(nn.Module):
    """Residual blocks of two convolutions, modulated in between."""

    def __init__(self, width: int, blocks: int, embedded: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(_conv(width, width) for _ in range(blocks))
        # A block starts as little more than its input, however many there are.
        self.second = nn.ModuleList(_conv(width, width, leak=3.0) for _ in range(blocks))
        self.gains = nn.Linear(embedded, blocks * width)
        nn.init.zeros_(self.gains.weight)
        nn.init.zeros_(self.gains.bias)

    def forward(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        """Same shape out as in."""
        gains = self.gains(embedded).chunk(len(self.first), 1)
        for first, second, gain in zip(self.first, self.second, gains, strict=True):
            # ReLU is homogeneous: scaling its input scales its output, as SiLU's would not.
            inner = functional.relu(first(hidden), inplace=True)
            hidden = hidden + second(inner * (1 + gain[:, :, None, None]))
        return hidden


class _NoiseFeatures(nn.Module):
    """Measured noise, as features of the finest size and as a change of the embedding."""

    def __init__(self, bands: int, width: int, embedded: int) -> None:
        super().__init__()
        self.map = _conv(3 + bands, width)
        last = nn.Linear(embedded, embedded, bias=False)
        self.bands = nn.Sequential(nn.Linear(bands, embedded), nn.SiLU(), last)
        # Silent at first: a network with a condition starts as the one without.
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(last.weight)

    def forward(self, condition: NoiseCondition, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """((N, width, h, w), (N, embedded)) for the noise level `sigma` (N, 1, 1, 1).

        Logarithms in units of sigma scale as the latents do.
        """
        everywhere = condition.bands[:, :, None, None]
        everywhere = everywhere.expand(-1, -1, *condition.levels.shape[2:])
        channels = torch.cat([condition.levels, everywhere], 1).to(sigma.dtype) * sigma
        return self.map(channels), self.bands(condition.bands.to(sigma.dtype))


class _Attention(nn.Module):
    """Self-attention, attention to the text, and a small network for each place."""

    def __init__(self, width: int, text: int) -> None:
        super().__init__()
        heads = width // _HEAD
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.among = nn.MultiheadAttention(width, heads, batch_first=True)
        self.text = nn.MultiheadAttention(width, heads, kdim=text, vdim=text, batch_first=True)
        last = nn.Linear(2 * width, width)
        self.each = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), last)
        for silent in (self.among.out_proj, self.text.out_proj, last):
            nn.init.zeros_(silent.weight)

    def forward(self, hidden: Tensor, text: Tensor) -> Tensor:
        """Same shape out as in, once for each text."""
        places = hidden.flatten(2).transpose(1, 2)
        own = self.norms[0](places)
        places = _as_many(places + self.among(own, own, own, need_weights=False)[0], text)
        places = places + self.text(self.norms[1](places), text, text, need_weights=False)[0]
        places = places + self.each(self.norms[2](places))
        result = places.transpose(1, 2).unflatten(2, hidden.shape[2:])
        return torch.as_tensor(result.contiguous(memory_format=torch.channels_last))


def _as_many(once: Tensor, like: Tensor) -> Tensor:
    """A batch repeated, all of it each time, until it is as long as another."""
    times = len(like) // len(once)
    return once if times == 1 else once.repeat(times, *[1] * (once.ndim - 1))


def _conv(inputs: int, outputs: int, leak: float = 0.0) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, a=leak)
    return convolution
