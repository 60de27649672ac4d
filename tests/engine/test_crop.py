"""A crop of a result is the result's own pixels, without the rest of the work."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from engine.test_frame import bordered, degraded, photo_of
from ldrps_engine import restore as main_path
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.diffusion import planning
from ldrps_engine.diffusion.last_photo import LastPhoto
from ldrps_engine.errors import CancelledError, SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described, Diagnosed, Step
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.tiles import parts_to_denoise
from training.metrics import psnr

CROP = Rectangle(96, 40, 48, 64)


def quick(**changes):
    """Two steps instead of twelve: a crop and the whole are worked on from one sample."""
    return Settings(**{"steps": 2} | changes)


def both(photo, settings, models, crop=CROP, last=None):
    """The crop of the whole result, and the crop alone."""
    whole = restore(photo, settings, models)
    alone = restore(photo, settings, models, crop=crop, last=last)
    return whole, whole.photo.part(crop.part), alone


@pytest.mark.parametrize("kind", ["fine", "dark", "hazy", "faded"])
def test_where_no_noise_is_filtered_it_is_the_result_to_a_step(models, kind):
    settings = quick(noise_sigma=0.0)
    whole, wanted, found = both(photo_of(degraded(kind)), settings, models)
    assert (found.photo.width, found.photo.height) == (48, 64)
    assert found.diagnosis == whole.diagnosis
    assert np.abs(found.photo.pixels - wanted.pixels).max() <= 1 / 255


@pytest.mark.parametrize("kind", ["noisy", "dim"])
def test_with_noise_it_is_nearly_the_result(models, kind):
    picture = degraded("noisy") * (0.3 if kind == "dim" else 1)
    # Quick: tuning to the noise sees other pixels in a crop.
    _whole, wanted, found = both(photo_of(picture), Settings(recipe="fast"), models)
    # So near that nobody sees a difference.
    assert psnr(found.photo.pixels, wanted.pixels) > 45


def test_a_prior_tuned_to_a_crop_is_nearly_as_one_tuned_to_the_photo(models):
    photo, last = photo_of(degraded("noisy")), LastPhoto()
    _whole, wanted, found = both(photo, quick(), models, Rectangle(40, 20, 128, 128), last)
    assert psnr(found.photo.pixels, wanted.pixels) > 45
    again = restore(photo, quick(), models, crop=Rectangle(40, 20, 128, 128), last=last)
    assert psnr(again.photo.pixels, wanted.pixels) > 45


def test_of_a_large_photo_blocks_are_smoothed_where_a_crop_shows_them(models, monkeypatch):
    file = BytesIO()
    monkeypatch.setattr(planning, "_BLOCKLESS", 1.0)
    tiled = np.tile(degraded("dark"), (2, 3, 1))
    Image.fromarray(np.rint(tiled * 255).astype(np.uint8)).save(file, "JPEG", quality=12)
    photo = Photo.from_samples(np.asarray(Image.open(file)))
    asked = []
    monkeypatch.setattr(planning, "without_blocks", spied(planning.without_blocks, asked))
    settings, last = quick(noise_sigma=0.0), LastPhoto()
    whole, wanted, found = both(photo, settings, models, last=last)
    second = Rectangle(300, 200, 60, 40)
    again = restore(photo, settings, models, crop=second, last=last)
    assert [given[2] is not None for given in asked] == [False, True, True]
    assert psnr(found.photo.pixels, wanted.pixels) > 45
    assert psnr(again.photo.pixels, whole.photo.part(second.part).pixels) > 45


def test_all_layers_are_cropped(models):
    layers = ("restored", "pilot", "generated", "findings")
    photo = photo_of(degraded("dark"))
    whole, _wanted, found = both(photo, quick(layers=layers, noise_sigma=0.0), models)
    assert [layer.name for layer in found.layers] == [layer.name for layer in whole.layers]
    for layer, of in zip(found.layers, whole.layers, strict=True):
        part = of.photo.part(CROP.part).to_samples().astype(float)
        assert np.abs(layer.photo.to_samples() - part).max() <= 1, layer.name
    shares = found.layers[2].photo.pixels
    assert found.generated == pytest.approx((shares.mean(), shares.max()), abs=1 / 255)


def test_a_second_crop_takes_neither_another_look_nor_another_sample(models):
    photo, seen, last = photo_of(degraded("dark")), [], LastPhoto()
    restore(photo, quick(), models, crop=CROP, last=last)
    restore(photo, quick(), models, seen.append, crop=Rectangle(0, 0, 16, 16), last=last)
    steps = [one for one in seen if isinstance(one, Step)]
    assert {step.stage for step in steps} == {"denoise", "transfer"}
    assert isinstance(seen[0], Diagnosed)
    assert seen[0].diagnosis.is_dark
    assert isinstance(seen[1], Described)


def test_other_settings_and_the_whole_take_no_second_measurement(models, monkeypatch):
    photo, measured, last = photo_of(degraded("dark")), [], LastPhoto()
    monkeypatch.setattr(main_path, "measure", spied(main_path.measure, measured))
    settings = quick(noise_sigma=0.0)
    restore(photo, settings, models, crop=CROP, last=last)
    stronger = quick(noise_sigma=0.0, amounts={"light": 1.5})
    found = restore(photo, stronger, models, crop=CROP, last=last)
    whole = restore(photo, stronger, models, last=last)
    assert len(measured) == 1
    assert last.known(photo, stronger) is None
    assert np.array_equal(whole.photo.pixels, restore(photo, stronger, models).photo.pixels)
    assert np.abs(found.photo.pixels - whole.photo.part(CROP.part).pixels).max() <= 1 / 255
    # What is no noise and what is mended are measured otherwise.
    restore(photo, settings, models, crop=CROP, last=last)
    measured.clear()
    restore(photo, quick(amounts={"noise": 0.0}), models, crop=CROP, last=last)
    assert len(measured) == 1


def test_what_a_crop_has_measured_before_it_was_stopped_is_not_measured_again(models, monkeypatch):
    photo, measured, last = photo_of(degraded("dark")), [], LastPhoto()
    monkeypatch.setattr(main_path, "measure", spied(main_path.measure, measured))

    def stop(progress):
        if isinstance(progress, Step):
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        restore(photo, quick(), models, stop, crop=CROP, last=last)
    restore(photo, quick(), models, crop=Rectangle(0, 0, 64, 64), last=last)
    assert len(measured) == 1


def spied(call, calls):
    """The same, noting each call."""

    def spy(*given, **more):
        calls.append(given)
        return call(*given, **more)

    return spy


def test_a_crop_takes_no_more_work_than_the_parts_it_touches():
    size = 2500, 3600
    crop = slice(800, 1312), slice(1000, 1512)
    (alone,) = parts_to_denoise(size, crop)
    assert alone.inner == crop
    assert alone.pixels == (512 + 48) ** 2
    large = slice(0, 513), slice(0, 16)
    assert len(parts_to_denoise(size, large)) == 2


@pytest.mark.parametrize("change", ["photo", "settings", "damage"])
def test_what_was_remembered_is_of_that_photo_and_those_settings_alone(models, change):
    photo, settings, seen = photo_of(degraded("dark")), quick(noise_sigma=0.0), []
    last = LastPhoto()
    restore(photo, settings, models, crop=CROP, last=last)
    if change == "photo":
        samples = photo.to_samples().copy()
        samples[0, 0, 0] += 1
        photo = Photo.from_samples(samples)
    elif change == "settings":
        settings = quick(noise_sigma=0.0, seed=1)
    else:
        mask = np.zeros((photo.height, photo.width), bool)
        mask[60:70, 100:110] = True
        photo, settings = photo.with_damage(mask), quick(noise_sigma=0.0, damage="mask")
    found = restore(photo, settings, models, seen.append, crop=CROP, last=last)
    assert "sample" in {one.stage for one in seen if isinstance(one, Step)}
    wanted = restore(photo, settings, models).photo.part(CROP.part)
    assert np.abs(found.photo.pixels - wanted.pixels).max() <= 1 / 255


def test_damage_that_was_only_noticed_is_found_again_for_a_map_of_it(models):
    photo, last = photo_of(degraded("dark")), LastPhoto()
    restore(photo, quick(), models, crop=CROP, last=last)
    assert last.known(photo, quick(seed=1)) is not None
    assert last.known(photo, quick(layers=("restored", "damage"))) is None
    assert last.known(photo, quick(amounts={"damage": 1.0})) is None


def test_a_sample_is_forgotten_with_the_next_whole_photo_and_on_request(models):
    photo, settings, last = photo_of(degraded("dark")), quick(noise_sigma=0.0), LastPhoto()
    for forget in (last.forget, lambda: restore(photo, settings, models, last=last)):
        restore(photo, settings, models, crop=CROP, last=last)
        known = last.known(photo, settings)
        assert last.sample(known, settings) is not None
        forget()
        assert last.known(photo, settings) is None
        assert last.sample(known, settings) is None


def test_a_border_stays_around_what_of_the_picture_is_seen(models):
    picture, box = bordered(degraded("dark"), sides=(30, 30, 30, 30))
    crop = Rectangle(0, 0, 80, 90)
    whole, wanted, found = both(photo_of(picture), quick(noise_sigma=0.0), models, crop)
    assert whole.diagnosis.inner == found.diagnosis.inner == box
    assert np.abs(found.photo.pixels - wanted.pixels).max() <= 1 / 255
    with pytest.raises(SettingsError, match="border"):
        restore(photo_of(picture), quick(), models, crop=Rectangle(0, 0, 200, 32))


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        (Rectangle(0, 0, 15, 16), "15x16; both sides"),
        (Rectangle(0, 0, 16, 161), "reaches out of the photo of 224x160"),
        (Rectangle(209, 0, 16, 16), "16x16 at 209,0"),
        (Rectangle(-1, 0, 16, 16), "at -1,0"),
    ],
)
def test_crops_that_cannot_be_are_refused(models, crop, words):
    with pytest.raises(SettingsError, match=words):
        restore(photo_of(degraded("fine")), quick(), models, crop=crop)
