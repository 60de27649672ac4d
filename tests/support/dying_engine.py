"""An engine whose process ends while it is loaded."""

import os

os._exit(3)
