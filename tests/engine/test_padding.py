"""Photos whose size is no multiple of the prior's grid, and what the strength does to a pilot."""

import numpy as np
import torch
from PIL import Image

from ldrps_engine.analysis.degradation import first_guess
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.diffusion.fpam import PhysicalFpam
from ldrps_engine.diffusion.view import View
from ldrps_engine.photo import Photo
from ldrps_engine.restore import ModelCache, _in_view, restore
from ldrps_engine.settings import Settings
from support.daemon import ROOT


def test_the_first_guess_lies_on_the_photo_and_not_on_the_padding():
    with Image.open(ROOT / "examples" / "haze.jpg") as image:
        rgb = np.asarray(image.resize((150, 101)), dtype=np.float32) / 255
    view = View.fit(101, 150, 512, 32)
    assert view.padded != view.scaled
    guess = first_guess(rgb, diagnose(rgb, "haze"), "haze")
    photo = view.to_model(rgb)
    with torch.no_grad():
        inverse = PhysicalFpam(_in_view(guess, view)).inverse(photo, photo)
    expected = view.to_model(guess.invert(rgb))
    # The same up to resampling before or after; stretched it is off by 0.009.
    assert (inverse - expected).abs().mean() < 0.001


def test_strength_counts_for_the_published_recipe_too():
    samples = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    settings = Settings(recipe="paper", steps=1, recurrences=0, strength=0.0)
    result = restore(Photo.from_samples(samples), settings, ModelCache("cpu"))
    assert np.array_equal(result.photo.to_samples(), samples)
