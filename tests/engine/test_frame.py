"""Borders are found, photos without one are left whole, and what is done inside stays inside."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ldrps_engine.analysis.frame import find_frame
from ldrps_engine.analysis.inset import Inset, diagnose_photo
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Diagnosed, Step
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures
from training.metrics import psnr

WHITE, BLACK, PAPER = (0.97, 0.97, 0.97), (0.02, 0.02, 0.02), (0.95, 0.925, 0.86)
SIZE = (160, 224)


def photo_of(picture, dtype=np.uint8):
    return Photo.from_samples(pictures.samples(picture, dtype))


def bordered(picture, colour=WHITE, sides=(12, 12, 12, 12), sigma=0.0):
    """Add so many pixels of a colour at the top, bottom, left and right."""
    top, bottom, left, right = sides
    height, width = picture.shape[:2]
    whole = np.tile(np.array(colour, float), (height + top + bottom, width + left + right, 1))
    whole += np.random.default_rng(3).normal(0, sigma / 255, whole.shape)
    whole[top : top + height, left : left + width] = picture
    return whole.astype(np.float32), Rectangle(left, top, width, height)


def degraded(kind, seed=1):
    natural = pictures.natural(*SIZE, seed=seed)
    return {
        "fine": lambda: natural,
        "noisy": lambda: pictures.noisy(natural, 18),
        "dark": lambda: pictures.darkened(natural, 0.05),
        "hazy": lambda: pictures.hazed(natural),
        "faded": lambda: 0.35 + 0.4 * pictures.grey(natural),
    }[kind]()


KINDS = ["fine", "noisy", "dark", "hazy", "faded"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", [WHITE, BLACK, PAPER, (0, 0, 0), (1, 1, 1)])
@pytest.mark.parametrize(
    "sides", [(1, 1, 1, 1), (3, 2, 3, 4), (8, 8, 8, 8), (20, 14, 9, 17), (75, 75, 75, 75)]
)
def test_the_picture_in_a_plain_border_is_found_to_the_pixel(kind, colour, sides):
    whole, inside = bordered(degraded(kind), colour, sides)
    frame = find_frame(photo_of(whole))
    assert frame is not None
    assert (frame.rectangle, frame.mask) == (inside, None)


@pytest.mark.parametrize("kind", ["noisy", "dark", "hazy", "faded"])
def test_the_diagnosis_is_that_of_the_picture_alone(kind):
    picture = pictures.samples(degraded(kind), np.uint8)
    whole, inside = bordered(picture / np.float32(255), PAPER)
    alone, found = (
        diagnose_photo(Photo.from_samples(s)) for s in (picture, photo_of(whole).to_samples())
    )
    assert alone.inner is None
    assert found == replace(alone, inner=inside)
    assert found.words() == f"{alone.words()}; border left as it is"


@pytest.mark.parametrize("sides", [(20, 20, 0, 0), (0, 0, 30, 30), (9, 14, 11, 0)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_letterboxes_and_borders_on_three_sides_are_found(sides, dtype):
    whole, inside = bordered(degraded("fine"), BLACK, sides)
    assert find_frame(photo_of(whole, dtype)).rectangle == inside


@pytest.mark.parametrize("kind", ["fine", "noisy", "dark", "hazy"])
@pytest.mark.parametrize("colour", [WHITE, PAPER])
def test_a_scanners_noise_on_paper_hides_no_border(kind, colour):
    whole, inside = bordered(degraded(kind), colour, sigma=2)
    box = find_frame(photo_of(whole)).rectangle
    assert near(box, inside, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quality", [95, 80])
def test_a_jpeg_of_a_border_is_found_within_a_pixel(kind, quality):
    whole, inside = bordered(degraded(kind), (1, 1, 1), (18, 21, 14, 19))
    file = pictures.as_jpeg(Image.fromarray(pictures.samples(whole, np.uint8)), quality)
    frame = find_frame(Photo.from_samples(np.asarray(Image.open(file))))
    assert frame is not None
    assert near(frame.rectangle, inside, 1)


def near(box, other, pixels):
    ends = [(r.left, r.top, r.left + r.width, r.top + r.height) for r in (box, other)]
    return np.abs(np.subtract(*ends)).max() <= pixels


def test_a_border_around_a_border_is_found():
    """A photo with a thin black line around it, on white."""
    line, _ = bordered(degraded("fine"), (0, 0, 0), (2, 2, 2, 2))
    whole, _ = bordered(line, WHITE, (14, 14, 14, 14))
    assert find_frame(photo_of(whole)).rectangle == Rectangle(16, 16, SIZE[1], SIZE[0])


def test_large_photos_are_looked_at_in_part_and_found_to_the_pixel():
    large = resize(pictures.natural(300, 560), (1500, 2800))
    whole, inside = bordered(large, WHITE, (41, 38, 43, 47))
    assert find_frame(photo_of(whole)).rectangle == inside


def scenes():
    """Photos that end in plain parts."""
    natural = pictures.natural(*SIZE)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    hill = y > 90 + 25 * np.sin(x / 30)
    sky = np.where(hill[..., None], natural, 1.0)
    night = np.where(hill[..., None], 0.0, pictures.darkened(natural))
    disc = (y - 80) ** 2 / 60**2 + (x - 112) ** 2 / 70**2
    bumps = 1 + 0.12 * np.sin(9 * np.arctan2(y - 80, x - 112))
    thing = np.where((disc < bumps)[..., None], natural, 1.0)
    portrait = np.where((disc < bumps)[..., None], natural, 0.0)
    wall = np.broadcast_to(0.6 + 0.1 * np.linspace(0, 1, SIZE[1])[:, None], natural.shape)
    horizon = np.where((y > 70)[..., None], natural, 1.0)
    figure = ((x - 112) ** 2 / 30**2 + (y - 60) ** 2 / 45**2 < 1) | (
        (y > 100) & (np.abs(x - 112) < y - 60)
    )
    silhouette = np.where(figure[..., None], 0.02, np.linspace(0.95, 0.7, SIZE[0])[:, None, None])
    return {
        "clear sky": sky,
        "night sky": night[::-1],
        "white ground": thing,
        "black background": portrait,
        "wall": wall,
        "horizon": horizon,
        "silhouette": silhouette * np.ones(3),
        "flat": np.full_like(natural, 0.5),
        "white": np.ones_like(natural),
        "photo": natural,
    }


@pytest.mark.parametrize("scene", scenes())
@pytest.mark.parametrize("sigma", [0, 1, 6])
def test_plain_parts_of_a_photo_are_no_frame(scene, sigma):
    assert find_frame(photo_of(pictures.noisy(scenes()[scene], sigma))) is None


def shaped(shape, kind="fine", colour=(0.0, 0.0, 0.0)):
    """(photo, where the picture is) of a picture that fills a part of its rectangle."""
    whole, box = bordered(degraded(kind), colour, (24, 24, 24, 24))
    y, x = np.mgrid[: whole.shape[0], : whole.shape[1]] + 0.5
    across, down = box.left + box.width / 2, box.top + box.height / 2
    dx, dy = np.abs(x - across), np.abs(y - down)
    if shape == "oval":
        inside = (dx / (box.width / 2)) ** 2 + (dy / (box.height / 2)) ** 2 <= 1
    elif shape == "rounded":
        radius = 16
        cx, cy = dx - box.width / 2 + radius, dy - box.height / 2 + radius
        inside = (np.hypot(np.maximum(cx, 0), np.maximum(cy, 0)) <= radius) & (
            (dx < box.width / 2) & (dy < box.height / 2)
        )
    else:
        angle = np.radians(1.6)
        u = (x - across) * np.cos(angle) + (y - down) * np.sin(angle)
        v = (y - down) * np.cos(angle) - (x - across) * np.sin(angle)
        inside = (np.abs(u) < box.width / 2 - 4) & (np.abs(v) < box.height / 2 - 4)
    return np.where(inside[..., None], whole, np.array(colour)).astype(np.float32), inside


@pytest.mark.parametrize("shape", ["oval", "rounded", "askew"])
@pytest.mark.parametrize("colour", [(0.0, 0.0, 0.0), PAPER])
@pytest.mark.parametrize("kind", ["fine", "noisy", "dark", "hazy"])
def test_ovals_rounded_corners_and_prints_askew_are_found_with_a_mask(shape, colour, kind):
    whole, inside = shaped(shape, kind, colour)
    frame = find_frame(photo_of(whole))
    assert frame is not None
    assert frame.mask is not None
    found = np.zeros_like(inside)
    found[frame.rectangle.part] = frame.mask
    # Pixels of the picture that have the border's colour and touch it may count as border.
    assert (found != inside).mean() < 0.003


def test_measurements_of_an_oval_ignore_what_is_around_it():
    whole, _ = shaped("oval", "dark", (1.0, 1.0, 1.0))
    assert diagnose_photo(photo_of(whole)).is_dark
    assert diagnose_photo(photo_of(degraded("dark"))).is_dark


def test_transparent_margins_are_no_part_of_the_picture():
    samples = pictures.samples(degraded("dark"), np.uint8)
    whole = np.zeros((SIZE[0] + 60, SIZE[1] + 90, 4), np.uint8)
    whole[20:-40, 30:-60, :3], whole[20:-40, 30:-60, 3] = samples, 255
    assert find_frame(Photo.from_samples(whole)).rectangle == Rectangle(30, 20, SIZE[1], SIZE[0])


@pytest.mark.parametrize(
    ("dtype", "channels"), [("uint8", 3), ("uint16", 4), ("float32", 1), ("uint8", 2)]
)
@pytest.mark.parametrize("shape", ["straight", "oval"])
def test_the_border_comes_back_to_the_bit(models, dtype, channels, shape):
    whole, inside = shaped("oval", "dark", PAPER)
    if shape == "straight":
        whole, box = bordered(degraded("dark"), PAPER)
        inside = np.zeros(whole.shape[:2], bool)
        inside[box.part] = True
    samples = pictures.samples(whole[..., : 1 if channels < 3 else 3], dtype)
    if channels in (2, 4):
        alpha = pictures.samples(np.full(samples.shape[:2], 0.6), dtype)[..., None]
        samples = np.concatenate([samples, alpha], axis=2)
    settings = Settings(recipe="low-light", steps=1, recurrences=0, noise_sigma=0.0)
    found = restore(Photo.from_samples(samples), settings, models)
    back = found.photo.to_samples()
    assert (back.shape, back.dtype) == (samples.shape, samples.dtype)
    assert np.array_equal(back[~inside], samples[~inside])
    colours = 1 if channels < 3 else 3
    assert back[inside][:, :colours].mean() > 1.5 * samples[inside][:, :colours].mean()
    assert np.array_equal(back[..., colours:], samples[..., colours:])


@pytest.mark.parametrize("colour", [WHITE, BLACK])
@pytest.mark.parametrize("kind", ["noisy", "dark", "hazy"])
def test_the_result_inside_is_that_of_the_photo_without_its_border(models, kind, colour):
    picture = pictures.samples(degraded(kind)[:64, :96], np.uint8)
    whole, inside = bordered(picture / np.float32(255), colour, (3, 2, 4, 5))
    settings = Settings(steps=2, recurrences=0)
    alone = restore(Photo.from_samples(picture), settings, models).photo
    framed = restore(photo_of(whole), settings, models).photo
    assert not np.array_equal(alone.to_samples(), picture)
    # As asked for; it is the same to the bit where the rectangle is.
    assert psnr(framed.pixels[inside.part], alone.pixels) >= 45


def test_layers_and_what_is_reported_are_of_the_whole_photo(models):
    whole, inside = bordered(degraded("dark")[:64, :96], WHITE, (8, 8, 8, 8))
    reported = []
    settings = Settings(
        recipe="low-light", steps=1, recurrences=0, layers=("restored", "pilot", "generated")
    )
    found = restore(photo_of(whole), settings, models, reported.append)
    before = photo_of(whole).to_samples()
    for layer in found.layers:
        samples = layer.photo.to_samples()
        assert samples.shape[:2] == before.shape[:2]
        around = samples.copy()
        around[inside.part] = 0
        expected = np.zeros_like(samples) if layer.name == "generated" else before.copy()
        expected[inside.part] = 0
        assert np.array_equal(around, expected), layer.name
    mapped = found.layers[2].photo.pixels
    assert found.generated[0] == pytest.approx(float(mapped.mean()), abs=2e-3)
    assert found.diagnosis.inner == inside
    assert [p.diagnosis.inner for p in reported if isinstance(p, Diagnosed)] == [inside]
    preview = next(p.preview for p in reported if isinstance(p, Step) and p.preview)()
    assert preview.shape == before.shape
    assert np.array_equal(preview[:8], before[:8])


def test_a_grey_photo_that_gains_colours_keeps_its_border(models):
    whole, inside = bordered(pictures.grey(degraded("fine"))[:64, :96], WHITE, (8, 8, 8, 8))
    settings = Settings(recipe="colour", steps=1, recurrences=0)
    found = restore(photo_of(whole[..., :1]), settings, models).photo.to_samples()
    around = np.ones(whole.shape[:2], bool)
    around[inside.part] = False
    assert found.shape == (80, 112, 3)
    assert np.array_equal(found[around], photo_of(whole).to_samples()[around])


def test_without_a_frame_nothing_is_copied(natural):
    photo = photo_of(natural)
    assert Inset.of(photo).picture is photo
