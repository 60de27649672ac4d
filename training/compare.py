"""Comparison of autoencoders: reconstruction, cost of decode and gradient, visible borders."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.analysis.resampling import resize
from training.candidates import Candidate, convolutional, patch_transform, taef2
from training.config import Config, TrainingError
from training.ladder import Array, unseen_photos
from training.metrics import psnr
from training.photos import PhotoPack

_PHOTOS = 24
_CROP = 256
_TIMED_SIDE = 512
_REPEATS = 7
# Root mean square that noise in the latents is to make in the picture: 10 of 255.
_ERROR = 10 / 127.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One line of the table; times in milliseconds at 512x512."""

    name: str
    native: float
    enlarged: float
    decode: float
    gradient: float
    border: float


def compare(work: Path, config: Config, minutes: float, published: list[Path] | None) -> None:
    """Fit or load every candidate, measure all on held-out photos, print the table."""
    pack = PhotoPack(work, config)
    photos = unseen_photos(pack, _PHOTOS, _CROP)
    if not photos:
        raise TrainingError("no photo is held out that was not also trained on; pack more photos")
    candidates = [patch_transform(pack, config, lapped=lapped) for lapped in (False, True)]
    if minutes > 0:
        candidates.append(convolutional(pack, config, minutes))
    if published:
        candidates.append(taef2(*published))
    verdicts = [_judge(candidate, photos) for candidate in candidates]
    print(_table(verdicts))


def _judge(candidate: Candidate, photos: list[Array]) -> Verdict:
    enlarged = [resize(p, (2 * p.shape[0], 2 * p.shape[1])) for p in photos]
    decode, gradient = _times(candidate)
    return Verdict(
        name=candidate.name,
        native=_reconstruction(candidate, photos, photos),
        enlarged=_reconstruction(candidate, photos, enlarged),
        decode=decode,
        gradient=gradient,
        border=float(np.mean([_border(candidate, photo) for photo in photos])),
    )


def _reconstruction(candidate: Candidate, photos: list[Array], entered: list[Array]) -> float:
    """Mean PSNR in dB at the photos' own size, whatever size they entered at."""
    values = []
    for photo, image in zip(photos, entered, strict=True):
        with torch.no_grad():
            out = candidate.decode(candidate.encode(_tensor(image)))
        back = np.asarray(out[0].permute(1, 2, 0).numpy() / 2 + 0.5, dtype=np.float32)
        size = _whole(image)
        scale = image.shape[0] // photo.shape[0]
        reduced = resize(back, (size[0] // scale, size[1] // scale))
        truth = photo[: reduced.shape[0], : reduced.shape[1]]
        values.append(psnr(truth, np.clip(reduced, 0, 1)))
    return float(np.mean(values))


def _border(candidate: Candidate, photo: Array) -> float:
    """Steepness of errors across patch borders over that inside patches; 1 is invisible."""
    with torch.no_grad():
        latents = candidate.encode(_tensor(photo))
        clean = candidate.decode(latents)
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
        size = 0.1 * latents.std()
        # The response is not linear for networks: two corrections bring it to the wanted size.
        for _ in range(3):
            error = candidate.decode(latents + size * noise) - clean
            size = size * _ERROR / error.square().mean().sqrt()
    return (_step_ratio(error) + _step_ratio(error.mT)) / 2


def _step_ratio(error: Tensor) -> float:
    steps = error.diff(dim=-1).abs().mean((0, 1, 2))
    across = torch.arange(len(steps)) % 8 == 7
    return float(steps[across].mean() / steps[~across].mean())


def _times(candidate: Candidate) -> tuple[float, float]:
    """Shortest times of a decode, and of a decode with its gradient."""
    image = torch.zeros(1, 3, _TIMED_SIDE, _TIMED_SIDE)
    latents = candidate.encode(image).detach()

    def decode() -> None:
        with torch.no_grad():
            candidate.decode(latents)

    def gradient() -> None:
        leaf = latents.clone().requires_grad_()
        candidate.decode(leaf).square().mean().backward()

    return _shortest(decode), _shortest(gradient)


def _shortest(work: Callable[[], None]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def _whole(image: Array) -> tuple[int, int]:
    return image.shape[0] // 16 * 16, image.shape[1] // 16 * 16


def _tensor(image: Array) -> Tensor:
    height, width = _whole(image)
    return torch.from_numpy(image[:height, :width] * 2 - 1).permute(2, 0, 1)[None].contiguous()


def _table(verdicts: list[Verdict]) -> str:
    first = verdicts[0]
    lines = [
        "| autoencoder | native size, dB | enlarged twice, dB | decode, of PCA's "
        "| decode and gradient, of PCA's | patch borders |",
        "|---" * 6 + "|",
    ]
    for v in verdicts:
        lines.append(
            f"| {v.name} | {v.native:.1f} | {v.enlarged:.1f} | {v.decode / first.decode:.1f} "
            f"| {v.gradient / first.gradient:.1f} | {v.border:.2f} |"
        )
    lines.append(f"\nPCA: decode {first.decode:.1f} ms, with gradient {first.gradient:.1f} ms")
    return "\n".join(lines)
