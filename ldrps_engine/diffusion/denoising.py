"""Third stage of a restoration, first half: the photo at its own size without its noise.

Each part is one evaluation of the bundled denoiser, given the level of the noise at each place and
its spectrum, as FFDNet is given a map of levels (Zhang, Zuo and Zhang, TIP 2018); or the mean of
several, of the part turned and mirrored, since a network errs differently on each. Where the noise
is white, FFDNet itself has a share in the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.noise_condition import BANDS, level_condition, spectrum_bands
from ldrps_engine.analysis.noise_level import Noise, measure_noise
from ldrps_engine.analysis.resampling import reduce, resize
from ldrps_engine.colour.srgb import to_display
from ldrps_engine.diffusion.members import ALONE, Members
from ldrps_engine.diffusion.planning import RestorationPlan
from ldrps_engine.diffusion.preview import preview
from ldrps_engine.photo import Depth, Part
from ldrps_engine.priors.detail_expert import DetailExpert, load_detail_expert
from ldrps_engine.priors.ffdnet import load_ffdnet
from ldrps_engine.priors.latent_unet import NoiseCondition
from ldrps_engine.progress import OnStep, Step
from ldrps_engine.transfer.debanding import Debanding
from ldrps_engine.transfer.tiles import Tile, each, parts_to_denoise

Array = NDArray[np.float32]

# Share of the noise measured in a grey photo: with no chroma to hold it to, texture has a part.
_WITHOUT_CHROMA = 0.95
# Noise below this tells nothing of its level and spectrum.
_HARDLY_MEASURED = 0.5 / 255
# Noise of rounding to eight bits. Less is left where JPEG has smoothed it away.
_ROUNDING = 1 / 255 / math.sqrt(12)
# Noise that is seen nowhere but in shadows which are brought up.
_HARDLY_SEEN = 2 / 255
# Factor by which shadows are brought up further than a plain gain could, where lamps bound it.
_LAMPS = 1.5
_BEYOND_WHITE = 1.1
_SIDES = (-2, -1)
_AROUND = 4
_MOST_LOOKED_AT = 250_000
_BRIGHT, _EXPOSED = 99.5, 0.95
_MOST_NOISE, _MOST_GAIN = 60 / 255, 16.0
# Upside down first: most of what eight ways gain is gained by the first four.
_TURNS = (0, 2, 1, 3)


@dataclass(frozen=True)
class Denoised:
    """Output of denoising: a photo that has no noise any more."""

    plan: RestorationPlan
    rgb: Array
    """(H, W, 3) display values; the plan's own where no noise was to be filtered."""
    scaled: Array
    """(h, w, 3), all of it without noise at the view's size."""


def denoise(plan: RestorationPlan, on_step: OnStep, scaled: Array | None = None) -> Denoised:
    """Free the photo, or the crop that is wanted of it, from the noise that would be seen.

    `scaled` is the photo without noise at the view's size, if that is known.
    """
    if not (plan.restores and plan.filters_noise):
        rgb = _without_steps(plan, on_step)
        return Denoised(plan, rgb, reduce(rgb, plan.view.scaled))
    expert = load_detail_expert(str(plan.prior.latent_std.device))
    noise = KnownNoise.of(plan.analysis.measured_noise, _sigma_to_filter(plan) / 255)
    lift = lift_for(plan.rgb, noise.sigma, _brought_up(plan))
    members = Members.of(plan.size, noise.sigma * lift.gain, noise.bands, quick=plan.quick)
    work = NoiseFilter(expert, noise, lift, members, _debanding(plan))
    count, out = sum(plan.work_units), plan.rgb.copy()

    def on_part(done: int) -> None:
        on_step(Step("denoise", done, count, lambda: preview(out)))

    work.filter(plan.rgb, out, on_part, plan.crop)
    # Where a crop alone is filtered, the rest of `out` still has its noise, which must not reach
    # the sampler.
    if scaled is None:
        whole = plan.crop is None
        scaled = reduce(out, plan.view.scaled) if whole else _denoised_view(plan, expert)
    return Denoised(plan, out, scaled)


def _without_steps(plan: RestorationPlan, on_step: OnStep) -> Array:
    """Smooth the steps of a photo without noise, where light makes them visible."""
    light_comes_back = plan.restores and not plan.pilot_only
    debanding = _debanding(plan) if light_comes_back else None
    if debanding is None:
        return plan.rgb
    out, smooth, count = plan.rgb.copy(), debanding.smooth, sum(plan.work_units)

    def one(tile: Tile, _check: Callable[[], None]) -> None:
        out[tile.inner] = smooth(plan.rgb[tile.outer], tile.outer)[tile.kept]

    # So quick that it is no part of the work that is counted.
    each(
        parts_to_denoise(plan.size, plan.crop),
        one,
        lambda _: on_step(Step("denoise", 0, count)),
    )
    return out


def _debanding(plan: RestorationPlan) -> Debanding | None:
    """Return what smooths steps of eight bits that light makes visible."""
    analysis = plan.analysis
    raises = plan.degradation.space == "light" and not plan.degradation.is_neutral
    # With as much noise as rounding makes they are dithered: the mean of many is what was there.
    is_dithered = analysis.measured_noise.sigma > _ROUNDING
    if not raises or is_dithered or analysis.measured.photo.depth is not Depth.U8:
        return None
    return Debanding.of(plan.degradation, reduce(plan.rgb, plan.view.scaled), plan.size)


def _denoised_view(plan: RestorationPlan, expert: DetailExpert) -> Array:
    """Free the view of a photo, of which a crop alone is filtered, from the noise it has left."""
    scaled = reduce(plan.rgb, plan.view.scaled)
    measured = measure_noise(scaled)
    out = np.empty_like(scaled)
    noise = KnownNoise.of(measured, max(measured.sigma, _HARDLY_MEASURED))
    lift = lift_for(scaled, noise.sigma, _brought_up(plan))
    NoiseFilter(expert, noise, lift).filter(scaled, out, lambda _: None)
    return out


def _brought_up(plan: RestorationPlan) -> float:
    """Factor by which display values of shadows are brought up, 1 where no light is."""
    guess = plan.degradation
    return float(1 / to_display(guess.gain).mean()) if guess.space == "light" else 1.0


def _sigma_to_filter(plan: RestorationPlan) -> float:
    """Standard deviation of the noise that is taken out, in 8-bit steps."""
    sigma = plan.analysis.noise_sigma
    if plan.analysis.diagnosis.grey and plan.settings.noise_sigma is None:
        # A figure of the user's own is taken as it is.
        return sigma * _WITHOUT_CHROMA
    return sigma


@dataclass(frozen=True)
class Lift:
    """Curve that brings values to the range of a well exposed photo: v to gain v / (1 + bend v).

    The network scales as its input does, but it knows photos of that range alone. Neutral: 1, 0.
    """

    gain: float = 1.0
    """Slope at black, 1 or more."""
    bend: float = 0.0
    """Curvature, by which highlights are brought up less; 0 brings all up alike."""

    def up(self, values: Array) -> Array:
        """Bring display values up."""
        bent = 1 + np.float32(self.bend) * values
        return np.asarray(np.float32(self.gain) * values / bent, np.float32)

    def down(self, values: Array, before: Array) -> Array:
        """Undo `up` on values that were filtered; `before` are display values of the photo.

        Highlights that the curve has drawn together stay as they were: their noise is not seen, and
        errors of the filter would be.
        """
        if not self.bend:
            return np.asarray(values / np.float32(self.gain), np.float32)
        held = np.minimum(values, self.up(np.full(1, _BEYOND_WHITE, np.float32)))
        undone = held / (np.float32(self.gain) - np.float32(self.bend) * held)
        share = np.clip(self.gain * self.slope(np.maximum(before, 0)) - 1, 0, 1)
        return np.asarray(before + share * (undone - before), np.float32)

    def slope(self, values: Array) -> Array:
        """Return how much is left of the gain at these display values, 0 to 1."""
        return np.asarray((1 + np.float32(self.bend) * values) ** -2, np.float32)


def lift_for(rgb: Array, sigma: float, brought_up: float = 1.0) -> Lift:
    """Return the curve for a photo (H, W, 3) whose shadows will be brought up by a factor.

    Lamps and windows bound a plain gain, so that in their photos the shadows alone are brought up.
    Noise of standard deviation `sigma` stays within what the network was trained on.
    """
    every = max(1, int(math.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_LOOKED_AT)))
    bright = max(float(np.percentile(rgb[::every, ::every], _BRIGHT)), 1e-3)
    most = max(1.0, min(_MOST_NOISE / sigma, _MOST_GAIN))
    plain = float(np.clip(_EXPOSED / bright, 1, most))
    gain = min(brought_up, most)
    if sigma > _HARDLY_SEEN or gain <= _LAMPS * plain:
        return Lift(plain)
    return Lift(gain, max(0.0, gain / _EXPOSED - 1 / bright))


@dataclass(frozen=True)
class KnownNoise:
    """A photo's noise, as the network is conditioned on it."""

    measured: Noise
    sigma: float
    """Standard deviation that is taken out, display values, root mean square over the photo."""
    bands: Array
    """Log of the deviation in each band of the spectrum, see `noise_condition`."""

    @classmethod
    def of(cls, measured: Noise, sigma: float) -> KnownNoise:
        """Noise that was measured, but has the deviation `sigma`."""
        if measured.sigma < _HARDLY_MEASURED:
            return cls(measured, sigma, np.zeros(BANDS, np.float32))
        return cls(measured, sigma, spectrum_bands(measured.spectrum))

    def relative(self, around: Array) -> Array:
        """Deviation of the noise over `sigma` where brightness without noise is (h, w, 3)."""
        if self.measured.sigma < _HARDLY_MEASURED:
            return np.ones_like(around)
        return self.measured.level.relative(around) / np.float32(self.measured.relative_rms)

    def condition(self, around: Array, patch: int, lift: Lift) -> NoiseCondition:
        """Return the network's condition on a part, by its brightness (h, w, 3) without noise.

        Sides are multiples of `patch`. The levels are those once the part is lifted, and its gain
        at black is left out.
        """
        relative = self.relative(around) * lift.slope(around)
        levels = torch.from_numpy(level_condition(relative, patch))
        return NoiseCondition(levels[None], torch.from_numpy(self.bands)[None])


def _smoothed(rgb: Array) -> Array:
    """Brightness (h, w, 3) around each sample: its own would reveal its noise."""
    height, width = rgb.shape[:2]
    small = max(1, height // _AROUND), max(1, width // _AROUND)
    return np.clip(resize(resize(rgb, small), (height, width), smooth=True), 0, 1)


@dataclass(frozen=True)
class NoiseFilter:
    """Filter of one photo's noise."""

    expert: DetailExpert
    noise: KnownNoise
    lift: Lift = Lift()
    """Curve by which values are brought to the range of a well exposed photo."""
    members: Members = ALONE
    """Evaluations by each network; an estimate is the mean of their answers."""
    debanding: Debanding | None = None
    """Smoothing of what the filter leaves; None: there is none."""

    def filter(
        self, rgb: Array, out: Array, on_part: Callable[[int], None], crop: Part | None = None
    ) -> None:
        """Filter display values (H, W, 3) into `out` (H, W, 3), part by part.

        `on_part` receives the number of parts done, and may raise to stop the work. Where no part
        touches the `crop`, `out` stays as it is.
        """

        def one(tile: Tile, check: Callable[[], None]) -> None:
            values = self.part(rgb[tile.outer], check)
            if self.debanding:
                values = self.debanding.smooth(values, tile.outer)
            out[tile.inner] = values[tile.kept]

        each(parts_to_denoise(rgb.shape[:2], crop), one, on_part)

    def part(self, rgb: Array, check: Callable[[], None]) -> Array:
        """Filter a part (h, w, 3). `check` is called between evaluations, and may raise."""
        height, width = rgb.shape[:2]
        grow = [(0, -side % self.expert.multiple) for side in (height, width)]
        # Mirrored and not zero: a black edge would be an edge of the picture for the network.
        padded = np.pad(rgb, (*grow, (0, 0)), mode="symmetric")
        around = _smoothed(padded)
        condition = self.noise.condition(around, self.expert.patch, self.lift)
        image = torch.from_numpy(self.lift.up(padded)).permute(2, 0, 1)[None].contiguous()
        mean = self._own(image, condition, check)
        if self.members.second:
            sigma = np.float32(self.noise.sigma) * self.noise.relative(around)
            share = self.members.share_at(around, sigma)
            mean += share * (self._second(image, condition, check) - mean)
        mean = mean[0, :, :height, :width]
        return self.lift.down(np.ascontiguousarray(mean.permute(1, 2, 0).numpy()), rgb)

    def _own(self, image: Tensor, condition: NoiseCondition, check: Callable[[], None]) -> Tensor:
        """Mean of the bundled denoiser's estimates of an image (1, 3, h, w)."""
        sigma = self.noise.sigma * self.lift.gain

        def one(images: Tensor, levels: Tensor) -> Tensor:
            # Levels belong to places and turn with them; bands hold for all directions.
            return self.expert.denoise(images, sigma, NoiseCondition(levels, condition.bands))

        return _mean(self.members.own, image, condition.levels, one, check)

    def _second(
        self, image: Tensor, condition: NoiseCondition, check: Callable[[], None]
    ) -> Tensor:
        """Mean of FFDNet's estimates of an image (1, 3, h, w) at one level for all channels."""
        device = self.expert.text.device
        network, sigma = load_ffdnet(str(device)), self.noise.sigma * self.lift.gain
        variance = (2 * condition.levels).exp().mean(1, keepdim=True)

        def one(images: Tensor, levels: Tensor) -> Tensor:
            return torch.as_tensor(network(images.to(device), levels.to(device)))

        return _mean(self.members.second, image, sigma * variance.sqrt(), one, check)


def _mean(
    ways: int,
    image: Tensor,
    levels: Tensor,
    estimate: Callable[[Tensor, Tensor], Tensor],
    check: Callable[[], None],
) -> Tensor:
    """Mean of estimates of an image (1, 3, h, w) and its levels, turned in so many ways.

    `check` is called before each, and may raise.
    """
    total = torch.zeros_like(image)
    for way in range(ways):
        check()
        total += turned_back(estimate(turned(image, way), turned(levels, way)).to(total), way)
    return total / ways


def turned(images: Tensor, way: int) -> Tensor:
    """Turn images (N, C, h, w) in one of eight ways: mirrored if odd, after quarter turns."""
    images = torch.rot90(images, _TURNS[way // 2], _SIDES)
    return images.flip(-1) if way % 2 else images


def turned_back(images: Tensor, way: int) -> Tensor:
    """Undo `turned`."""
    images = images.flip(-1) if way % 2 else images
    return torch.rot90(images, -_TURNS[way // 2], _SIDES)
