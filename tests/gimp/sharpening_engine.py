"""The no-op engine, but slow, and its previews are small at first, and fine half-way."""

from dataclasses import replace

import numpy as np

from ldrps_engine.progress import Step, ignore
from support import noop_engine
from support.noop_engine import *  # noqa: F403

noop_engine.STEP_SECONDS = 0.2
noop_engine.DEFAULT_STEPS = 150
COARSE = 30
"""Steps that show what is sampled; those after it show the photo's own detail too."""


def restore(photo, settings, models, on_step=ignore, checkpoint=None, crop=None, last=None):
    """Replace the previews."""

    def shown(event):
        if isinstance(event, Step):
            event = replace(event, preview=_coarse if event.index < COARSE else _fine)
        on_step(event)

    return noop_engine.restore(photo, settings, models, shown, checkpoint, crop)


def _coarse():
    return np.repeat(np.linspace(60, 190, 12).astype(np.uint8)[None, :, None], 8, 0).repeat(3, 2)


def _fine():
    rows, columns = np.indices((150, 200))
    return ((rows + columns) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
