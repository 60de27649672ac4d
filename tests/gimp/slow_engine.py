"""The no-op engine, slow enough for somebody to look at it and change their mind."""

from support import noop_engine
from support.noop_engine import *  # noqa: F403

noop_engine.STEP_SECONDS = 0.2
noop_engine.DEFAULT_STEPS = 1000
