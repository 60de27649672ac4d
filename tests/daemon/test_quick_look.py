"""Looks that ask nothing of the engine but what is wrong and what is seen."""

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling import quick_look
from ldrps_daemon.scheduling.quick_look import is_quick_look, look_engine

QUICK = [{}, {"recipe": "fast"}, {"description": "a bridge"}, {"describer": "tagger"}]
QUICK += [
    {"noise_sigma": 0.0},
    {"strength": 0.5},
    {"model": "bundled", "layers": ["restored", "generated"]},
]
ASKING = [{"recipe": "haze"}, {"noise_sigma": 2.0}, {"steps": 5}, {"recurrences": 0}, {"seed": 1}]
ASKING += [{"model": "sd15"}, {"strength": 0.0}, {"describer": "x"}, {"layers": ["pilot"]}]
ASKING += [{"solver": "ddim"}, {"allow_colour": True}]


def header(**settings):
    return pb.SubmitHeader(diagnose_only=True, settings=pb.Settings(**settings))


@pytest.fixture(autouse=True)
def describers(monkeypatch):
    installed = set()
    monkeypatch.setattr(quick_look, "is_installed", lambda name: name in installed)
    return installed


@pytest.mark.parametrize("settings", QUICK)
def test_a_plain_look_is_quick(settings):
    assert is_quick_look(header(**settings))
    assert not is_quick_look(pb.SubmitHeader(settings=pb.Settings(**settings)))


@pytest.mark.parametrize("settings", ASKING)
def test_one_that_would_be_remarked_on_is_not(settings):
    assert not is_quick_look(header(**settings))


def test_a_describer_that_is_installed_is_asked(describers):
    describers.update(
        entry.name for entry in quick_look.catalogue().values() if entry.kind == "describer"
    )
    assert not is_quick_look(header())
    assert is_quick_look(header(description="a bridge"))
    assert is_quick_look(header(describer="tagger"))


def test_the_engine_of_looks_stands_in_for_the_whole_one_alone():
    assert look_engine("ldrps_engine.restore") == "ldrps_engine.look"
    assert look_engine("support.noop_engine") == "support.noop_engine"
