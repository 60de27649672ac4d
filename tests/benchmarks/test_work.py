"""Counts and times of the speed benchmarks, and a run of the command for a GPU."""

from functools import partial

import pytest
import torch

from benchmarks import flops, gpu
from benchmarks.full_size import RandomStableDiffusion
from benchmarks.work import PUBLISHED_STEPS, Bench, ways
from ldrps_engine.diffusion import alignment, losses
from ldrps_engine.diffusion.fpam import ConvolutionalFpam

CHANGES = (
    "waste removed", "tiny decoder", "text in an interval", "ddim", "dpm++", "unipc",
    "bf16 + channels_last",
)  # fmt: skip
"""Each in a row of its own."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_the_work_is_a_hundredth_of_the_published(tmp_path):
    bench = Bench(flops._Shapes(tmp_path, "meta", quick=True), "meta")
    step = flops.parts(bench)
    # From the published method's description; what F-PAM takes is implied by the rest.
    counted = {"U-Net, four evaluations": 3.2, "decoder and its gradient": 10.1,
               "encode without a use": 2.2, "one step": 18.5}  # fmt: skip
    for name, tera in counted.items():
        assert step[name] == pytest.approx(tera, rel=0.03), name
    published = PUBLISHED_STEPS * step["one step"]
    by_name = {way.name: way for way in ways()}
    for name in ("50 steps, F-PAM at 256", "auto", "fast, ddim"):
        assert 100 * flops.per_photo(bench, by_name[name]) < published, name


@pytest.fixture
def small(monkeypatch):
    """F-PAM an eighth as wide, no VGG, and few whole photos: a CPU would take minutes."""
    monkeypatch.setattr(gpu, "_LONG", 4)
    monkeypatch.setattr(alignment, "ConvolutionalFpam", partial(ConvolutionalFpam, width=8))
    monkeypatch.setattr(losses, "perceptual", losses.squared_error)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_for_a_gpu_runs_on_toys(tmp_path, small):
    prior = RandomStableDiffusion(tmp_path, "cpu", quick=True, small=True)
    found = {}
    gpu._ways(gpu.Timer("cpu", 1, 1), Bench(prior, "cpu", 64), prior, found.__setitem__)
    names = list(found)
    assert names[0] == "published, single precision"
    for words in CHANGES:
        assert any(words in name for name in names), words
    assert all(seconds > 0 for seconds, _, _ in found.values())


@pytest.mark.parametrize(
    ("seconds", "gigabytes", "met"), [(2.0, 7.0, [True] * 3), (30.0, 9.0, [False] * 3)]
)
def test_the_verdict_holds_auto_against_its_targets(seconds, gigabytes, met):
    name = gpu._WHOLE.format("auto")
    row = gpu.Row(name, seconds, gigabytes, faster=120 / seconds, how="whole photo")
    lines = gpu.verdict([row]).splitlines()
    assert [line.endswith(": met") for line in lines] == met
