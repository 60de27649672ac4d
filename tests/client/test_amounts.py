"""Amounts on their way to the daemon and back."""

import json

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client._watching import _diagnosed
from ldrps_client.provenance import read_mark
from ldrps_daemon.workers.reporter import _diagnosis
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import AMOUNTS, Settings
from ldrps_wire.conversion import settings_from_proto, settings_to_proto


def test_amounts_reach_the_daemon_and_absent_ones_are_absent(ldrps, photo, fake):
    words = ("--amount", "noise=0.5", "--amount", "cast=0")
    code, out, _ = ldrps("restore", photo, *words, "--json")
    assert code == 0
    sent = fake.submits[-1].settings.amounts
    assert [field.name for field, _ in sent.ListFields()] == ["noise", "cast"]
    assert (sent.noise, sent.cast) == (0.5, 0.0)
    reported = json.loads(out)["results"][0]["settings"]["amounts"]
    assert reported == {"noise": 0.5, "cast": 0.0}


def test_without_amounts_the_daemon_decides(ldrps, photo, fake):
    assert ldrps("restore", photo)[0] == 0
    assert not fake.submits[-1].settings.HasField("amounts")


def test_python_takes_them_by_name(client, photo, fake):
    client.restore(photo, amounts={"haze": 1.5})
    assert fake.submits[-1].settings.amounts == pb.Amounts(haze=1.5)
    with pytest.raises(SettingsError, match="amount haze is 3; use a value from 0"):
        client.restore(photo, amounts={"haze": 3})


def test_all_of_them_go_over_the_wire_and_back():
    chosen = Settings(amounts={name: n / 4 for n, name in enumerate(AMOUNTS)})
    assert settings_from_proto(settings_to_proto(chosen)) == chosen
    assert settings_from_proto(settings_to_proto(Settings())) == Settings()
    assert [field.name for field in pb.Amounts.DESCRIPTOR.fields] == list(AMOUNTS)


def test_the_daemon_refuses_one_out_of_range():
    with pytest.raises(SettingsError, match=r"amount light is 2\.5; use a value from 0"):
        settings_from_proto(pb.Settings(amounts=pb.Amounts(light=2.5)))


def test_proposed_amounts_come_with_the_diagnosis():
    amounts = {"noise": 1.0, "haze": 0.0, "cast": 0.7}
    found = Diagnosis(noise_sigma=5, haze=0, darkness=0, cast=0.2, grey=False, amounts=amounts)
    assert _diagnosed(_diagnosis(found)).diagnosis.amounts == amounts
    assert _diagnosed(pb.Diagnosis()).diagnosis.amounts == {}


def test_a_result_says_its_amounts_and_redo_uses_them(ldrps, photo, fake):
    assert ldrps("restore", photo, "--amount", "haze=0.25")[0] == 0
    result = photo.with_name(f"{photo.stem}_restored{photo.suffix}")
    assert read_mark(result).settings().amounts == {"haze": 0.25}
    assert ldrps("redo", result)[0] == 0
    assert fake.submits[-1].settings.amounts == pb.Amounts(haze=0.25)


@pytest.mark.parametrize("command", ["restore", "watch"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["noise"], "amount 'noise' is not understood; write it as noise=0.5"),
        (["nois=1"], "amount 'nois' is not known; use one of damage, noise, haze, light, cast"),
        (["noise=x"], "amount noise is 'x'; use a number from 0 to 2"),
        (["noise=inf"], "amount noise is inf; use a value from 0"),
        (["noise=nan"], "amount noise is nan; use a number from 0 to 2"),
        (["noise=1", "noise=0"], "amount noise is given twice; give it once"),
    ],
)
def test_a_bad_amount_is_one_sentence_and_nothing_is_done(
    ldrps, photo, fake, command, given, words
):
    before = sorted(photo.parent.iterdir())
    target = photo if command == "restore" else photo.parent
    typed = [word for amount in given for word in ("--amount", amount)]
    code, out, err = ldrps(command, target, *typed)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert sorted(photo.parent.iterdir()) == before
    assert not fake.submits
