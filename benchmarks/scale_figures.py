"""Figures that the simulation of a large installation begins with, and where each is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["measured", "published", "counted", "assumed"]


@dataclass(frozen=True)
class Figure:
    """A number with its unit and its origin."""

    name: str
    value: float
    unit: str
    origin: Origin
    source: str
    """Command that measured it, where it was published, or why it was assumed."""


_QUEUE = "`daemon_queue --waiting 10000`, two cores, nothing else running"
_CLUSTER = "`daemon_cluster --workers 2`, two cores, load 24"
_ACTORS = "`release/perf_metrics/benchmarks/many_actors.json` in Ray's repository"
_PRICES = "[Mercatus, May 2026](https://www.mercatus-ai.com/blog/cloud-gpu-pricing), SXM"
_BASETEN = (
    "https://www.baseten.co/blog/"
    "unlocking-the-full-power-of-nvidia-h100-gpus-for-ml-inference-with-tensorrt/"
)
_META = (
    "https://direct.datacenterdynamics.com/en/news/"
    "meta-report-details-hundreds-of-gpu-and-hbm3-related-interruptions-to-llama-3-training-run"
)

SUBMIT_MS = Figure("Submit, 10,000 jobs waiting", 7.7, "ms", "measured", _QUEUE)
GET_JOB_MS = Figure("GetJob, 10,000 jobs waiting", 2.5, "ms", "measured", _QUEUE)
FRONT_MS = Figure(
    "the front's processor, a small job of 100 steps on Ray", 111, "ms", "measured", _CLUSTER
)
CLIENT_MS = Figure(
    "the front's processor, a megabyte from or to a client", 600 / 144, "ms", "measured",
    "`daemon_cluster --large 2`, two cores, load 20: 0.60 s for 24 megapixels, raw, local workers",
)  # fmt: skip
NODE_MS = Figure(
    "the front's processor, a megabyte to or from a node, in addition", 160 / 144, "ms", "measured",
    "the same: 0.76 s where the worker was on Ray",
)  # fmt: skip
SEAT_SECONDS = Figure(
    "a worker's processor time for a megapixel, clean photo", 3.4 / 24, "s", "measured",
    "`large --megapixels 24`, one core; taken as the worker's alone, which is an upper bound",
)  # fmt: skip
FILTER_TFLOP = Figure(
    "bundled denoiser, one evaluation of a megapixel", 0.158, "TFLOP", "counted",
    "torch's counter, 512x512",
)  # fmt: skip
AUTO_TFLOP = Figure(
    "`auto` on Stable Diffusion 2.1's shapes, `taesd`", 47, "TFLOP", "counted", "`flops.py`"
)
PAPER_TFLOP = Figure("the published method's 900 steps", 16_384, "TFLOP", "counted", "`flops.py`")
PEAK_TFLOPS = Figure(
    "peak of an H100 or H200, 16 bits, dense", 989, "TFLOP/s", "published",
    f"[NVIDIA's data sheet, as quoted by Baseten]({_BASETEN})",
)  # fmt: skip
UTILISATION = Figure(
    "share of the peak that is reached", 0.3, "", "assumed", "no GPU was available"
)
SPREAD = Figure(
    "deviation of a worker's times, of their mean", 0.5, "", "assumed", "gamma distribution"
)
GPUS = Figure("GPUs, one worker each, eight per node", 1000, "", "assumed", "the question")
PHOTOS_A_DAY = Figure("photos a day", 10e6, "", "assumed", "the question")
NETWORK_GB = Figure(
    "a front's network, each direction", 3.125, "GB/s", "assumed", "25 Gbit/s Ethernet"
)
DISK_GB = Figure("a front's disk, writing", 2.0, "GB/s", "assumed", "one NVMe drive")
RAY_NODES = Figure(
    "Ray: nodes in its own tests", 2000, "", "published",
    "[Ray #32131](https://github.com/ray-project/ray/pull/32131)",
)  # fmt: skip
RAY_ACTORS = Figure("Ray: actors in its own tests", 10_000, "", "published", _ACTORS)
RAY_STARTS = Figure("Ray: actors started in a second", 550, "", "published", _ACTORS)
GPU_DAYS = Figure(
    "days between failures of one H100 or what is around it", 54 * 16_384 / 419, "days",
    "published", f"[Meta: 419 in 54 days on 16,384]({_META})",
)  # fmt: skip
H100_LOW = Figure("H100 for an hour, cheapest", 1.99, "$", "published", _PRICES)
H100_HIGH = Figure("H100 for an hour, most expensive", 5.00, "$", "published", _PRICES)
H200_LOW = Figure("H200 for an hour, cheapest", 2.50, "$", "published", _PRICES)
H200_HIGH = Figure("H200 for an hour, most expensive", 7.00, "$", "published", _PRICES)

FIGURES = tuple(each for each in list(vars().values()) if isinstance(each, Figure))
