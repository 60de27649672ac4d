"""The no-op engine, but a photo that needs nothing is done without a step, and others take long."""

from ldrps_engine.progress import Step, ignore
from support import noop_engine
from support.noop_engine import *  # noqa: F403

noop_engine.STEP_SECONDS = 0.2
noop_engine.DEFAULT_STEPS = 30


def restore(photo, settings, models, on_step=ignore, checkpoint=None, crop=None, last=None):
    """Tell of no step where the photo is given back as it came."""
    if settings.description != "same":
        return noop_engine.restore(photo, settings, models, on_step, checkpoint, crop)
    noop_engine.STEP_SECONDS, kept = 0.0, noop_engine.STEP_SECONDS

    def quietly(event):
        if not isinstance(event, Step):
            on_step(event)

    try:
        return noop_engine.restore(photo, settings, models, quietly, checkpoint, crop)
    finally:
        noop_engine.STEP_SECONDS = kept
