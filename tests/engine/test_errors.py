"""The tree of errors: every leaf can be told from every other, by word and by exit code."""

import pytest

from ldrps_engine import errors
from ldrps_engine.errors import BY_REASON, BusyError, InputError, LdrpsError

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, LdrpsError)]
# Of the tree alone: a client may derive kinds that keep the word and exit code of their parent.
LEAVES = [kind for kind in KINDS if not any(k is not kind and issubclass(k, kind) for k in KINDS)]


def test_every_leaf_has_a_word_and_an_exit_code_of_its_own():
    assert len({leaf.reason for leaf in LEAVES}) == len(LEAVES)
    assert len({leaf.exit_code for leaf in LEAVES}) == len(LEAVES)


def test_exit_codes_do_not_mean_success_or_a_crash_of_python():
    # 0 is success and 1 an uncaught exception; from 126 on the shell has meanings of its own.
    assert all(1 < leaf.exit_code < 126 for leaf in LEAVES)


def test_every_leaf_is_found_by_its_word():
    assert set(BY_REASON.values()) == set(LEAVES)
    assert all(BY_REASON[leaf.reason] is leaf for leaf in LEAVES)


@pytest.mark.parametrize("leaf", LEAVES)
def test_the_picture_in_the_docstring_shows_each_leaf_with_its_exit_code(leaf):
    lines = [line.split() for line in errors.__doc__.splitlines() if leaf.__name__ in line]
    assert [line[-2:] for line in lines] == [["exit", str(leaf.exit_code)]]


def test_what_the_caller_can_mend_is_distinguished():
    mendable = {leaf.reason for leaf in LEAVES if issubclass(leaf, InputError)}
    assert mendable == {"settings", "photo", "limit"}


def test_a_busy_daemon_says_when_to_come_back():
    assert BusyError("the queue is full").retry_after > 0
    assert BusyError("the queue is full", 3.0).retry_after == 3.0
    assert str(BusyError("the queue is full", 3.0)) == "the queue is full"
