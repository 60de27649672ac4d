"""Training of what judges haze: drawn haze, runs that go on, what ships."""

import json

import numpy as np
import pytest
import torch

from ldrps_engine.analysis import haze_field
from training.__main__ import main
from training.config import TrainingError
from training.halves import write_halves
from training.haze import CELLS, STATE, WEIGHTS, HazeRun, HazeTraining
from training.haze_draws import Haze
from training.haze_network import HazeNetwork, statistics, undone
from training.scene_pack import HOLDOUT_EVERY

TOY = HazeTraining(batch=4, warmup=2)


@pytest.fixture
def cells():
    rgb = torch.rand(6, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    return statistics(rgb)


def test_the_same_seed_draws_the_same_haze(cells):
    first, again, other = Haze(3)(cells), Haze(3)(cells), Haze(4)(cells)
    assert torch.equal(first.cells, again.cells)
    assert not torch.equal(first.cells, other.cells)


def test_drawn_haze_has_the_depths_of_a_scene_and_pales_it(cells):
    drawn = Haze(1)(cells.repeat(20, 1, 1, 1))
    assert drawn.depth.isfinite().all()
    assert drawn.depth.min() >= 0
    means = drawn.depth.mean((1, 2, 3))
    assert means.min() < 0.25
    assert means.max() > 0.7
    # Rooms and landscapes have near and far.
    spread = drawn.depth.flatten(1).std(1) / means
    assert (spread > 0.2).float().mean() > 0.4
    assert (drawn.air >= 0.5).all()
    assert drawn.cells[:, 9].mean() < cells[:, 9].mean()


def test_what_was_drawn_in_display_values_can_be_undone(cells):
    drawn = Haze(2)(cells.repeat(10, 1, 1, 1))
    error = (undone(drawn.cells[:, :3], drawn.depth, drawn.air) - drawn.clean).abs()
    exact = error.amax((1, 2, 3)) < 1e-4
    assert 0.6 < exact.float().mean() < 0.95


@torch.no_grad()
@pytest.mark.parametrize("size", [(128, 176), (160, 128)])
def test_the_engines_network_gives_the_same(tmp_path, monkeypatch, size):
    torch.manual_seed(4)
    network = HazeNetwork().eval()
    for value in (network.leave.weight, network.air.weight):
        value.copy_(0.3 * torch.randn(value.shape))
    weights = {name: value.half().float() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    write_halves(tmp_path / WEIGHTS, weights, {})
    monkeypatch.setattr(haze_field, "MODEL", tmp_path / WEIGHTS)
    rgb = np.random.default_rng(3).random((*size, 3)).astype(np.float32)
    images = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    (depth, air), (mirrored, air_too) = (
        network(statistics(shown)) for shown in (images, images.flip(3))
    )
    found = haze_field.haze_field(rgb)
    assert np.ptp(found.depth) > 0.05
    assert np.allclose(found.depth, ((depth + mirrored.flip(3)) / 2)[0, 0].numpy(), atol=1e-4)
    assert np.allclose(found.air, ((air + air_too) / 2)[0].numpy(), atol=1e-4)


def test_no_25th_photo_of_a_manifest_is_trained_on(work, config):
    run = HazeRun(work, config, TOY)
    rows = [run.pack.photos[index].row for index in run.origin[run.training]]
    assert rows
    assert all(row % HOLDOUT_EVERY for row in rows)


def test_an_older_pack_is_refused(work, config):
    rows = json.loads((work / "photos.json").read_text())
    (work / "photos.json").unlink()
    old = [{name: value for name, value in row.items() if name != "row"} for row in rows]
    (work / "photos.json").write_text(json.dumps(old))
    with pytest.raises(TrainingError, match="older pack"):
        HazeRun(work, config, TOY)


def test_a_run_goes_on_where_it_stopped(work, config):
    run = HazeRun(work, config, TOY)
    rng, haze = np.random.default_rng(1), Haze(1)
    for _ in range(3):
        run.step(run.draw(rng, haze))
    run.save()
    made = (work / CELLS).stat().st_mtime_ns
    other = HazeRun(work, config, TOY)
    assert (work / CELLS).stat().st_mtime_ns == made
    assert other.progress == run.progress
    assert other.progress["samples"] == 12
    batch = run.draw(rng, haze)
    assert other.step(batch) == run.step(batch)
    for name, value in run.average.items():
        assert torch.equal(value, other.average[name]), name


def test_the_loss_falls_on_one_batch(work, config):
    run = HazeRun(work, config, TOY)
    batch = run.draw(np.random.default_rng(2), Haze(2))
    losses = [run.step(batch) for _ in range(40)]
    assert losses[-1] < losses[0] - 0.5


def test_the_commands_train_export_and_begin_again(work, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("training.haze.HazeTraining", lambda: TOY)
    folder = tmp_path / "haze"
    folder.mkdir()
    for name in ("photos.bin", "photos.json"):
        (folder / name).symlink_to((work / name).resolve())
    assert main(["--work", str(tmp_path), "train-haze", "--minutes", "0.02"]) == 0
    assert (folder / STATE).is_file()
    assert "PSNR" in (folder / "haze-curve.tsv").read_text()
    out = tmp_path / "out"
    assert main(["--work", str(tmp_path), "export-haze", str(out)]) == 0
    record = json.loads((out / "weights.json").read_text())
    assert list(record["sha256"]) == [WEIGHTS]
    assert "held out" in capsys.readouterr().out
    samples = record["training"]["samples"]
    assert samples > 0
    (folder / STATE).unlink()
    again = ["--work", str(tmp_path), "train-haze", "--minutes", "0.02", "--warm", str(out)]
    assert main(again) == 0
    assert main(["--work", str(tmp_path), "export-haze", str(out)]) == 0
    assert json.loads((out / "weights.json").read_text())["training"]["samples"] > samples
