"""Tones are carried by a field of colour maps, and work is done in tiles."""

import numpy as np
import pytest
import torch

from ldrps_engine.transfer.colour_field import ColourField, Smoothness
from ldrps_engine.transfer.tiles import each, tiles
from support import pictures
from training.metrics import psnr


@pytest.fixture(scope="module")
def natural():
    return pictures.natural(64, 96)


def tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).contiguous()


def array(image):
    return image.permute(1, 2, 0).numpy()


def field(source, target):
    return ColourField.fit(source, target, source.mean(0), torch.ones_like(source[0]), Smoothness())


def test_a_field_between_equal_images_is_the_identity(natural):
    image = tensor(natural)
    # 50 dB is below the rounding of 8 bits.
    assert psnr(array(field(image, image).apply(image, image.mean(0))), natural) > 50


def test_a_field_recovers_an_affine_map_of_colours(natural):
    source = tensor(natural)
    matrix = torch.tensor([[1.5, 0.1, -0.1], [0.0, 1.2, 0.1], [0.1, -0.2, 0.9]])
    offset = torch.tensor([0.05, -0.1, 0.02])
    target = torch.einsum("kc,chw->khw", matrix, source) + offset[:, None, None]
    found = field(source, target).apply(source, source.mean(0))
    assert psnr(array(found), array(target)) > 50


def test_a_field_follows_a_gradual_change_over_the_photo(natural):
    source = tensor(natural)
    target = source * torch.linspace(0.5, 1.5, source.shape[-1])
    found = field(source, target).apply(source, source.mean(0))
    # One map for the whole photo would leave 20 dB.
    assert psnr(array(found), array(target)) > 32


def test_a_field_fitted_on_a_small_image_serves_the_large_one(natural):
    source = tensor(natural)
    small = torch.nn.functional.avg_pool2d(source, 2)
    fitted = field(small, small * 0.5 + 0.1)
    found = fitted.apply(source, source.mean(0))
    assert psnr(array(found), array(source * 0.5 + 0.1)) > 45


def test_a_field_does_not_learn_the_noise_of_its_target(natural):
    source = tensor(natural)
    noise = torch.randn(source.shape, generator=torch.manual_seed(0)) * 0.1
    found = field(source, source + noise).apply(source, source.mean(0))
    # The noise itself is at 20 dB; a thousand maps of twelve numbers average most of it out.
    assert psnr(array(found), natural) > 27


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_field_of_flat_images_is_finite(value):
    flat = torch.full((3, 16, 40), value)
    assert torch.isfinite(field(flat, flat).apply(flat, flat.mean(0))).all()


@pytest.mark.parametrize("size", [(16, 16), (448, 449), (1000, 700), (17, 2000)])
@pytest.mark.parametrize("overlap", [0, 24])
def test_tiles_keep_every_pixel_once_and_lie_inside(size, overlap):
    counts = np.zeros(size, int)
    for tile in tiles(*size, 256, overlap):
        counts[tile.outer][tile.kept] += 1
        assert counts[tile.inner].all()
        for inner, outer, length in zip(tile.inner, tile.outer, size, strict=True):
            assert 0 <= outer.start <= inner.start < inner.stop <= outer.stop <= length
            assert inner.stop - inner.start <= 256
    assert np.all(counts == 1)


def test_what_is_raised_in_between_ends_the_work():
    class Enough(Exception):
        pass

    def work(tile, check):
        worked.append(tile)
        while True:
            check()

    def stop(_):
        raise Enough

    worked = []
    with pytest.raises(Enough):
        each(tiles(64, 64, 4, 0), work, stop)
    assert 1 <= len(worked) <= torch.get_num_threads()


def test_an_error_in_a_part_is_the_callers():
    def work(tile, check):
        raise MemoryError

    with pytest.raises(MemoryError):
        each(tiles(64, 64, 32, 0), work, lambda _: None)


@pytest.mark.parametrize("cells", [(2, 2), (3, 16), (11, 16)])
def test_maps_are_interpolated_between_cells_as_torch_samples_a_grid(cells):
    grid = torch.randn(1, 12, 8, *cells, generator=torch.Generator().manual_seed(1))
    source = torch.rand(3, 90, 70) * 1.2 - 0.1
    size, part = (300, 400), (slice(200, 290), slice(25, 95))
    guide = source.mean(0)
    y, x = (
        (torch.arange(of.start, of.stop) * 2 + 1) / side - 1
        for of, side in zip(part, size, strict=True)
    )
    where = [x.expand(guide.shape), y[:, None].expand(guide.shape), guide.clamp(0, 1) * 2 - 1]
    maps = torch.nn.functional.grid_sample(
        grid, torch.stack(where, -1)[None, None], align_corners=False, padding_mode="border"
    )[0, :, 0].unflatten(0, (4, 3))
    wanted = (maps[:3] * source[:, None]).sum(0) + maps[3]
    mapped = ColourField(grid).apply_part(source, guide, size, part)
    # The same sums in another order.
    torch.testing.assert_close(mapped, wanted, atol=2e-5, rtol=0)
