"""FFDNet for colour photos (Zhang, Zuo and Zhang, TIP 2018), with its authors' weights.

It knows the level of white noise at each place and nothing else. `python -m training
convert-ffdnet` made the file of its weights.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

MODEL = Path(__file__).parent.parent / "models/ffdnet/ffdnet.safetensors"
SHRINK = 2
"""Pixels along a side of what the network sees as one; sides of images are multiples of it."""
MOST_SIGMA = 75 / 255
"""Strongest noise that it was trained on, display values."""
_WIDTH, _LAYERS = 96, 12
_PIXELS = 3 * SHRINK**2


class FFDNet(nn.Module):
    """Plain convolutions on a photo of which 2x2 pixels are one, with a map of levels."""

    def __init__(self) -> None:
        super().__init__()
        widths = [_PIXELS + 1, *[_WIDTH] * (_LAYERS - 1), _PIXELS]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        # Names of the layers are those of the published weights: model.0, model.2, ..., model.22.
        self.model = nn.Sequential(*layers[:-1])

    def forward(self, images: Tensor, levels: Tensor) -> Tensor:
        """Denoise (N, 3, H, W) display values, 0 to 1, whose sides are even.

        `levels` (N, 1, H / 2, W / 2) are standard deviations of the noise in the same values.
        """
        small = nn.functional.pixel_unshuffle(images, SHRINK)
        found = self.model(torch.cat((small, levels.clamp(max=MOST_SIGMA)), 1))
        return nn.functional.pixel_shuffle(found, SHRINK)


@cache
def load_ffdnet(device: str = "cpu") -> FFDNet:
    """Read the bundled weights onto a device, in single precision, once in a process.

    It answers with the photo itself, which bfloat16 makes darker by half an 8-bit step.
    """
    network = FFDNet()
    network.load_state_dict({name: value.float() for name, value in load_file(MODEL).items()})
    network.eval().requires_grad_(False)
    # The stubs of torch do not know this overload.
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
