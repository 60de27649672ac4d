"""The terms of the guidance loss. Each takes (N, 3, H, W) images in [0, 1], gives a scalar."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

_WEIGHTS = Path(__file__).parents[1] / "models/vgg16/vgg16_to_conv2_2.safetensors"
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference."""
    return torch.as_tensor((a - b).square().mean())


def perceptual(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of VGG-16 features up to layer 9 (Johnson et al., ECCV 2016)."""
    vgg = _vgg(str(a.device))
    return squared_error(vgg(a), vgg(b))


def exposure(image: Tensor, target: float = 0.5, patch: int = 32) -> Tensor:
    """Squared distance of patch luminance from `target` (Zero-DCE, Guo et al., CVPR 2020)."""
    grey = image.mean(1, keepdim=True)
    return squared_error(
        nn.functional.avg_pool2d(grey, patch), torch.full_like(grey[..., :1, :1], target)
    )


def grey_world(image: Tensor) -> Tensor:
    """Sum of squared differences of each image's channel means (Zero-DCE's colour constancy)."""
    red, green, blue = image.mean((2, 3)).unbind(1)
    return ((red - green) ** 2 + (green - blue) ** 2 + (blue - red) ** 2).mean()


@cache
def _vgg(device: str) -> nn.Sequential:
    weights = load_file(_WEIGHTS)
    layers: list[nn.Module] = [_Normalise()]
    for name, pool in (("1_1", False), ("1_2", True), ("2_1", False), ("2_2", False)):
        weight = weights[f"conv{name}.weight"]
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        convolution.weight.data = weight.float()
        convolution.bias.data = weights[f"conv{name}.bias"].float()  # type: ignore[union-attr]
        layers += [convolution, nn.ReLU()]
        if pool:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers).requires_grad_(False).to(device)


class _Normalise(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        mean = torch.tensor(_MEAN, device=image.device)[:, None, None]
        std = torch.tensor(_STD, device=image.device)[:, None, None]
        return (image - mean) / std
