"""The analysis computes in numpy what the same networks compute in torch."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from ldrps_engine.analysis import encoder as engine
from ldrps_engine.analysis.layers import Layers, load_weights, relu6, softplus
from ldrps_engine.analysis.recognition import recognise
from support import pictures
from training.encoder import SemanticEncoder

# Both add in single precision, in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def weights_of(layer):
    return Layers(
        {f"it.{name}": value.detach().numpy() for name, value in layer.named_parameters()}
    )


def image(height, width, channels, seed=0):
    return np.random.default_rng(seed).normal(size=(height, width, channels)).astype(np.float32)


def in_torch(layer, values, pads=(0, 0, 0, 0)):
    with torch.no_grad():
        batch = torch.from_numpy(values).permute(2, 0, 1)[None]
        return layer(nn.functional.pad(batch, pads))[0].permute(1, 2, 0).numpy()


# TensorFlow pads an even number of pixels evenly, and an odd one more at the end.
@pytest.mark.parametrize(
    ("kernel", "stride", "size", "pads"),
    [
        (3, 1, (7, 10), (1, 1, 1, 1)),
        (3, 2, (8, 12), (0, 1, 0, 1)),
        (3, 2, (7, 9), (1, 1, 1, 1)),
        (5, 2, (8, 12), (1, 2, 1, 2)),
        (1, 1, (7, 10), (0, 0, 0, 0)),
    ],
)
def test_convolutions_are_torchs_with_tensorflows_padding(kernel, stride, size, pads):
    torch.manual_seed(kernel)
    dense = nn.Conv2d(3, 4, kernel, stride)
    got = weights_of(dense).convolve("it", image(*size, 3), stride)
    np.testing.assert_allclose(got, in_torch(dense, image(*size, 3), pads), **CLOSE)
    depthwise = nn.Conv2d(6, 6, kernel, stride, groups=6)
    got = weights_of(depthwise).convolve_depthwise("it", image(*size, 6), stride)
    np.testing.assert_allclose(got, in_torch(depthwise, image(*size, 6), pads), **CLOSE)


def test_linear_layers_and_activations_are_torchs():
    torch.manual_seed(0)
    layer, values = nn.Linear(5, 7), 30 * image(4, 3, 5)
    tensor = torch.from_numpy(values)
    np.testing.assert_allclose(
        weights_of(layer).linear("it", values), layer(tensor).detach().numpy(), **CLOSE
    )
    np.testing.assert_array_equal(relu6(values), nn.functional.relu6(tensor).numpy())
    np.testing.assert_allclose(softplus(values), nn.functional.softplus(tensor).numpy(), **CLOSE)


def test_a_layer_is_there_by_the_name_of_its_weights():
    layers = weights_of(nn.Linear(2, 2))
    assert layers.has("it")
    assert not layers.has("other")


def test_weights_in_halves_are_read_as_singles(tmp_path):
    path = tmp_path / "some.safetensors"
    save_file({"it.weight": np.array([1.5, -0.25], np.float16)}, path)
    read = load_weights(path)["it.weight"]
    assert read.dtype == np.float32
    assert read.tolist() == [1.5, -0.25]


@pytest.mark.parametrize("size", [(160, 160), (96, 256)])
def test_the_encoder_in_numpy_is_the_one_in_torch(size):
    view = pictures.natural(*size).mean(-1)
    seen = engine.encode(view)
    reported = SemanticEncoder.load()(torch.from_numpy(view)[None, None])
    expected = {
        "fine": reported.fine[0].permute(1, 2, 0),
        "coarse": reported.coarse[0].permute(1, 2, 0),
        "pooled": reported.pooled[0],
        "logits": reported.logits[0],
    }
    assert seen.fine.shape == (size[0] // 16, size[1] // 16, engine.FINE)
    assert seen.coarse.shape == (size[0] // 32, size[1] // 32, engine.COARSE)
    for name, tensor in expected.items():
        # 30 layers deep, sums in another order differ by a few parts in 100,000.
        scale = float(tensor.abs().max())
        np.testing.assert_allclose(getattr(seen, name), tensor.numpy(), atol=1e-4 * scale)


@pytest.mark.parametrize(("name", "classes"), [("haze", {970, 979}), ("grey", {975})])
def test_the_encoder_knows_what_it_looks_at_under_haze_and_without_colour(examples, name, classes):
    """In ImageNet, class 970 is an alp, 975 a lakeside and 979 a valley."""
    best = np.argsort(recognise(examples(name)).seen.logits)[-3:]
    assert classes & set(best.tolist())
