"""The simulation of a large installation queues as theory says, and limits move as they must."""

import dataclasses
import math
import random
import re
from pathlib import Path

import pytest
import simpy

from benchmarks import scale, scale_figures
from benchmarks.scale_simulation import Plant, Station, lasting, simulate

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations" / "scale.md"
SMALL = Plant(
    fronts=2, slots=20, photos_a_second=1.0, accept_seconds=0.01, send_seconds=0.02,
    finish_seconds=0.02, work_seconds=10.0, photo_gigabytes=0.036, network=3.0, disk=2.0,
    here_at_most=40,
)  # fmt: skip


def erlang_wait(servers, load, service):
    """Mean wait of M/M/c, by Erlang's formula C."""
    below = sum(load**k / math.factorial(k) for k in range(servers))
    last = load**servers / math.factorial(servers) / (1 - load / servers)
    return last / (below + last) * service / (servers - load)


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.6), (4, 0.8), (8, 0.8)])
def test_waits_are_those_of_the_theory(servers, busy):
    env, dice = simpy.Environment(), random.Random(7)
    station, service = Station(env, servers), 2.0

    def arrivals():
        while True:
            yield env.timeout(dice.expovariate(servers * busy / service))
            env.process(station.serve(dice.expovariate(1 / service)))

    env.process(arrivals())
    until = 20_000 * service / servers / busy
    env.run(until)
    waits = station.waits[1000:]
    expected = erlang_wait(servers, servers * busy, service)
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.15)
    assert station.busy / until / servers == pytest.approx(busy, rel=0.03)


def test_drawn_times_have_their_mean_and_spread():
    draw = lasting(7.0, 0.5, random.Random(1))
    drawn = [draw() for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    assert mean == pytest.approx(7.0, rel=0.02)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in drawn) / len(drawn))
    assert deviation == pytest.approx(3.5, rel=0.05)
    assert lasting(7.0, 0.0, random.Random(1))() == 7.0


def test_photos_here_are_those_that_come_times_how_long_they_stay():
    reported = simulate(SMALL, seconds=3000, warm_up=300)
    assert reported.done_a_second == pytest.approx(1.0, rel=0.05)
    mean = sum(reported.stays) / len(reported.stays)
    assert reported.slots_busy * SMALL.slots == pytest.approx(
        reported.done_a_second * 10.06, rel=0.05
    )
    assert mean > 10.06
    # Little's law; what is there at one moment scatters.
    assert reported.here == pytest.approx(mean, abs=4 * math.sqrt(mean))


@pytest.mark.parametrize(
    ("tight", "most"),
    [
        # Each is the one thing that gives out, at so many photos a second.
        ({"send_seconds": 3.97}, 2 / 4.0),
        ({"network": 0.036}, 2 / 2.0),
        ({"disk": 0.018}, 2 / 4.0),
        ({"work_seconds": 40.0}, 20 / 40.06),
    ],
)
def test_an_installation_does_as_much_as_its_narrowest_part(tight, most):
    narrow = dataclasses.replace(SMALL, photos_a_second=3.0, spread=0.0, **tight)
    reported = simulate(narrow, seconds=1000, warm_up=300)
    assert reported.done_a_second == pytest.approx(most, rel=0.06)
    assert reported.refused == pytest.approx((3.0 - most) * 1000, rel=0.1)


def test_fronts_and_a_shared_store_lift_the_limit_of_the_event_loop():
    done = {
        (count, carried): simulate(
            # Just enough at once, so that it is in its stride soon.
            dataclasses.replace(scale.plant(count, carried=carried), here_at_most=40),
            seconds=200,
            warm_up=100,
        ).done_a_second
        for count in (2, 4)
        for carried in (True, False)
    }
    assert done[4, True] == pytest.approx(2 * done[2, True], rel=0.1)
    assert done[2, True] == pytest.approx(2 / scale.loop_seconds(scale.MEDIUM), rel=0.1)
    assert done[2, False] == pytest.approx(
        2 / scale.loop_seconds(scale.MEDIUM, carried=False), rel=0.1
    )


def test_limits_follow_the_size_of_photos():
    small, large = scale.limits(1.0), scale.limits(24.0)
    assert small.keys() == large.keys()
    for name, most in small.items():
        of_size = "photos did not pass" not in name
        assert (most > large[name]) is of_size, name
    network = "a front's network, photos carried"
    assert small[network] == pytest.approx(24 * large[network])


def test_costs_follow_time_and_price():
    assert scale.cost_per_million(3.6, 2.0) == pytest.approx(2000)
    assert scale.slot_seconds(24, 0) == pytest.approx(3.4)
    assert scale.gpu_seconds(989 * 0.3) == pytest.approx(1)
    # As many evaluations as one of 24 megapixels takes, eight at most.
    whole = scale.filter_tflop(24)
    assert [round(scale.filter_tflop(mp) / whole * 24 / mp) for mp in (1, 3, 12, 48)] == [
        8,
        8,
        2,
        1,
    ]


def test_each_figure_has_an_origin():
    assert len(scale_figures.FIGURES) > 20
    for figure in scale_figures.FIGURES:
        assert figure.value > 0
        assert figure.source
    names = [figure.name for figure in scale_figures.FIGURES]
    assert len(set(names)) == len(names)


def test_the_document_has_what_the_command_prints(capsys):
    scale.main([])
    printed = re.findall(r"^\|.*$", capsys.readouterr().out, re.MULTILINE)
    assert len(printed) > 35
    lines = DOCUMENT.read_text().splitlines()
    assert [line for line in printed if line not in lines] == []


def test_the_command_simulates(capsys):
    scale.main(["--simulate", "--fronts", "2", "--seconds", "5", "--warm-up", "5"])
    *_, carried, shared = capsys.readouterr().out.splitlines()
    assert carried.startswith("| 2 | carried | ")
    assert shared.startswith("| 2 | shared | ")
