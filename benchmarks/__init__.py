"""Commands that print the tables of the documentation."""

import os

# As a daemon's workers are started (`_NO_SPINNING` in ldrps_daemon/workers/process.py), before
# numpy is loaded: its idle threads would count as seconds of the processor.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
