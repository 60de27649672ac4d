"""The config file is complete and known, or refused by the name of what is wrong."""

import dataclasses
from pathlib import Path

import pytest

from training.__main__ import main
from training.config import TrainingError, differing_keys, load_config

BUNDLED = Path(__file__).parents[2] / "training" / "bundled.toml"


def test_the_bundled_config_is_complete():
    config = load_config(BUNDLED)
    assert config.data.tiers == ["permissive"]
    assert config.schedule.steps == 1000


def test_an_unknown_key_is_refused_by_name(toml):
    path = toml("warmup = 2", "warmup = 2\nwarm_up = 3")
    with pytest.raises(TrainingError, match=r"section \[train\] .*: warm_up$"):
        load_config(path)


def test_a_missing_key_is_refused_by_name(toml):
    path = toml("noise_shift = 2.0", "")
    with pytest.raises(TrainingError, match=r"section \[schedule\] .*: noise_shift$"):
        load_config(path)


def test_a_missing_section_is_refused_with_all_its_keys(toml):
    path = toml("[schedule]\nsteps = 100\nnoise_shift = 2.0", "")
    with pytest.raises(TrainingError, match=r"\[schedule\] .*: noise_shift, steps$"):
        load_config(path)


def test_an_unknown_section_is_refused_by_name(toml):
    path = toml("[data]", "[extra]\na = 1\n\n[data]")
    with pytest.raises(TrainingError, match=r"does not know: extra$"):
        load_config(path)


def test_a_config_cannot_be_changed(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.train.seed = 1


def test_only_settings_that_shape_the_model_differ(config):
    ours = config.as_dict()
    assert differing_keys(ours, config.as_dict()) == []
    theirs = config.as_dict()
    theirs["model"]["text_width"] = 64
    theirs["schedule"]["steps"] = 1000
    theirs["train"]["learning_rate"] = 1.0
    theirs["autoencoder"].pop("samples")
    expected = ["autoencoder.samples", "model.text_width", "schedule.steps"]
    assert differing_keys(ours, theirs) == expected


def one_line(capsys):
    out = capsys.readouterr().err
    assert out.startswith("training: ")
    assert out.count("\n") == 1
    return out


@pytest.mark.parametrize("text", [b"[data", b"\xff\xfe", b""])
def test_the_command_refuses_a_broken_config_in_one_line(tmp_path, capsys, text):
    path = tmp_path / "broken.toml"
    path.write_bytes(text)
    assert main(["--config", str(path), "curve"]) == 2
    assert "broken.toml" in one_line(capsys)


def test_the_command_refuses_a_config_that_is_not_there(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "none.toml"), "curve"]) == 2
    assert "none.toml" in one_line(capsys)


@pytest.mark.parametrize(
    ("command", "missing"),
    [(["train", "--minutes", "1"], "autoencoder"), (["fit-autoencoder"], "pack")],
)
def test_a_command_without_what_it_needs_says_what_to_run_first(tmp_path, capsys, command, missing):
    assert main(["--work", str(tmp_path), *command]) == 2
    assert f"holds no {missing}; run" in one_line(capsys)
