"""Batches that are made ahead: in order, no further than asked for, and no thread stays behind."""

import itertools
import threading

import pytest

from training.prefetch import Prefetched


def test_batches_come_in_order_and_only_a_few_are_made_ahead():
    begun = itertools.count()
    drawn, full = [], threading.Event()

    def draw():
        drawn.append(next(begun))
        if len(drawn) == 6:
            full.set()
        return drawn[-1]

    with Prefetched(draw, ahead=2) as ready:
        assert [ready.next() for _ in range(3)] == [0, 1, 2]
        # Two wait, and a third is held until there is room.
        assert full.wait(60)
        assert drawn == [0, 1, 2, 3, 4, 5]
    assert not ready._thread.is_alive()


def test_what_was_made_before_an_error_comes_first():
    values = iter([1, 2])
    with Prefetched(lambda: next(values), ahead=8) as ready:
        assert (ready.next(), ready.next()) == (1, 2)
        with pytest.raises(StopIteration):
            ready.next()
    assert not ready._thread.is_alive()
