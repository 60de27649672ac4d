"""The picture of PSNR over CPU seconds a megapixel."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import quality
from benchmarks.cost_chart import (
    _common,
    _costs_marked,
    _free_place,
    _ratios_marked,
    _split,
    draw_costs,
    main,
)
from benchmarks.report import Row, write_json


def row(method: str, psnr: float, cost: float, of: str = "a") -> Row:
    return Row(
        set=of,
        method=method,
        n=3,
        psnr=psnr,
        ssim=0.9,
        lpips=None,
        seconds=1.0,
        cpu_per_megapixel=cost,
    )


ROWS = [
    row("degraded", 20.0, 0.0), row("auto", 34.0, 12.0), row("fast", 33.6, 2.5),
    row("ffdnet", 33.0, 5.0), row("wavelets", 30.0, 0.2), row("gamma", 18.0, 0.01),
]  # fmt: skip


def rows_of(name: str) -> list[Row]:
    return [row(each.method, each.psnr, each.cpu_per_megapixel, name) for each in ROWS]


def reds(picture: Image.Image) -> np.ndarray:
    """(row, column) of the pixels in the colour of what is ours."""
    pixels = np.asarray(picture).astype(int)
    return np.argwhere(np.abs(pixels - (190, 45, 35)).max(axis=2) < 10)


def test_a_panel_for_each_set():
    one = draw_costs(ROWS)
    two = draw_costs(ROWS + rows_of("b"))
    assert two.size == (2 * one.width, one.height)
    assert two.crop((0, 0, *one.size)).tobytes() == one.tobytes()
    three = draw_costs(ROWS + rows_of("b") + rows_of("c"))
    assert three.size == (2 * one.width, 2 * one.height)


def test_dearer_is_to_the_right_and_better_above():
    def place(psnr: float, cost: float) -> np.ndarray:
        # The other two fix the range of both axes.
        ends = [row("wavelets", 30.0, 0.1), row("bm3d", 35.0, 100.0)]
        return reds(draw_costs([*ends, row("auto", psnr, cost)])).mean(axis=0)

    low, high = place(31.0, 1.0), place(34.0, 10.0)
    assert high[0] < low[0] - 200
    assert high[1] > low[1] + 100


def test_methods_no_better_than_the_photo_are_named_instead_of_drawn():
    shown, worse = _split(ROWS)
    assert [each.method for each in shown] == ["auto", "fast", "ffdnet", "wavelets"]
    assert [each.method for each in worse] == ["gamma"]
    without = draw_costs(ROWS[:-1])
    differs = np.argwhere((np.asarray(without) != np.asarray(draw_costs(ROWS))).any(axis=2))
    # Below the panel alone: the axes are the same.
    assert differs[:, 0].min() > 64 + 470


def test_labels_of_near_points_do_not_overlap():
    bounds = (0.0, 0.0, 700.0, 500.0)
    points = [(650.0 + 4 * k, 250.0 + 3 * k) for k in range(6)]
    taken = [(x - 9, y - 9, x + 9, y + 9) for x, y in points]
    labels = []
    for x, y in points:
        labels.append(_free_place(x, y, 70, 15, [*taken, *labels], bounds))
    for a, b in itertools.combinations(labels, 2):
        assert _common(a, b) == 0
    for a, b in itertools.product(labels, taken):
        assert _common(a, b) == 0
    assert all(a[0] >= 0 and a[1] >= 0 and a[2] <= 700 and a[3] <= 500 for a in labels)


def test_axes_have_round_figures():
    assert _costs_marked(0.15, 30) == pytest.approx([0.2, 0.5, 1, 2, 5, 10, 20])
    assert _costs_marked(0.05, 300) == pytest.approx([0.1, 1, 10, 100])
    assert _ratios_marked(29.7, 34.4) == [30, 31, 32, 33, 34]


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[:2], [row("auto", 34.0, 0.0)], ROWS[-1:]])
def test_few_rows_are_drawn_as_well(rows):
    assert draw_costs(rows).width > 700


def test_drawn_again_from_what_was_measured(tmp_path, capsys):
    for name in "ab":
        write_json(tmp_path / f"{name}.json", rows_of(name))
    given = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert main([*given, str(tmp_path / "both.png")]) == 0
    with Image.open(tmp_path / "both.png") as picture:
        assert picture.tobytes() == draw_costs(rows_of("a") + rows_of("b")).tobytes()
    (tmp_path / "a.json").write_text(json.dumps([{"set": "a", "method": "auto"}]))
    for arguments, sentence in (
        ([given[0], str(tmp_path / "c.png")], "a.json does not hold rows"),
        ([given[1], str(tmp_path / "c.doc")], "is no kind of picture"),
        ([given[1], str(tmp_path / "no/c.png")], "No such file"),
    ):
        assert main(arguments) == 2
        errors = capsys.readouterr().err
        assert sentence in errors
        assert errors.count("\n") == 1


def test_the_benchmark_draws_it(tmp_path):
    for name, value in (("reference", 120), ("degraded", 60)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (48, 48), (value, value, value)).save(tmp_path / name / "a.png")

    def brighten(recipe: str, seed: int):
        return lambda photo: photo * 2 - 1

    chart = tmp_path / "chart.png"
    assert quality.main(["--set", f"a={tmp_path}", "--chart", str(chart)], factory=brighten) == 0
    with Image.open(chart) as picture:
        assert len(reds(picture)) > 200
