"""The parts of a model in diffusers' folder format: what is there, and reading it safely.

Weights are read from safetensors alone, configurations from JSON; no code of a model is run.
Whatever is wrong is one sentence that names the model and the part.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ldrps_engine.errors import LdrpsError, ModelError
from ldrps_engine.model_store.store import INDEX, renewal
from ldrps_engine.priors.own_network import OwnNetwork

_PICKLED = ("*.bin", "*.ckpt", "*.pt", "*.pth")
_REASON_LENGTH = 300


def read_index(folder: Path, name: str, parts: tuple[str, ...] = ()) -> dict[str, Any]:
    """The model's index; ModelError unless it and each of the named parts are there."""
    path = folder / INDEX
    if not path.is_file():
        raise ModelError(f"model '{name}' is not installed: {path} is missing")
    try:
        index = json.loads(path.read_text())
    except ValueError as error:
        raise ModelError(f"model '{name}': {path} cannot be read: {error}") from error
    if not isinstance(index, dict):
        raise ModelError(f"model '{name}': {path} lacks everything; pull or copy it again")
    missing = [part for part in parts if part not in index or not (folder / part).is_dir()]
    if missing:
        raise ModelError(
            f"model '{name}' in {folder} lacks {', '.join(missing)}; pull or copy it again"
        )
    return index


def class_name(index: dict[str, Any], part: str) -> str:
    """The class that the index names for a part; empty if it names none."""
    entry = index.get(part)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else ""


@contextlib.contextmanager
def named_part(name: str, part: str) -> Iterator[None]:
    """Turn what the libraries raise while they read a part into our one sentence."""
    try:
        yield
    except LdrpsError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_REASON_LENGTH] or type(error).__name__
        raise ModelError(f"model '{name}': {part} cannot be loaded: {reason}") from error


def load_network(kind: Any, folder: Path, dtype: torch.dtype, name: str, **more: Any) -> Any:
    """One network of diffusers or transformers, in evaluation mode, without gradients of its own.

    ModelError if weights are missing, cut off, of another shape than the configuration says, or
    stored in a format that could run code.
    """
    part = folder.name
    _refuse_pickles(folder, name)
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, **more}
    if not _has_weights(folder, "") and _has_weights(folder, ".fp16"):
        options["variant"] = "fp16"
    is_diffusers = kind.__module__.split(".")[0] != "transformers"
    options["torch_dtype" if is_diffusers else "dtype"] = dtype
    with named_part(name, part):
        if issubclass(kind, OwnNetwork):
            network, wrong = kind.read(folder, dtype)
        else:
            network, info = kind.from_pretrained(folder, output_loading_info=True, **options)
            wrong = [*info["missing_keys"], *info["mismatched_keys"]]
    if wrong:
        # transformers fills such weights with noise and only warns of it.
        first = wrong[0] if isinstance(wrong[0], str) else wrong[0][0]
        raise ModelError(
            f"model '{name}': {part} does not fit its configuration: {len(wrong)} weights are "
            f"missing or of another shape, such as {first}"
        )
    return network.eval().requires_grad_(False)


def load_tokenizer(folder: Path, name: str) -> Any:
    """A tokenizer, from its files alone."""
    from transformers import AutoTokenizer

    with named_part(name, folder.name):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def count_weights(path: Path) -> int:
    """Count the numbers that a model's safetensors hold, from their headers alone.

    Of one part in several precisions, one counts.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
    plain = {file for file in files if not file.name.endswith(".fp16.safetensors")}
    twins = {file.with_name(f"{file.stem}.fp16.safetensors") for file in plain}
    return sum(_numbers(file) for file in files if file not in twins)


def _numbers(file: Path) -> int:
    try:
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        shapes = [found["shape"] for key, found in header.items() if key != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        # What is wrong with it is reported where it is loaded.
        return 0
    return sum(math.prod(shape) for shape in shapes)


def _has_weights(folder: Path, variant: str) -> bool:
    names = ("model", "diffusion_pytorch_model")
    ends = (f"{variant}.safetensors", f".safetensors.index{variant}.json")
    return any((folder / f"{name}{end}").is_file() for name in names for end in ends)


def _refuse_pickles(folder: Path, name: str) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickled = next((path.name for kind in _PICKLED for path in folder.glob(kind)), None)
    if pickled:
        raise ModelError(
            f"model '{name}': {folder.name} has its weights in {pickled}, a format that can run "
            "code; only .safetensors is read, so get the model in that format"
        )
    raise ModelError(f"model '{name}': {folder.name} has no .safetensors file; {renewal(name)}")
