"""The resident server: a front process without torch, and one worker process per device."""

import ldrps_wire as ldrps_wire  # Before gRPC, which it quietens.
