"""Connected parts of masks, compared with a search from pixel to pixel."""

import numpy as np
import pytest

from ldrps_engine.analysis.components import Components


def searched(mask):
    """Number the parts of a mask from 1, by walking through each."""
    labels, count = np.zeros(mask.shape, int), 0
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start]:
            continue
        count += 1
        labels[start], waiting = count, [start]
        while waiting:
            row, column = waiting.pop()
            rows, columns = slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2)
            new = np.argwhere(mask[rows, columns] & (labels[rows, columns] == 0))
            for place in new + np.array([rows.start, columns.start]):
                labels[tuple(place)] = count
                waiting.append(tuple(place))
    return labels, count


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_parts_are_those_that_touch_also_at_corners(share):
    mask = np.random.default_rng(0).random((40, 61)) < share
    found = Components.of(mask)
    labels, count = searched(mask)
    assert found.count == count
    pairs = np.unique(np.stack([labels[mask], found.labels[mask]]), axis=1)
    assert pairs.shape[1] == count
    assert (found.labels[~mask] == -1).all()


def test_figures_are_those_of_each_part():
    mask = np.zeros((6, 8), bool)
    mask[1, 1:4], mask[4:, 6] = True, True
    values = np.arange(48, dtype=np.float32).reshape(6, 8)
    found = Components.of(mask)
    assert found.areas().tolist() == [3, 2]
    assert found.means(values).tolist() == [10, 42]
    assert found.maxima(values).tolist() == [11, 46]
    chosen = found.chosen(np.array([False, True]))
    assert chosen.sum() == 2
    assert chosen[5, 6]


def test_nothing_marked_has_no_parts():
    found = Components.of(np.zeros((5, 7), bool))
    assert found.count == 0
    assert not found.chosen(np.zeros(0, bool)).any()
