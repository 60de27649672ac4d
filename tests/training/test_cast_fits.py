"""The fit of the judge of casts: run by its command, read by the engine."""

import numpy as np
import pytest
import torch
from PIL import Image

from ldrps_engine.analysis import casts
from ldrps_engine.analysis.casts import answer, cast_features, expected_colours, find_cast
from ldrps_engine.analysis.encoder import encode
from ldrps_engine.analysis.expectation import residual
from ldrps_engine.analysis.layers import load_weights
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.view import normalised_luma
from support import pictures
from training import casts as fitting
from training.__main__ import main

PHOTOS = 14


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A file that `fit-casts` wrote, from photos of a small folder."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "permissive").mkdir()
    lines = ["file\tsource\tlicence\tsize\ttext"]
    for number in range(PHOTOS):
        name = f"permissive/{number}.png"
        pixels = np.rint(np.clip(pictures.natural(96, 96, seed=number), 0, 1) * 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
        lines.append(f"{name}\tdrawn\tCC0\t96x96\t")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    out = folder / "casts.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "DRAWS", 2)
        patch.setattr(fitting, "_AXES", 6)
        patch.setattr(fitting, "_EPOCHS", 2)
        assert main(["fit-casts", str(folder), str(out), "--every", "1"]) == 0
    return out


def test_the_engine_answers_as_the_network_that_was_fitted(fitted):
    view = np.clip(pictures.natural(160, 160, seed=99), 0, 1)
    seen = encode(normalised_luma(view))
    looked_at = cast_features(view, expected_colours(residual(view, seen)))
    weights = {name: torch.from_numpy(np.array(v)) for name, v in load_weights(fitted).items()}
    joined = torch.from_numpy(looked_at)[None], torch.from_numpy(seen.pooled)[None]
    nothing = torch.zeros(1, 1, 3)
    inputs = fitting._inputs(fitting.Examples(*joined, nothing, nothing), weights)
    network = fitting.CastNetwork(inputs.shape[1])
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    with torch.no_grad():
        told = network.eval()(inputs)[0].numpy()
    assert np.abs(answer(looked_at, seen.pooled, load_weights(fitted)) - told).max() < 1e-3


def test_the_engine_judges_photos_by_what_was_fitted(fitted, monkeypatch):
    monkeypatch.setattr(casts, "MODEL", fitted)
    picture = pictures.natural(96, 128)
    assert 0 <= find_cast(picture, recognise(picture)).probability <= 1


def test_nothing_but_cast_and_fading_is_to_be_undone(monkeypatch):
    """Corners and mounts stay: they are the same before and after."""
    for name in ("cast", "faded", "thinned"):
        monkeypatch.setattr(fitting, name, lambda view, rng: view)
    monkeypatch.setattr(fitting, "grain", lambda size, rng: np.zeros((*size, 1), np.float32))
    view = np.clip(pictures.natural(64, 64), 0, 1)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        _, before, after = fitting._drawn(view, np.zeros(6, np.float32), rng)
        assert np.abs(before - np.clip(after, 0, 1)).max() < 0.01
