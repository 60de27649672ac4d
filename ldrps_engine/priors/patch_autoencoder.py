"""An autoencoder without a network: a lapped orthonormal transform of 8x8 RGB patches.

Encoding is two orthonormal matrix products, decoding their transposes. So distances
between latents are distances between images, white noise stays white, and the gradient
of the decoder costs no more than an encode.

The boundary rotation is the time-domain lapped transform of Tran, Liang and Tu, "Lapped
Transform via Time-Domain Pre- and Post-Filtering" (IEEE TSP 2003), kept orthonormal; the
patch basis is the principal components of the rotated photos.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ldrps_engine.priors.own_network import OwnNetwork, kept


class Encoded(NamedTuple):
    """Result of `encode`: latents of shape (N, channels, H/patch, W/patch)."""

    latents: Tensor


class Decoded(NamedTuple):
    """Result of `decode`: images of shape (N, 3, H, W), about [-1, 1]."""

    sample: Tensor


def lapped_boundary(rotation: Tensor) -> Tensor:
    """The (p, p) orthonormal matrix applied to the p samples around each patch border.

    `rotation` is an orthonormal (p/2, p/2) matrix; the identity gives no lapping at all.
    """
    half = rotation.shape[0]
    eye = torch.eye(half, dtype=rotation.dtype)
    flip = eye.flip(0)
    butterfly = torch.cat([torch.cat([eye, flip], 1), torch.cat([flip, -eye], 1)], 0) / 2**0.5
    middle = torch.block_diag(eye, rotation)
    boundary: Tensor = butterfly.T @ middle @ butterfly
    return boundary


class PatchAutoencoder(OwnNetwork):
    """Linear autoencoder with the interface of diffusers' `AutoencoderTiny`.

    Images are (N, 3, H, W) in [-1, 1] with H and W multiples of `patch_size`.
    """

    @kept
    def __init__(
        self,
        patch_size: int = 8,
        latent_channels: int = 32,
        scaling_factor: float = 1.0,
        latent_std: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.basis = nn.Parameter(
            torch.eye(3 * patch_size**2)[:latent_channels].clone(), requires_grad=False
        )
        self.boundary = nn.Parameter(torch.eye(patch_size), requires_grad=False)

    def encode(self, x: Tensor) -> Encoded:
        """Image to latents, (N, 3, H, W) to (N, channels, H/patch, W/patch)."""
        patches = nn.functional.pixel_unshuffle(self._lap(x, self.boundary), self._patch)
        return Encoded(torch.einsum("kc,nchw->nkhw", self.basis, patches))

    def decode(self, z: Tensor) -> Decoded:
        """Latents to image; differentiable, not clamped."""
        patches = torch.einsum("kc,nkhw->nchw", self.basis, z)
        rotated = nn.functional.pixel_shuffle(patches, self._patch)
        return Decoded(self._lap(rotated, self.boundary.T))

    @property
    def lossless(self) -> bool:
        """Tell whether no component of a patch is left out."""
        return int(self.config.latent_channels) == 3 * self._patch**2

    @property
    def most_enlarged(self) -> float:
        """Factor up to which enlarging a small photo pays: 2, or 1 where nothing is lost."""
        return 1.0 if self.lossless else 2.0

    @property
    def _patch(self) -> int:
        return int(self.config.patch_size)

    def _lap(self, x: Tensor, boundary: Tensor) -> Tensor:
        return self._lap_rows(self._lap_rows(x, boundary).mT, boundary).mT

    def _lap_rows(self, x: Tensor, boundary: Tensor) -> Tensor:
        """Rotate the samples around each vertical patch border; the outer ones stay."""
        half = self._patch // 2
        # Beyond the picture's own border there is nothing to lap with.
        inner = x[..., half : x.shape[-1] - half]
        inner = inner.unflatten(-1, (-1, self._patch)) @ boundary.T
        return torch.cat([x[..., :half], inner.flatten(-2), x[..., x.shape[-1] - half :]], -1)
