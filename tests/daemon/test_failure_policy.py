"""Retry or failure of jobs that did not simply end."""

import asyncio

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.failure_policy import FailurePolicy
from ldrps_daemon.storage.repository import JobRepository

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)


@pytest.fixture
def decide(config, job, tmp_path):
    """Runs something with a FailurePolicy and a job that has been accepted."""

    def run(work, **options):
        async def main():
            repository = JobRepository(config(**options), tmp_path)
            made = job(raster=RASTER)
            await repository.accept(made)
            try:
                return await work(FailurePolicy(config(**options), repository), made)
            finally:
                await repository.close()

        return asyncio.run(main())

    return run


def test_a_job_that_gets_further_each_time_is_not_poison(decide):
    async def work(policy, made):
        for step in (3, 7, 12, 40):
            made.saved_step = step
            assert not await policy.of_crashed(made, "cpu")
        assert made.crashes == 1
        return await policy.of_crashed(made, "cpu")

    assert decide(work)


def test_a_job_that_dies_at_the_same_place_twice_is(decide):
    async def work(policy, made):
        made.saved_step = 3
        assert not await policy.of_crashed(made, "cpu")
        # The worker died before it reached the checkpoint again.
        assert await policy.of_crashed(made, "cpu")
        assert "died twice" in made.message
        assert made.state == pb.JOB_STATE_FAILED

    decide(work)


def test_the_number_of_tries_can_be_chosen(decide):
    async def work(policy, made):
        ended = [await policy.of_crashed(made, "cpu") for _ in range(4)]
        assert ended == [False, False, False, True]
        assert "died 4 times" in made.message

    decide(work, max_crashes=4)


@pytest.mark.parametrize(("device", "saving"), [("cpu", 0), ("cuda:0", 1)])
def test_a_crash_makes_the_next_try_one_with_less_memory_on_a_device(decide, device, saving):
    async def work(policy, made):
        await policy.of_crashed(made, device)
        assert made.memory_saving == saving

    decide(work)


@pytest.mark.parametrize(("device", "tries"), [("cpu", 1), ("cuda:1", 2)])
def test_too_little_memory_is_met_with_less_then_one_clear_failure(decide, device, tries):
    async def work(policy, made):
        ended = [await policy.of_starved(made, device) for _ in range(tries + 1)]
        assert ended == [False] * tries + [True]
        assert (made.reason, made.crashes) == ("limit", 0)
        assert "more memory than this machine has" in made.message

    decide(work)


def test_a_cancel_is_heard_wherever_the_job_was(decide):
    async def work(policy, made):
        made.cancelling.set()
        made.cancel_message = "a client asked for it"
        assert await policy.of_paused(made, counts=True)
        assert made.state == pb.JOB_STATE_CANCELLED
        assert made.preemptions == 0

    decide(work)
