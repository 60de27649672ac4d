"""An ablation changes one part of the method for as long as it runs, and nothing else."""

import numpy as np
import pytest
import torch

from benchmarks import ablations
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.diffusion import planning as engine
from ldrps_engine.diffusion.recipes import make_sampling_plan
from ldrps_engine.priors.latent_unet import LatentUNet
from ldrps_engine.settings import Settings

DARK = Diagnosis(noise_sigma=0.0, haze=0.0, darkness=0.8, cast=0.0, grey=False)


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    return ablations.Engine(tmp_path_factory.mktemp("ablations"))


@pytest.mark.parametrize("name", [n for n in ablations.ABLATIONS if n != "auto"])
def test_each_changes_something(name):
    ablation = ablations.ABLATIONS[name]
    plan = make_sampling_plan(Settings(), DARK, 0.02, knows_scenes=False)
    changed = (
        ablation.settings != Settings() or ablation.change(plan) != plan or not ablation.trained
    )
    assert changed or not ablation.sees_scenes


def test_the_engine_plans_as_before_afterwards():
    with ablations._changed(ablations._unguided):
        assert engine.make_sampling_plan is not make_sampling_plan
    assert engine.make_sampling_plan is make_sampling_plan


def test_the_encoder_sees_no_scene_while_it_is_to_see_none():
    photo = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    before = recognise(photo).seen.pooled
    with ablations._seen(False):
        blind = recognise(photo).seen.pooled
        assert np.array_equal(blind, recognise(photo[::-1]).seen.pooled)
    assert not np.array_equal(before, blind)
    assert np.array_equal(before, recognise(photo).seen.pooled)


def test_the_untrained_prior_has_the_same_shape_and_other_weights(tmp_path):
    ablations._write_untrained(tmp_path / "model")
    folders = ablations.BUNDLED, tmp_path / "model"
    ours, fresh = (LatentUNet.from_pretrained(folder / "unet").state_dict() for folder in folders)
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in fresh.items()}
    assert not all(torch.equal(ours[k].float(), fresh[k].float()) for k in ours)


def test_an_ablation_restores(factory):
    photo = np.random.default_rng(0).integers(0, 40, (48, 64, 3)).astype(np.uint8)
    found = [factory(name, 0)(photo) for name in ("auto", "untrained prior")]
    assert found[0].shape == photo.shape
    assert not np.array_equal(*found)
