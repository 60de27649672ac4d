"""Training of the scene expert: stopped, resumed, exported, and started warm from an export."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ldrps_engine.priors.scene_unet import SceneUNet
from training import scene_batches, state
from training.__main__ import main
from training.config import TrainingError
from training.encoder import SemanticEncoder
from training.scene import STATE, WEIGHTS, SceneRun, SceneTraining
from training.scene_batches import Degrader, as_tensor
from training.scene_export import export_scene
from training.scene_pack import load_pack

HOW = SceneTraining(batch=2, warmup=10)


@pytest.fixture(scope="module")
def batches(scenes):
    """Four batches, always the same."""
    degrader = Degrader(torch.Generator().manual_seed(3))
    pixels, encoder = load_pack(scenes)[0], SemanticEncoder.load()
    with torch.no_grad():
        return [
            degrader.batch(as_tensor(pixels, np.array([2 * k, 2 * k + 1])), encoder, 0.1)
            for k in range(4)
        ]


@pytest.fixture
def work(scenes, tmp_path):
    return shutil.copytree(scenes, tmp_path / "scenes")


@pytest.fixture(scope="module")
def trained(scenes, batches, tmp_path_factory):
    """A folder after two steps, to be copied and not written to."""
    folder = shutil.copytree(scenes, tmp_path_factory.mktemp("trained") / "scenes")
    run = SceneRun(folder, HOW)
    losses = [run.step(batch) for batch in batches[:2]]
    assert np.isfinite(losses).all()
    run.save()
    return folder


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    export_scene(trained, out)
    return out


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(trained, batches, work, tmp_path):
    straight = SceneRun(work, HOW)
    for batch in batches:
        straight.step(batch)
    resumed = SceneRun(shutil.copytree(trained, tmp_path / "again"), HOW)
    assert resumed.progress["step"] == 2
    for batch in batches[2:]:
        resumed.step(batch)
    assert resumed.progress == {"step": 4, "samples": 8, "seconds": 0.0}
    assert resumed.optimiser.param_groups[0]["lr"] == pytest.approx(HOW.learning_rate * 0.4)
    for name, value in straight.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, msg=name)
    for name, value in straight.average.items():
        torch.testing.assert_close(resumed.average[name], value, msg=name)


def test_the_command_trains_and_resumes(scenes, tmp_path, monkeypatch):
    shutil.copytree(scenes, tmp_path / "scenes")
    monkeypatch.setattr("training.scene.SceneTraining", lambda: HOW)
    arguments = ["--work", str(tmp_path), "train-scene", "--minutes", "0.03", "--cool-down", "0.01"]
    steps = []
    for _ in range(2):
        assert main(arguments) == 0
        steps.append(SceneRun(tmp_path / "scenes", HOW).progress["step"])
    assert 0 < steps[0] < steps[1]
    assert main(["--work", str(tmp_path), "export-scene", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out/weights.json").read_text())
    assert record["training"]["step"] == steps[1]


def test_an_export_is_the_averaged_weights_and_loads_in_the_engine(trained, exported):
    weights = load_file(exported / WEIGHTS)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    network = SceneUNet()
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    averages = load_file(trained / STATE)
    for name, value in weights.items():
        torch.testing.assert_close(value, averages[f"ema.{name}"].half())
    record = json.loads((exported / "weights.json").read_text())
    assert record["training"] == {"step": 2, "samples": 4, "seconds": 0}
    assert record["photos"] == {"some": 28}
    assert len(record["sha256"][WEIGHTS]) == 64


def test_a_warm_start_counts_on_and_warms_up_anew(exported, batches, work):
    how = SceneTraining(batch=2, warmup=4)
    run = SceneRun(work, how, exported)
    for name, value in load_file(exported / WEIGHTS).items():
        torch.testing.assert_close(run.network.state_dict()[name], value.float())
        torch.testing.assert_close(run.average[name], value.float())
    assert run.progress["step"] == 2
    run.step(batches[2])
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(how.learning_rate / 4)
    run.save()
    again = SceneRun(work, how)
    assert again.progress["step"] == 3
    again.step(batches[3])
    assert again.optimiser.param_groups[0]["lr"] == pytest.approx(how.learning_rate / 2)


def test_a_warm_start_over_a_run_is_refused(trained, exported):
    with pytest.raises(TrainingError, match="holds a run already; leave out --warm"):
        SceneRun(trained, HOW, exported)


def test_a_warm_start_from_what_is_no_export_is_refused(work, exported, tmp_path):
    with pytest.raises(TrainingError, match="export-scene"):
        SceneRun(work, HOW, tmp_path)
    broken = shutil.copytree(exported, tmp_path / "broken")
    (broken / "weights.json").write_text("{}")
    with pytest.raises(TrainingError, match="no export of this network"):
        SceneRun(work, HOW, broken)


def test_a_state_of_another_pack_is_refused(trained, tmp_path):
    work = shutil.copytree(trained, tmp_path / "scenes")
    text = (work / "scenes.json").read_text()
    (work / "scenes.json").write_text(text.replace('"held_out": true', '"held_out": false'))
    with pytest.raises(TrainingError, match="trained on another pack"):
        SceneRun(work, HOW)


@pytest.mark.parametrize("content", [b"", b"no tensors at all, not one"])
def test_a_state_that_cannot_be_read_is_refused(work, content):
    (work / STATE).write_bytes(content)
    with pytest.raises(TrainingError, match="holds no state of this network"):
        SceneRun(work, HOW)


def test_a_save_that_fails_leaves_the_one_before(trained, batches, tmp_path, monkeypatch):
    work = shutil.copytree(trained, tmp_path / "scenes")
    before = (work / STATE).read_bytes()
    run = SceneRun(work, HOW)
    run.step(batches[2])

    def full(tensors, path, meta):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(state, "save_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        run.save()
    assert (work / STATE).read_bytes() == before
    assert not list(work.glob("*.part"))


def test_an_error_while_batches_are_made_ends_the_training(work, monkeypatch):
    def failing(*_):
        raise RuntimeError("no batch")

    monkeypatch.setattr(scene_batches.Degrader, "batch", failing)
    with pytest.raises(RuntimeError, match="no batch"):
        SceneRun(work, HOW).train(minutes=5)
    assert not (work / STATE).exists()


def test_an_export_without_a_state_is_refused(work, tmp_path):
    with pytest.raises(TrainingError, match="run `train-scene` first"):
        export_scene(work, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pack_with_nothing_to_train_on_is_refused(work):
    text = (work / "scenes.json").read_text()
    (work / "scenes.json").write_text(text.replace('"held_out": false', '"held_out": true'))
    with pytest.raises(TrainingError, match="no crop to train on"):
        SceneRun(work, HOW)
