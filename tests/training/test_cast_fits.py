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
from training import cast_draws
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
        patch.setattr(fitting, "MEMBERS", 2)
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
    reported = []
    for member in range(2):
        network = fitting.CastNetwork(inputs.shape[1])
        names = network.state_dict()
        network.load_state_dict({name: weights[f"{member}.{name}"] for name in names})
        with torch.no_grad():
            reported.append(network.eval()(inputs)[0].numpy())
    assert np.abs(reported[0] - reported[1]).max() > 1e-3
    answers = answer(looked_at, seen.pooled, load_weights(fitted))
    assert np.abs(answers - np.mean(reported, axis=0)).max() < 1e-3


def test_the_engine_judges_photos_by_what_was_fitted(fitted, monkeypatch):
    monkeypatch.setattr(casts, "MODEL", fitted)
    picture = pictures.natural(96, 128)
    assert 0 <= find_cast(picture, recognise(picture)).probability <= 1


def test_nothing_but_cast_and_fading_is_to_be_undone(monkeypatch):
    """Corners and mounts stay: they are the same before and after."""
    for name in ("cast", "faded", "thinned", "discoloured"):
        monkeypatch.setattr(cast_draws, name, lambda view, rng: view)
    monkeypatch.setattr(cast_draws, "grain", lambda size, rng: np.zeros((*size, 1), np.float32))
    view = np.clip(pictures.natural(64, 64), 0, 1)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        _, before, after = fitting._drawn(view, np.zeros(6, np.float32), rng)
        assert np.abs(before - np.clip(after, 0, 1)).max() < 0.01


def test_a_dye_that_has_faded_leaves_its_colour_in_black():
    """Without cyan dye black is red, without magenta green, without yellow blue."""
    black = np.zeros((8, 8, 3), np.float32)
    seen = set()
    for seed in range(24):
        shown = cast_draws.discoloured(black, np.random.default_rng(seed))[0, 0]
        assert (shown >= 0).all()
        seen.add(int(shown.argmax()))
    assert seen == {0, 1, 2}
