"""Damage that is looked for: found where it is drawn, named, and told from what is none."""

import numpy as np
import pytest

from ldrps_engine.analysis.damage import look_for_damage
from ldrps_engine.analysis.damage_evidence import bare_paper, like_what_is_sure, sure_from
from ldrps_engine.analysis.damage_views import likely_from_sides, probabilities
from support import pictures
from support.damage import iou, scratched

LIKELY = "ldrps_engine.analysis.damage.likely_from_sides"


def bare(picture, marked):
    """Paper where it is marked, as where the emulsion is gone."""
    return np.where(marked[..., None], np.float32(0.92), picture).astype(np.float32)


def test_scratches_are_found_where_they_are_and_named(examples):
    damaged, mask = scratched(examples("low-light") ** 0.6)
    found = look_for_damage(damaged, believed=True)
    assert iou(found.mask, mask) > 0.5
    assert found.is_sure
    assert found.kinds[0] in ("scratches", "cracks")


def test_scratches_are_found_in_strong_noise(examples):
    """A noisy or richly textured photo that is looked at reduced loses its fine scratches."""
    damaged, mask = scratched(examples("low-light") ** 0.6)
    noise = np.random.default_rng(1).standard_normal(damaged.shape, np.float32)
    noisy = np.clip(damaged + np.float32(0.12) * noise, 0, 1)
    found = look_for_damage(noisy, believed=True)
    assert found.is_sure
    assert iou(found.mask, mask) > 0.5


def test_the_edge_of_a_round_mount_is_no_damage_and_a_crack_that_ends_there_is(monkeypatch):
    rows, columns = np.mgrid[-128:128, -128:128]
    visible = np.hypot(rows, columns) < 120
    ring = visible & (np.hypot(rows, columns) > 118.5)
    crack = visible & (np.abs(rows - 0.3 * columns) < 2)
    monkeypatch.setattr(LIKELY, lambda *_: np.where(crack, 0.99, 0.98 * ring).astype(np.float32))
    found = look_for_damage(pictures.natural(256, 256), visible, believed=True)
    assert not (found.mask & ring).any()
    monkeypatch.setattr(LIKELY, lambda *_: np.where(crack, 0.99, 0.0).astype(np.float32))
    found = look_for_damage(pictures.natural(256, 256), visible, believed=True)
    assert found.mask[crack].all()


def test_a_prints_white_border_is_no_damage_and_a_torn_edge_is(monkeypatch):
    border, torn = np.zeros((2, 256, 256), bool)
    border[1:10, 20:236] = border[20:236, 247:255] = True
    reach = 3 + 9 * np.random.default_rng(0).random(256)
    torn[:, :14] = np.arange(14) < reach[:, None]
    likely = np.where(border | torn, 0.98, 0.0).astype(np.float32)
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    found = look_for_damage(pictures.natural(256, 256), believed=True)
    assert not (found.mask & border).any()
    assert found.mask[torn].all()


def test_what_cannot_be_seen_has_no_damage(examples):
    damaged, _ = scratched(examples("low-light") ** 0.6)
    visible = np.ones(damaged.shape[:2], bool)
    visible[:, : damaged.shape[1] // 2] = False
    found = look_for_damage(damaged, visible, believed=True)
    assert found.mask.any()
    assert not (found.mask & ~visible).any()


def test_photos_without_damage_have_none_that_is_sure(examples):
    for name in ("low-light", "haze", "noise", "grey"):
        assert not look_for_damage(examples(name)).is_sure, name


@pytest.mark.parametrize(("width", "filled"), [(4, True), (12, False)])
def test_a_line_is_distinguished_from_a_collar_or_a_cigarette(monkeypatch, width, filled):
    """Both are bright and surely no texture; nothing that is as wide for its length is a crack."""
    likely = np.zeros((256, 256), np.float32)
    rows, columns = np.mgrid[:256, :256]
    likely[(np.abs(rows - columns) < width) & (columns > 90) & (columns < 140)] = 0.97
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    found = look_for_damage(pictures.natural(256, 256), believed=True, stains=False)
    assert found.mask.any() == filled


def test_a_line_that_runs_into_a_sleeve_is_filled_and_the_sleeve_is_not(monkeypatch):
    likely = np.zeros((256, 256), np.float32)
    likely[60:62, 20:220] = 0.99
    likely[60:62, 120:140] = likely[62:90, 110:150] = 0.99
    likely[150:152, 20:220] = 0.99
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    found = look_for_damage(pictures.natural(256, 256), believed=True, stains=False)
    assert found.mask[150:152, 20:220].all()
    assert not found.mask[70:90, 110:150].any()


def test_what_looks_like_sure_damage_is_believed_and_what_looks_like_the_picture_is_not():
    rgb = np.full((96, 96, 3), 0.4, np.float32)
    rgb += np.random.default_rng(1).normal(0, 0.03, rgb.shape).astype(np.float32)
    likely = np.full((96, 96), 0.01, np.float32)
    rgb[20:24], likely[20:24] = 0.95, 0.99
    rgb[60:64, 10:40] = 0.95
    likely[60:64, 10:40] = likely[60:64, 60:90] = 0.45
    found = like_what_is_sure(rgb, likely, likely > 0.9)
    assert found[60:64, 10:40].min() > 0.9
    assert found[60:64, 60:90].max() < 0.1
    # Colours alone make nothing damaged.
    rgb[80:84] = 0.95
    assert like_what_is_sure(rgb, likely, likely > 0.9)[80:84].max() < 0.5


def test_paper_white_specks_that_are_doubted_go_along_with_a_sure_scratch(monkeypatch):
    rgb = pictures.natural(256, 256) * np.float32(0.7)
    likely = np.full((256, 256), 0.01, np.float32)
    rgb[60:63, 10:240], likely[60:63, 10:240] = 0.97, 0.99
    rgb[150:155, 40:45] = 0.97
    likely[150:155, 40:45] = likely[150:155, 140:145] = 0.5
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    found = look_for_damage(rgb, believed=True)
    assert found.mask[150:155, 40:45].all()
    assert not found.mask[150:155, 140:145].any()


def test_a_small_photo_is_looked_at_from_several_sides_and_nothing_is_turned():
    damaged = pictures.natural(96, 128)
    damaged[20:23, 10:90] = 1
    once, often = likely_from_sides(damaged, 1), likely_from_sides(damaged, 4)
    assert not np.array_equal(once, often)
    assert np.corrcoef(once.ravel(), often.ravel())[0, 1] > 0.9
    mirrored = likely_from_sides(np.ascontiguousarray(damaged[:, ::-1]), 4)[:, ::-1]
    assert np.abs(mirrored - often).max() < 1e-3


def test_probabilities_do_not_depend_on_how_a_photo_is_cut_into_parts(monkeypatch):
    rgb = pictures.natural(160, 288)
    whole = probabilities(rgb)
    monkeypatch.setattr("ldrps_engine.analysis.damage_views._SIDE", 144)
    # What lies farther away than the overlap counts for next to nothing.
    assert np.abs(probabilities(rgb) - whole).mean() < 0.01


def test_a_large_photo_is_looked_at_reduced_and_its_mask_has_its_own_size(monkeypatch, examples):
    damaged, mask = scratched(examples("low-light") ** 0.6)
    large, truth = (np.kron(v, np.ones((2, 2, 1)[: v.ndim])) for v in (damaged, mask))
    monkeypatch.setattr("ldrps_engine.analysis.damage._MOST_PIXELS", mask.size)
    found = look_for_damage(large.astype(np.float32), believed=True)
    assert found.mask.shape == large.shape[:2]
    assert iou(found.mask, truth > 0) > 0.4


def test_of_a_large_photo_the_worst_place_tells_whether_the_rest_is_looked_at(monkeypatch):
    looked_at = []

    def likely(rgb, _views):
        looked_at.append(rgb.shape[:2])
        marked = np.zeros(rgb.shape[:2], np.float32)
        # Each glint of the glance is none when it is looked at closely.
        if len(looked_at) == 1 or damaged:
            marked[::16, 40:60] = marked[8::16, 140:160] = 1
        return marked

    monkeypatch.setattr(LIKELY, likely)
    monkeypatch.setattr("ldrps_engine.analysis.damage._GLANCE", 256 * 256)
    rgb = np.full((1024, 1024, 3), 0.5, np.float32)
    for damaged, last in ((False, (409, 409)), (True, (1024, 1024))):
        looked_at.clear()
        found = look_for_damage(rgb)
        assert looked_at[0] == (256, 256)
        assert looked_at[-1] == last
        assert found.seen.shape == (1024, 1024)
        assert found.probability == pytest.approx(0) or damaged


def test_a_mask_is_drawn_at_full_size_on_request(monkeypatch, examples):
    damaged, mask = scratched(examples("low-light") ** 0.6)
    large = np.kron(damaged, np.ones((2, 2, 1))).astype(np.float32)
    monkeypatch.setattr("ldrps_engine.analysis.damage._MOST_PIXELS", mask.size)
    monkeypatch.setattr("ldrps_engine.analysis.damage.with_rims", None)
    found = look_for_damage(large, believed=True)
    assert found.probability > 0
    assert found.seen.shape == mask.shape
    with pytest.raises(TypeError):
        found.mask  # noqa: B018


def test_of_a_soft_scan_less_is_sure_and_where_nothing_is_that_is_no_reason():
    likely = np.zeros((64, 64), np.float32)
    likely[:8, :8] = 0.95
    assert 0.85 < sure_from(likely, 0.97) < 0.9
    likely[:8, :8] = 0.999
    assert sure_from(likely, 0.97) == pytest.approx(0.97)
    likely[:8, :8] = 0.7
    assert sure_from(likely, 0.97) == pytest.approx(0.95)


@pytest.mark.parametrize(("spread", "bare"), [(0.03, True), (0.15, False)])
def test_bare_paper_is_of_one_colour_and_what_shines_through_is_not(spread, bare):
    noise = np.random.default_rng(0).standard_normal((20, 25, 3), np.float32)
    shown = np.float32(0.9) + np.float32(spread) * noise
    sure = np.ones((20, 25), bool)
    shown[3, 4] = 0.4
    paper = bare_paper(shown, sure)
    if bare:
        assert paper.mean() > 0.99
        assert not paper[3, 4]
    else:
        assert paper is None


def test_dark_beams_that_are_taken_for_damage_are_no_paper_and_white_cracks_stay(monkeypatch):
    cracks, beams = np.zeros((2, 256, 256), bool)
    cracks[20::80, 10:240] = True
    beams[40:52, 10:240] = True
    likely = np.select([cracks, beams], [0.99, 0.98], 0.001).astype(np.float32)
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    picture = 0.3 + 0.5 * pictures.natural(256, 256)
    picture[cracks], picture[beams] = 0.95, 0.1
    assert bare_paper(picture, cracks | beams) is None
    assert look_for_damage(picture, believed=True).mask[cracks].all()


def test_where_sure_damage_is_bare_paper_a_wide_doubtful_part_of_it_is_damage_and_a_lamp_is_not(
    monkeypatch,
):
    """The fold is as white as the sure scratches, the lamp is as likely, but of another colour."""
    scratches, fold, lamp = np.zeros((3, 256, 256), bool)
    scratches[20::50, 10:240] = True
    fold[100:112, 10:240] = True
    lamp[200:212, 30:60] = True
    fold &= ~scratches
    lamp &= ~scratches
    likely = np.select([scratches, fold, lamp], [0.99, 0.3, 0.97], 0.001).astype(np.float32)
    likely[104:106, 10:60] = 0.9
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    picture = bare(0.5 * pictures.natural(256, 256), scratches | fold)
    picture[lamp] = (0.6, 0.3, 0.3)
    found = look_for_damage(picture, believed=True)
    assert found.mask[scratches].all()
    assert found.mask[fold].mean() > 0.95
    assert not found.mask[lamp].any()
