"""Estimates are learnt from what jobs took."""

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.estimates import Course, Estimator, kind_of, work_of
from ldrps_daemon.storage.rows import Timing


def learnt(*pairs, kind="k"):
    made = Estimator()
    made.learn(Timing(kind=kind, pixels=pixels, seconds=took) for pixels, took in pairs)
    return made


def test_nothing_is_claimed_before_anything_is_known():
    assert Estimator().seconds("k", 10**6) == 0
    assert Estimator().left("k", 10**6, elapsed=0, share=0) == 0


def test_a_fixed_part_and_one_per_pixel_are_found():
    made = learnt(*((n * 10**6, 3 + 2 * n) for n in range(1, 9)))
    assert made.seconds("k", 20 * 10**6) == pytest.approx(43)
    assert made.seconds("k", 0) == pytest.approx(3)


def test_estimates_are_never_below_zero():
    made = learnt((10**6, 30.0), (2 * 10**6, 20.0), (3 * 10**6, 10.0))
    assert made.seconds("k", 90 * 10**6) > 0
    steep = learnt((10**6, 1.0), (2 * 10**6, 100.0))
    assert steep.seconds("k", 1000) >= 0


def test_what_was_measured_lately_counts_more():
    made = learnt(*([(10**6, 10.0)] * 40 + [(10**6, 20.0)] * 40))
    assert made.seconds("k", 10**6) > 18


def test_a_kind_of_its_own_is_preferred_to_all_others():
    made = learnt((10**6, 5.0))
    made.learn([Timing(kind="other", pixels=10**6, seconds=50.0)])
    assert made.seconds("k", 10**6) == pytest.approx(5)
    assert 5 < made.seconds("new", 10**6) < 50


def test_towards_its_end_a_job_is_its_own_guide():
    made = learnt((10**6, 100.0))
    assert made.left("k", 10**6, elapsed=0, share=0) == pytest.approx(100)
    assert made.left("k", 10**6, elapsed=90, share=0.9) == pytest.approx(10)
    # Twice as slow as expected, and believed.
    assert made.left("k", 10**6, elapsed=180, share=0.9) > 15


QUICK_END = (*range(10, 91, 20), 95, 96, 97, 98, 100)
"""Ten seconds for the first tenth of the steps, then twenty each, then next to none."""


def test_steps_may_be_unequally_long():
    made = Estimator()
    made.learn([Timing(kind="k", pixels=10**6, seconds=100.0, marks=QUICK_END)])
    assert made.left("k", 10**6, elapsed=90, share=0.5) == pytest.approx(10)
    assert made.left("k", 10**6, elapsed=10, share=0.1) == pytest.approx(90)
    assert made.left("k", 10**6, elapsed=20, share=0.15) == pytest.approx(80)
    assert made.rest("k", 10**6, share=0.9) == pytest.approx(2)
    # Half as quick as expected: believed a little at first, and quite at the end.
    assert made.left("k", 10**6, elapsed=20, share=0.1) == pytest.approx(90, rel=0.1)
    assert made.left("k", 10**6, elapsed=196, share=0.9) == pytest.approx(4, rel=0.1)


def test_what_is_slow_may_depend_on_the_size():
    """Half of the steps take the same for all photos, the others grow with them."""
    made = Estimator()
    for size in (1, 2, 4):
        marks = tuple(range(1, 6)) + tuple(5 + size * n for n in range(1, 6))
        timing = Timing(kind="k", pixels=size * 10**6, seconds=float(marks[-1]), marks=marks)
        made.learn([timing] * 3)
    assert made.left("k", 3 * 10**6, elapsed=5, share=0.5) == pytest.approx(15, rel=0.01)
    assert made.left("k", 8 * 10**6, elapsed=5, share=0.5) == pytest.approx(40, rel=0.01)


def test_the_first_job_of_all_is_its_own_guide_once_its_models_are_loaded():
    course = Course()
    for done, second in ((1, 50.0), (2, 51.0), (3, 52.0)):
        course.step(pb.Step(index=done, count=10), second)
    assert course.begun == (0.1, 50.0)
    left = [Estimator().left("k", 1, 49.0 + n, n / 10, course.begun) for n in (1, 2, 3)]
    assert left == pytest.approx([0, 8, 7])


def test_one_job_that_was_held_up_is_not_believed():
    """The first waits for what is compiled and read once."""
    made = learnt((10**6, 60.0), *[(n * 10**6, 10.0 * n) for n in (1, 2, 3, 2, 1)])
    assert made.seconds("k", 2 * 10**6) == pytest.approx(20, rel=0.1)


def test_a_course_has_a_mark_for_each_tenth():
    course = Course()
    for done, second in ((1, 2.0), (2, 3.0), (4, 7.0)):
        course.step(pb.Step(index=done, count=4), second)
    assert course.marks(7.5) == (2, 2, 3, 3, 3, 7, 7, 7, 7, 7.5)
    tens = Course()
    for done in range(1, 11):
        tens.step(pb.Step(index=done, count=10), float(done))
    assert tens.marks(10.0) == tuple(range(1, 11))


def test_kinds_tell_apart_what_takes_other_times():
    kinds = {
        kind_of(pb.Settings(**settings), device)
        for settings in (
            {},
            {"steps": 3},
            {"recurrences": 0},
            {"model": "sd21"},
            {"recipe": "haze"},
        )
        for device in ("cpu", "cuda:0")
    }
    assert len(kinds) == 10
    assert kind_of(pb.Settings(), "cuda:0") == kind_of(pb.Settings(), "cuda:1")
    assert kind_of(pb.Settings(model="bundled", recipe="auto"), "cpu") == kind_of(
        pb.Settings(), "cpu"
    )


STEPS = 60
"""Steps of the sampler and of what follows; a good photo has two, which take it a second."""


def clean(seconds=1.0):
    course = Course()
    for done in (1, 2):
        course.step(pb.Step(stage="transfer", index=done, count=2), seconds * done / 2)
    return course


def sampled(seconds=60.0):
    course = Course()
    for done in range(1, STEPS + 1):
        stage = "sample" if done < 50 else "transfer"
        course.step(pb.Step(stage=stage, index=done, count=STEPS), seconds * done / STEPS)
    return course


def taught(*courses):
    made = Estimator()
    for course, seconds in courses:
        timing = Timing(
            kind=course.work("k"), pixels=10**6, seconds=seconds, marks=course.marks(seconds)
        )
        made.learn([timing])
    return made


@pytest.mark.parametrize("known", [0, 1, 3])
def test_good_photos_teach_nothing_about_bad_ones(known):
    """After twenty that needed nothing, a minute's work was told to take no time at all."""
    courses = [(sampled(), 60.0)] * known + [(clean(), 1.0)] * 20
    made = taught(*courses)
    assert made.seconds("k", 10**6) == pytest.approx(1.0)
    course = Course()
    reported = []
    for done in range(1, STEPS):
        elapsed = 60.0 * done / STEPS
        share = course.step(pb.Step(stage="sample", index=done, count=STEPS), elapsed)
        reported.append(made.left(course.work("k"), 10**6, elapsed, share, course.begun))
    truth = [60.0 * (STEPS - done) / STEPS for done in range(1, STEPS)]
    # The very first one is given no pace to go by where no such photo is known.
    first = 0 if known else 1
    assert reported[first:] == pytest.approx(truth[first:], rel=0.2)


def test_jobs_without_steps_teach_nothing_about_steps():
    assert Course().marks(5.0) == ()
    assert Course().work("k") == "k"
    made = taught(*[(Course(), 0.5)] * 9)
    assert made.seconds("k", 10**6) == pytest.approx(0.5)
    assert made.rest(work_of("k", sampled=True, count=STEPS), 10**6, 0.1) == 0


def test_a_job_that_takes_longer_than_any_is_not_said_to_be_over():
    """Ten times as long as those before: at least a tenth of what its own pace says is left."""
    made = taught(*[(sampled(6.0), 6.0)] * 9)
    course = Course()
    for done in range(1, STEPS - 1):
        elapsed = 60.0 * done / STEPS
        share = course.step(pb.Step(stage="sample", index=done, count=STEPS), elapsed)
        left = made.left(course.work("k"), 10**6, elapsed, share, course.begun)
        assert left >= 0.1 * (60.0 - elapsed) * 0.99
