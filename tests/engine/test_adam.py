"""Adam without torch's compiler: the bits of torch's own class, and nothing more imported."""

import copy
import subprocess
import sys

import torch
from torch import nn

from ldrps_engine.diffusion.adam import Adam


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))


def descend(model, adam, steps, unused=None, start=0):
    for k in range(start, start + steps):
        x = torch.linspace(-1, 1, 15).reshape(3, 5) + k
        adam.zero_grad()
        model(x).square().sum().backward()
        if unused is not None:
            unused.grad = None
        adam.step()


def groups(model):
    return [(model[0].parameters(), 1e-2), (model[2].parameters(), 3e-3)]


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_steps_are_those_of_torchs_own():
    ours, torchs = network(), network()
    descend(ours, Adam(groups(ours)), 9, ours[2].bias)
    adam = torch.optim.Adam([{"params": list(p), "lr": rate} for p, rate in groups(torchs)])
    descend(torchs, adam, 9, torchs[2].bias)
    assert same(ours, torchs)
    assert not same(ours, network())


def test_it_goes_on_from_its_state():
    whole, halves, forgetful = network(), network(), network()
    descend(whole, Adam(groups(whole)), 9)
    first = Adam(groups(halves))
    descend(halves, first, 4)
    rest = Adam(groups(halves))
    rest.resume(copy.deepcopy(first.state()))
    descend(forgetful, Adam(groups(forgetful)), 4)
    for model, adam in ((halves, rest), (forgetful, Adam(groups(forgetful)))):
        descend(model, adam, 5, start=4)
    assert same(whole, halves)
    assert not same(whole, forgetful)


def test_torchs_compiler_is_not_imported():
    code = (
        "import sys, torch; from ldrps_engine.diffusion.adam import Adam;"
        "p = torch.nn.Parameter(torch.ones(3)); adam = Adam([([p], 0.1)]);"
        "p.square().sum().backward(); adam.step(); assert p[0] < 1;"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
