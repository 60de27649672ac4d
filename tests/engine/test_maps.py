"""Maps of what was found in each place, and the word that stands for all of them."""

import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.sizes import expected_bytes
from ldrps_engine.analysis.maps import finding_maps
from ldrps_engine.analysis.noise_level import measure_noise
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.restore import restore
from ldrps_engine.settings import FINDINGS, MAPS, Settings
from support import pictures


def maps_of(rgb):
    return finding_maps(recognise(rgb), measure_noise(rgb), rgb)


def test_findings_stand_for_all_maps_and_each_layer_comes_once():
    assert Settings(layers=("restored", FINDINGS)).layers == ("restored", *MAPS)
    assert Settings(layers=("haze", FINDINGS, "haze")).layers == (
        *("haze", "missing-light", "noise", "damage"),
    )
    with pytest.raises(SettingsError, match="layers 'darkness' is not known; use one of restored"):
        Settings(layers=("darkness",))


def test_each_map_shows_its_own_fault(examples):
    means = {
        name: {which: found.mean() for which, found in maps_of(examples(name)).items()}
        for name in ("low-light", "haze", "noise")
    }
    shown = {"low-light": "missing-light", "haze": "haze", "noise": "noise"}
    for name, which in shown.items():
        others = [means[other][which] for other in shown if other != name]
        assert means[name][which] > 2 * max(others), (name, means)


def test_noise_is_white_at_32_steps():
    rgb = np.clip(pictures.natural(160, 160, seed=4) * 0.5 + 0.25, 0, 1)
    noisy = rgb + np.random.default_rng(0).normal(0, 16 / 255, rgb.shape).astype(np.float32)
    assert maps_of(noisy)["noise"].mean() == pytest.approx(0.5, rel=0.15)


def test_maps_are_grey_layers_of_the_photos_size_with_nothing_on_its_frame():
    rgb = pictures.natural(120, 160, seed=4)
    framed = np.ones((160, 200, 3), np.float32)
    framed[20:140, 20:180] = rgb * 0.1
    photo = Photo.from_samples(np.rint(framed * 255).astype(np.uint8))
    done = restore(photo, Settings(recipe="low-light", layers=("restored", FINDINGS)), ModelCache())
    assert [layer.name for layer in done.layers] == ["restored", *MAPS]
    for layer in done.layers[1:]:
        samples = layer.photo.to_samples()
        assert samples.shape == (160, 200, 1)
        assert samples.dtype == np.uint8
        assert not samples[:15].any()
    assert done.layers[1].photo.to_samples()[40:120, 40:160].mean() > 128


def test_room_is_kept_for_maps_at_a_byte_for_each_pixel():
    raster = pb.Raster(width=40, height=30, channels=3, sample_type=pb.SAMPLE_TYPE_U16)
    plain, mapped = (
        expected_bytes(pb.SubmitHeader(raster=raster, settings=pb.Settings(layers=layers)))
        for layers in (["restored"], ["restored", FINDINGS])
    )
    assert mapped - plain == len(MAPS) * 40 * 30
