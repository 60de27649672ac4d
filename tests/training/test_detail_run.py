"""Training of the denoiser that is told the noise: begun warm, resumed, exported."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ldrps_engine.analysis.noise_condition import BANDS, level_condition, spectrum_bands
from ldrps_engine.analysis.noise_spectrum import PATCH, noise_sigma
from ldrps_engine.priors.latent_unet import LatentUNet, NoiseCondition
from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior
from ldrps_engine.priors.schedule import noise_ratios
from support import pictures
from training import detail
from training.__main__ import main
from training.config import TrainingError
from training.detail import STATE, WEIGHTS, DetailRun, clean_latents, conditioned_network
from training.detail_batches import Batches
from training.detail_export import export_detail, ship_detail
from training.detail_noise import _KINDS, NONE, draw, measured, resized, white
from training.export import export
from training.photos import PhotoPack
from training.train import Run


@pytest.fixture(scope="module")
def patched(config):
    """The toy configuration with the patches that told levels are made for."""
    return replace(
        config, autoencoder=replace(config.autoencoder, patch_size=2, latent_channels=12)
    )


@pytest.fixture(scope="module")
def folders(photos, patched, tmp_path_factory):
    """(work folder with a pack, exported model whose last layer answers), not to be written to."""
    from training.autoencoder import fit_autoencoder
    from training.photos import pack

    work, model = tmp_path_factory.mktemp("detail") / "work", tmp_path_factory.mktemp("m") / "model"
    pack([photos], work, patched)
    fit_autoencoder(work, patched)
    run = Run(work, patched)
    with torch.no_grad():
        for weights in run.average.values():
            weights.add_(0.05 * torch.randn(weights.shape, generator=torch.manual_seed(2)))
    run.progress["step"] = 1
    run.save()
    export(work, model, patched)
    return work, model


@pytest.fixture
def work(folders, tmp_path):
    return shutil.copytree(folders[0], tmp_path / "work")


@pytest.fixture(scope="module")
def batches(folders, patched):
    drawn = Batches(PhotoPack(folders[0], patched), patched, 3)
    return [drawn.draw() for _ in range(6)]


def test_a_network_without_a_condition_answers_as_the_exported_one(folders):
    untold = LatentUNet.from_pretrained(folders[1] / "unet", torch_dtype=torch.float32)
    network = conditioned_network(folders[1])
    latents = torch.randn(2, 12, 8, 8)
    text = torch.randn(1, 12, 32)
    noise = NoiseCondition(torch.randn(2, 3, 8, 8), torch.randn(2, BANDS))
    with torch.no_grad():
        before = untold(latents, torch.tensor([3.0, 40.0]), text.expand(2, -1, -1)).sample
        after = network(latents, torch.tensor([3.0, 40.0]), text.expand(2, -1, -1), noise).sample
    assert before.abs().mean() > 0.01
    assert torch.equal(before, after)


def test_the_timestep_of_a_ratio_has_that_ratio(folders):
    network = conditioned_network(folders[1])
    ratios = torch.tensor([0.05, 0.3, 2.0])
    assert torch.allclose(network._angle(network.time_of(ratios)).tan(), ratios, rtol=1e-4)


def test_both_kinds_of_batches_are_drawn_and_the_condition_is_learnt(
    work, folders, patched, batches
):
    # Both kinds are drawn: told, and white noise of any level.
    assert {batch.condition is None for batch in batches} == {True, False}
    run = DetailRun(work, patched, folders[1])
    told_of = next(batch for batch in batches if batch.condition is not None)
    losses = [run.step(told_of) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    assert run.network.noise_features.map.weight.abs().max() > 0
    assert run.network.noise_features.bands[-1].weight.abs().max() > 0


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(
    work, folders, patched, batches, tmp_path
):
    other = shutil.copytree(work, tmp_path / "other")
    straight = DetailRun(work, patched, folders[1])
    for batch in batches[:4]:
        straight.step(batch)
    run = DetailRun(other, patched, folders[1])
    for batch in batches[:2]:
        run.step(batch)
    run.save()
    resumed = DetailRun(other, patched, folders[1])
    for batch in batches[2:4]:
        resumed.step(batch)
    assert resumed.progress["step"] == 4
    for ours, theirs in zip(
        straight.network.parameters(), resumed.network.parameters(), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_export_starts_a_run_warm_and_counts_on(work, folders, patched, batches, tmp_path):
    run = DetailRun(work, patched, folders[1])
    for batch in batches[:3]:
        run.step(batch)
    run.save()
    assert (work / "curve.tsv").read_text().count("\n") == 3  # Of the names and of both trainings.
    export_detail(work, tmp_path / "out", patched, folders[1])
    record = json.loads((tmp_path / "out" / "weights.json").read_text())
    assert record["training"]["step"] == 3
    assert record["photos"] == {"some": 9}
    weights = load_file(tmp_path / "out" / WEIGHTS)
    (work / STATE).unlink()
    warm = DetailRun(work, patched, folders[1], tmp_path / "out")
    assert warm.progress["step"] == 3
    for name, value in warm.network.state_dict().items():
        assert torch.equal(value, weights[name].float())
    warm.save()
    with pytest.raises(TrainingError, match="holds a run already"):
        DetailRun(work, patched, folders[1], tmp_path / "out")


def test_what_ships_is_what_the_next_run_begins_with(work, folders, patched, batches, tmp_path):
    run = DetailRun(work, patched, folders[1])
    run.step(batches[0])
    run.save()
    export_detail(work, tmp_path / "out", patched, folders[1])
    (work / STATE).unlink()
    model = tmp_path / "model"
    shutil.copytree(folders[1], model)
    if not (model / "weights.json").is_file():
        (model / "weights.json").write_text('{"sha256": {}}')
    ship_detail(tmp_path / "out", model)
    record = json.loads((model / "weights.json").read_text())
    ((name, digest),) = [each for each in record["sha256"].items() if each[0].startswith("unet")]
    assert hashlib.sha256((model / name).read_bytes()).hexdigest() == digest
    assert record["conditioned"]["photos"] == {"some": 9}
    heir = DetailRun(work, patched, model)
    assert heir.progress["step"] == 1
    weights = load_file(tmp_path / "out" / WEIGHTS)
    for name, value in heir.network.state_dict().items():
        assert torch.equal(value.cpu(), weights[name].float())


def test_a_strange_state_is_refused_in_one_sentence(work, folders, patched):
    (work / STATE).write_bytes(b"no state")
    with pytest.raises(TrainingError, match="holds no state of this network"):
        DetailRun(work, patched, folders[1])


def test_what_is_missing_is_named(work, folders, patched, tmp_path, capsys):
    with pytest.raises(TrainingError, match="run `train-detail` first"):
        export_detail(work, tmp_path / "out", patched, folders[1])
    with pytest.raises(TrainingError, match="holds no exported model"):
        conditioned_network(tmp_path)
    with pytest.raises(TrainingError, match="export-detail"):
        DetailRun(work, patched, folders[1], tmp_path)
    arguments = ["--work", str(tmp_path), "train-detail", "--minutes", "1"]
    assert main(arguments) == 2
    assert "holds no pack" in capsys.readouterr().err


def test_an_error_while_drawing_ends_the_training(work, folders, patched, monkeypatch):
    def broken(*_):
        raise TrainingError("no crop")

    monkeypatch.setattr(detail.Batches, "draw", broken)
    with pytest.raises(TrainingError, match="no crop"):
        DetailRun(work, patched, folders[1]).train(1)


def _photo(side=128):
    return pictures.natural(side, side, 1).astype(np.float32)


@pytest.mark.parametrize("kind", [kind for kind, _ in _KINDS], ids=lambda kind: kind.__name__)
def test_what_is_reported_of_each_kind_is_what_was_done(kind):
    rng = np.random.default_rng(4)
    made = kind(lambda side: 0.2 + 0.6 * _photo(side), 96, rng)
    assert made.clean.shape == made.noisy.shape == (96, 96, 3)
    done = float((made.noisy - made.clean).std())
    # Black, white and rounding take a part of it; what was measured on a crop is exact.
    assert noise_sigma(made.spectrum) == pytest.approx(done, rel=0.12)
    assert np.sqrt(np.square(made.relative).mean()) == pytest.approx(1, rel=0.15)


def test_noise_that_was_reduced_is_called_coarse():
    rng = np.random.default_rng(4)
    made = resized(np.full((192, 192, 3), 0.5, np.float32), 96, 0.1, rng)
    crop = measured(made, rng, NONE)
    luminance = crop.bands[:4]
    assert luminance[0] > 0.1 > -0.05 > luminance[3]
    plain = measured(white(np.full((96, 96, 3), 0.5, np.float32), 0.1, rng), rng, NONE)
    assert np.abs(plain.bands).max() < 1e-6
    assert plain.sigma == pytest.approx(0.1)


def test_bands_and_levels_stay_in_bounds():
    spectrum = np.zeros((3, PATCH, PATCH), np.float32)
    spectrum[0] = 0.1
    bands = spectrum_bands(spectrum)
    assert bands.shape == (BANDS,)
    assert bands[:4] == pytest.approx(np.log(3) / 2, abs=1e-4)
    assert bands[4:] == pytest.approx(-3)
    levels = level_condition(np.full((8, 8, 3), 2.0, np.float32), 2)
    assert levels.shape == (3, 4, 4)
    assert levels == pytest.approx(np.log(2), abs=1e-5)


def test_a_crop_that_shows_no_noise_is_not_taken():
    rng = np.random.default_rng(0)

    def take(side):
        return np.ones((side, side, 3), np.float32)

    crops = [draw(take, 32, rng, NONE) for _ in range(60)]
    assert any(crop is None for crop in crops)


def test_one_evaluation_is_that_of_the_exported_prior(folders):
    prior = load_prior(str(folders[1]), Placement(device="cpu"))
    step, empty = 12, prior.embed("")
    noisy = torch.randn(1, 12, 8, 8)
    signal = prior.alphas[step].sqrt()
    ratio = noise_ratios(prior.alphas)[step : step + 1]
    wanted = prior.denoise(noisy, step, empty, empty, 1.0)
    network = conditioned_network(folders[1])
    with torch.no_grad():
        found = clean_latents(network, noisy / signal, ratio, empty, None)
    # The prior's weights are in bfloat16 where the processor has that.
    assert torch.allclose(found, wanted, atol=0.05)
    assert (wanted - noisy).abs().max() > 0.2
