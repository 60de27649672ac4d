import pytest

from ldrps_daemon import config
from ldrps_daemon.__main__ import config_of, parser
from ldrps_daemon.config import ServeConfig, detect
from ldrps_engine.errors import SettingsError


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": ()},
        {"devices": ("cuda",)},
        {"devices": ("tpu:0",)},
        {"queue_limit": 0},
        {"max_pixels": -1},
        {"idle_seconds": float("nan")},
        {"grace_seconds": -1},
    ],
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong)).removesuffix("s")):
        ServeConfig(**wrong)


def test_devices_are_named_once():
    assert ServeConfig(devices=("cpu", "cpu", "cuda:1")).resolved_devices() == ("cpu", "cuda:1")


@pytest.fixture
def two_cards(tmp_path, monkeypatch):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(config, "_torch_is_cpu_only", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_every_card_is_found(two_cards):
    assert detect(two_cards) == ("cuda:0", "cuda:1")


@pytest.mark.parametrize(
    ("visible", "found"), [("1", ("cuda:0",)), ("", ("cpu",)), ("-1", ("cpu",)), ("0,1,2", None)]
)
def test_hidden_cards_are_left_alone(two_cards, monkeypatch, visible, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert detect(two_cards) == (found or ("cuda:0", "cuda:1"))


def test_torch_for_the_cpu_takes_no_card(two_cards, monkeypatch):
    monkeypatch.setattr(config, "_torch_is_cpu_only", lambda: True)
    assert detect(two_cards) == ("cpu",)


def test_no_card_means_the_cpu(tmp_path):
    assert detect(tmp_path) == ("cpu",)


def test_options_become_a_config(tmp_path):
    made = config_of(
        ["--address=unix:/x/s", "--device=cpu", "--queue-limit=3", f"--spool={tmp_path}"]
    )
    assert made == ServeConfig(address="unix:/x/s", devices=("cpu",), queue_limit=3, spool=tmp_path)


def test_the_engine_is_not_advertised():
    assert "--engine" not in parser().format_help()
