"""Online training of F-PAM and its discriminator on one photo, and the guidance they give.

LD-RPS (ICCV 2025), the losses L_f and L_g; their weights come from the plan.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.diffusion import losses
from ldrps_engine.diffusion.adam import Adam
from ldrps_engine.diffusion.fpam import ConvolutionalFpam, Discriminator, PhysicalFpam
from ldrps_engine.diffusion.weights import Alignment, Guidance

_PAPER_SAMPLES = 3 * 512 * 512


class Aligner:
    """F-PAM `f`, discriminator `d`, and their optimisers, for one photo `y` (1, 3, H, W)."""

    def __init__(self, photo: Tensor, guess: Degradation, how: Alignment, seed: int = 0) -> None:
        self._photo = photo
        self._how = how
        self._small = _shrink(photo, how.side)
        width = 64 if how.side == 0 else 16
        self.fpam: ConvolutionalFpam | PhysicalFpam
        # Initial weights come from a seed of their own, so that the sampler's numbers do not depend
        # on them.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.discriminator = Discriminator(width).to(photo.device)
            self.fpam = PhysicalFpam(guess) if how.physical else ConvolutionalFpam()
        self.fpam.to(photo.device)
        # The physical field and the convolutions learn at rates that differ, see `Alignment`.
        field = [p for n, p in self.fpam.named_parameters() if n.endswith("_change")]
        rest = [p for n, p in self.fpam.named_parameters() if not n.endswith("_change")]
        self._adam = Adam([(rest, how.rate), (field, how.field_rate)])
        self._adam_d = Adam([(self.discriminator.parameters(), how.discriminator_rate)])

    def learn(self, clean: Tensor) -> None:
        """One Adam step of `f` and one of `d` on the current clean image, if `f` is to learn."""
        if not self._how.learns:
            return
        small = _shrink(clean.detach(), self._how.side)
        mapped = self.fpam(small)
        self._update(self._adam, self._fpam_loss(mapped, small))
        logits_real = self.discriminator(self._small)
        # Detached: this step is the discriminator's alone.
        logits_fake = self.discriminator(mapped.detach())
        self._update(self._adam_d, _bce(logits_real, 1.0) + _bce(logits_fake, 0.0))

    def guidance_loss(self, clean: Tensor, weights: Guidance, step: int) -> Tensor:
        """Return L_g at one timestep, differentiable in `clean`, times the guidance's scale s."""
        photo, count = self._photo, self._photo.numel()
        mapped = self.fpam(clean)
        loss = clean.new_zeros(())
        if weights.scale:
            loss = loss + losses.squared_error(mapped, photo)
        if weights.perceptual:
            loss = loss + weights.perceptual * losses.perceptual(mapped, photo)
        if weights.adversarial:
            loss = loss + weights.adversarial * _bce(self.discriminator(mapped), 1.0)
        if step < weights.tone_below:
            loss = loss + weights.exposure * losses.exposure(clean)
            loss = loss + weights.grey_world * losses.grey_world(clean)
        # The published s belongs to a mean over 512x512 samples.
        return loss * weights.scale * (count / _PAPER_SAMPLES)

    def state(self) -> dict[str, Tensor]:
        """Networks and optimisers' moments, by name."""
        found: dict[str, Tensor] = {}
        for name, (network, adam) in self._trained().items():
            found |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
            for index, moments in adam.state().items():
                found |= {f"{name}.adam.{index}.{key}": value for key, value in moments.items()}
        return found

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave out."""
        for name, (network, adam) in self._trained().items():
            mine = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(name)}
            moments: dict[int, dict[str, Tensor]] = {}
            # What is left in `mine` afterwards is the network's own state.
            for key in [key for key in mine if key.startswith("adam.")]:
                _, index, kind = key.split(".")
                moments.setdefault(int(index), {})[kind] = mine.pop(key)
            network.load_state_dict(mine)
            adam.resume(moments)

    def _trained(self) -> dict[str, tuple[nn.Module, Adam]]:
        return {
            "fpam": (self.fpam, self._adam),
            "discriminator": (self.discriminator, self._adam_d),
        }

    def clean_photo(self, clean: Tensor) -> Tensor:
        """The photo brought into the clean domain by F-PAM's physical part."""
        assert isinstance(self.fpam, PhysicalFpam)
        with torch.no_grad():
            return self.fpam.inverse(self._photo, clean)

    def _fpam_loss(self, mapped: Tensor, clean: Tensor) -> Tensor:
        how = self._how
        loss = how.adversarial * _bce(self.discriminator(mapped), 1.0)
        if how.content:
            loss = loss + how.content * losses.squared_error(mapped, clean)
        if how.perceptual:
            loss = loss + how.perceptual * losses.perceptual(mapped, clean)
        if isinstance(self.fpam, PhysicalFpam):
            # Relative to the photo's own energy, or a dark photo would hardly be fitted.
            scale = self._small.square().mean().clamp(min=1e-4)
            loss = loss + how.fit * losses.squared_error(mapped, self._small) / scale
            loss = loss + 0.05 * self.fpam.pull()
        return loss

    def _update(self, optimiser: Adam, loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _shrink(image: Tensor, side: int) -> Tensor:
    longest = max(image.shape[-2:])
    if side == 0 or longest <= side:
        return image
    return nn.functional.interpolate(image, scale_factor=side / longest, mode="area")


def _bce(logits: Tensor, label: float) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
