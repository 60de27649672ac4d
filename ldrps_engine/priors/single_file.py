"""Checkpoints in one .safetensors file, as people share them, brought into folder format once.

Such a file holds weights alone. What else a model needs (configurations, the tokenizer) comes from
an installed model of its family.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.atomic import folder_into_place
from ldrps_engine.model_store.store import INDEX, folder_of, is_installed, models_folder
from ldrps_engine.priors.components import named_part

_FOLDER = "converted"
# What diffusers calls the kinds of checkpoints, and whose configuration each has.
_TEMPLATES = {"v1": "sd15", "v2": "sd21", "xl_base": "sdxl"}
# Parts that an index may name and that were not fetched.
_NEEDLESS = ("safety_checker", "feature_extractor", "image_encoder")
_PARTS = ("vae", "unet", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


def converted(file: Path, name: str) -> Path:
    """The folder that a checkpoint was brought into, now or before; ModelError if that fails."""
    stamp = file.stat()
    mark = f"{file}:{stamp.st_size}:{stamp.st_mtime_ns}"
    folder = models_folder() / _FOLDER / hashlib.sha256(mark.encode()).hexdigest()[:16]
    if (folder / INDEX).is_file():
        return folder
    template = _template(file, name)
    _check_space(file, folder, name)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with named_part(name, file.name):
        _convert(file, template, partial)
    folder_into_place(partial, folder)
    return folder


def _template(file: Path, name: str) -> Path:
    """The installed model whose configuration the checkpoint has."""
    from diffusers.loaders.single_file_utils import infer_diffusers_model_type

    with named_part(name, file.name):
        kind = str(infer_diffusers_model_type(_shapes(file)))
    template = _TEMPLATES.get(kind)
    if template is None:
        raise ModelError(
            f"model '{name}': {file.name} is a checkpoint of a kind that is not read from one "
            "file; give a Stable Diffusion 1, 2 or XL one, or a folder in diffusers' format"
        )
    if not is_installed(template):
        raise ModelError(
            f"model '{name}': {file.name} holds weights alone and takes its tokenizer from "
            f"'{template}'; run 'ldrps models pull {template}'"
        )
    return folder_of(template)


def _shapes(file: Path) -> dict[str, torch.Tensor]:
    """The checkpoint's weights without values, which are not read."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        sizes = {key: opened.get_slice(key).get_shape() for key in opened.keys()}  # noqa: SIM118
    return {key: torch.empty(size, device="meta") for key, size in sizes.items()}


def _convert(file: Path, template: Path, target: Path) -> None:
    import diffusers

    index = json.loads((template / INDEX).read_text())
    pipeline: Any = getattr(diffusers, index["_class_name"])
    made = pipeline.from_single_file(
        str(file),
        config=str(template),
        local_files_only=True,
        torch_dtype=torch.float16,
        **dict.fromkeys(_NEEDLESS),
    )
    for part in _PARTS:
        component = getattr(made, part, None)
        if component is not None:
            component.save_pretrained(target / part)
    shutil.copytree(template / "scheduler", target / "scheduler")
    # Last: with the index there, the folder counts as whole.
    (target / INDEX).write_text(json.dumps(index))


def _check_space(file: Path, folder: Path, name: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    free, wanted = shutil.disk_usage(folder.parent).free, file.stat().st_size
    if free < wanted:
        raise ModelError(
            f"model '{name}' needs {wanted / 1e9:.1f} GB in {folder.parent} to be brought into "
            f"folder format, and {free / 1e9:.1f} GB are free; free some space"
        )
