"""Training of what finds damage: drawn damage, lines that are none, runs that go on, what ships."""

import json
import random

import numpy as np
import pytest
import torch

from ldrps_engine.analysis import damage_network
from training import damage_batches
from training.__main__ import main
from training.belongings import with_belongings
from training.config import TrainingError
from training.damage import STATE, WEIGHTS, DamageRun, DamageTraining
from training.damage_batches import Batches, _in_relief, _softened, _softness, with_damage
from training.damage_network import DamageNetwork
from training.damage_shapes import SHAPES
from training.normalisation import folded, normalised
from training.photos import PhotoPack
from training.scene_pack import HOLDOUT_EVERY

TOY = DamageTraining(side=64, batch=2, warmup=2)


@pytest.mark.parametrize("kind", SHAPES)
def test_every_kind_of_damage_covers_some_of_a_crop_and_leaves_some(kind):
    covers = [SHAPES[kind][0](96, np.random.default_rng(seed)) for seed in range(12)]
    assert all(
        cover.shape == (96, 96) and cover.min() >= 0 and cover.max() <= 1 for cover in covers
    )
    assert 0.001 < np.mean([(cover > 0.3).mean() for cover in covers]) < 0.5


def test_damage_changes_nothing_far_from_its_mask():
    grey = np.full((96, 96, 3), 0.4, np.float32)
    for seed in range(30):
        image, mask = with_damage(grey, np.random.default_rng(seed))
        around = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 15), (31, 31)).max((2, 3))
        changed = np.abs(image - grey).max(-1) > 0.25
        assert not (changed & (around == 0)).any(), seed


def test_a_soft_scan_spreads_damage_and_its_mask_alike(packed, config, monkeypatch):
    """A mask that ends where the damage ended before the blur leaves pale lines once filled."""
    crops = Batches(PhotoPack(packed, config), [1, 2], 64, 1)
    line = np.zeros((64, 64), np.float32)
    line[:, 30:33] = 1
    white = lambda rgb, rng: (np.maximum(rgb, line[..., None]), line)  # noqa: E731
    monkeypatch.setattr(damage_batches, "with_damage", white)
    monkeypatch.setattr(damage_batches, "_softness", lambda rng: lambda v: _softened(v, 1.5))
    widths = set()
    for seed in range(24):
        one = crops.example(random.Random(seed), np.random.default_rng(seed))
        widths.add(int(one.damaged[20].sum()))
    assert widths == {0, 3, 5}


@pytest.mark.parametrize("seed", range(8))
def test_softness_neither_moves_nor_brightens_a_scan(seed):
    spot = np.zeros((65, 65, 1), np.float32)
    spot[28:37, 28:37] = 0.8
    soft = _softness(np.random.default_rng(seed))(spot)
    assert soft.shape == spot.shape
    assert soft.sum() == pytest.approx(spot.sum(), rel=0.15)
    centre = (soft[..., 0] * np.arange(65)).sum() / soft.sum()
    assert centre == pytest.approx(32, abs=0.7)
    assert np.abs(soft - spot).max() > 0


def test_curled_edges_cast_a_shadow_that_counts_as_damage():
    grey, cover = np.full((64, 64, 3), 0.5, np.float32), np.zeros((64, 64), np.float32)
    cover[20:30, 20:30] = 1
    image, shadow = _in_relief(grey, cover, np.random.default_rng(2))
    assert (image <= grey + 1e-6).all()
    dark = image[..., 0] < 0.4
    assert dark.any()
    assert (shadow[dark] > 0.15).all()
    assert not shadow[:10].any()


def test_what_belongs_to_the_picture_is_in_no_mask(packed, config):
    crops = Batches(PhotoPack(packed, config), [1, 2], 64, 1)
    grey = np.full((64, 64, 3), 0.4, np.float32)
    changed = [with_belongings(grey, np.random.default_rng(seed)) for seed in range(8)]
    # Now and then all of it lies outside of the crop.
    assert sum(np.abs(image - grey).max() > 0.05 for image in changed) >= 7
    made = [crops.example(random.Random(k), np.random.default_rng(k)) for k in range(24)]
    without = [one for one in made if not one.damaged.any()]
    assert 2 <= len(without) < 22
    assert all((one.weight == 1).all() for one in without)


def test_the_same_seed_draws_the_same_batches(packed, config):
    crops = Batches(PhotoPack(packed, config), [1, 2], 64, 2)
    first, again = crops.drawer(3).draw(), crops.drawer(3).draw()
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.damaged, again.damaged)
    assert not torch.equal(first.images, crops.drawer(4).draw().images)


def test_no_25th_photo_of_a_manifest_is_trained_on(work, config):
    run = DamageRun(work, config, TOY)
    assert run.training
    assert all(run.pack.photos[index].row % HOLDOUT_EVERY for index in run.training)


def test_an_older_pack_is_refused(work, config):
    rows = json.loads((work / "photos.json").read_text())
    (work / "photos.json").unlink()
    old = [{name: value for name, value in row.items() if name != "row"} for row in rows]
    (work / "photos.json").write_text(json.dumps(old))
    with pytest.raises(TrainingError, match="older pack"):
        DamageRun(work, config, TOY)


def test_a_run_goes_on_where_it_stopped(work, config):
    run = DamageRun(work, config, TOY)
    drawer = run.batches.drawer(1)
    for _ in range(3):
        run.step(drawer.draw())
    run.save()
    other = DamageRun(work, config, TOY)
    assert other.progress == run.progress
    assert other.progress["samples"] == 6
    batch = drawer.draw()
    assert other.step(batch) == run.step(batch)
    for name, value in run.average.items():
        assert torch.equal(value, other.average[name]), name


def test_the_loss_falls_on_one_batch(work, config):
    run = DamageRun(work, config, TOY)
    batch = Batches(run.pack, run.training, 64, 4).drawer(2).draw()
    assert batch.damaged.any()
    losses = [run.step(batch) for _ in range(30)]
    assert losses[-1] < 0.75 * losses[0]


def _unlike_its_start():
    """A network whose statistics are not those it begins with."""
    network = DamageNetwork(normalised)
    generator = torch.Generator().manual_seed(5)
    for name, value in network.state_dict().items():
        if name.endswith(("running_var", ".1.weight")) and value.ndim == 1:
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        elif value.ndim == 1:
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    return network.eval()


@torch.no_grad()
def test_folding_and_the_engines_network_change_nothing(tmp_path, monkeypatch):
    from training.halves import write_halves

    trained, plain = _unlike_its_start(), DamageNetwork().eval()
    plain.load_state_dict(folded(trained.state_dict()))
    rgb = np.random.default_rng(3).random((64, 96, 3)).astype(np.float32)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    expected = trained(image)[0, 0].numpy()
    assert np.allclose(plain(image)[0, 0].numpy(), expected, atol=1e-4)
    write_halves(tmp_path / WEIGHTS, plain.state_dict(), {})
    monkeypatch.setattr(damage_network, "MODEL", tmp_path / WEIGHTS)
    found = damage_network.log_odds(rgb)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@torch.no_grad()
def test_a_warm_start_answers_as_what_was_exported_and_normalises_by_its_own_batches(
    work, config, tmp_path
):
    run = DamageRun(work, config, TOY)
    run.network.load_state_dict(_unlike_its_start().state_dict())
    run.average = {name: value.clone() for name, value in run._averaged()}
    run.progress["samples"] = 12345
    run.export(tmp_path / "out")
    warm = DamageRun(work, config, TOY, tmp_path / "out")
    assert warm.progress["samples"] == 12345
    images = warm.batches.drawer(TOY.seed).draw().images
    shipped, answer = run.averaged()(images), warm.network.eval()(images)
    # Weights are written as halves.
    assert (answer - shipped).abs().max() < 0.02 * shipped.abs().max()
    assert (warm.averaged()(images) - answer).abs().max() < 1e-3 * answer.abs().max()
    # In training, batches as these have mean 0 and deviation 1 before scale and shift.
    (first, norm) = warm.network.enter
    given = torch.nn.functional.pixel_unshuffle(images - 0.5, 2)
    unit = (first(given) - norm.running_mean[:, None, None]) / norm.running_var.sqrt()[
        :, None, None
    ]
    assert unit.mean().abs() < 0.7
    assert 0.3 < unit.std() < 2


def test_an_export_of_another_network_is_no_start(work, config, tmp_path):
    run = DamageRun(work, config, TOY)
    run.export(tmp_path / "out")
    from training.halves import read_halves, write_halves

    values = read_halves(tmp_path / "out" / WEIGHTS, "")
    del values["enter.0.bias"]
    write_halves(tmp_path / "out" / WEIGHTS, values, {})
    with pytest.raises(TrainingError, match="no export of this network"):
        DamageRun(work, config, TOY, tmp_path / "out")


def test_the_commands_train_and_export(work, config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("training.damage.DamageTraining", lambda: TOY)
    monkeypatch.setattr("training.damage._HELD_OUT_BATCHES", 1)
    (tmp_path / "damage").mkdir()
    for name in ("photos.bin", "photos.json"):
        (tmp_path / "damage" / name).symlink_to((work / name).resolve())
    assert main(["--work", str(tmp_path), "train-damage", "--minutes", "0.02"]) == 0
    assert (tmp_path / "damage" / STATE).is_file()
    assert "IoU" in (tmp_path / "damage" / "damage-curve.tsv").read_text()
    assert main(["--work", str(tmp_path), "export-damage", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out/weights.json").read_text())
    assert record["training"]["samples"] > 0
    assert list(record["sha256"]) == [WEIGHTS]
    assert "held out" in capsys.readouterr().out
