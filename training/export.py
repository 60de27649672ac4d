"""From a checkpoint to what ships: diffusers' folder format, fp16 safetensors, hashes recorded."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ldrps_engine.model_store.atomic import folder_into_place
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from training.config import Config, TrainingError
from training.halves import write_record
from training.model import noise_levels
from training.state import read_progress
from training.train import Run

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "vae": ["ldrps_engine.priors.patch_autoencoder", "PatchAutoencoder"],
    "unet": ["ldrps_engine.priors.latent_unet", "LatentUNet"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "scheduler": ["diffusers", "DDIMScheduler"],
}


def export(work: Path, out: Path, config: Config, *, untrained: bool = False) -> None:
    """Write the averaged weights of `work`'s checkpoint to `out`.

    `untrained` writes the same network before its first step, for the ablation that shows
    what the training brings.
    """
    from transformers import PreTrainedTokenizerFast

    run = Run(work, config)
    if not untrained:
        if read_progress(work, config) is None:
            raise TrainingError(f"{work} holds no checkpoint; run `train` first")
        with torch.no_grad():
            for name, parameter in run.network.named_parameters():
                parameter.copy_(run.average[name])
    else:
        torch.manual_seed(config.train.seed)
        run.network = type(run.network)(config)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    run.network.unet.half().save_pretrained(part / "unet")
    run.network.text_encoder.half().save_pretrained(part / "text_encoder")
    vae = PatchAutoencoder.from_pretrained(work / "vae")
    vae.register_to_config(latent_std=[round(v, 4) for v in run.variance.sqrt().tolist()])
    vae.save_pretrained(part / "vae")
    PreTrainedTokenizerFast.from_pretrained(work / "tokenizer").save_pretrained(part / "tokenizer")
    scheduler(config).save_pretrained(part / "scheduler")
    _forget_origin(part)
    (part / "model_index.json").write_text(json.dumps(_INDEX, indent=2) + "\n")
    photos = Counter(photo.source for photo in run.pack.photos)
    write_record(part, run.progress, photos, sorted(part.rglob("*.safetensors")))
    shutil.rmtree(out, ignore_errors=True)
    folder_into_place(part, out)


def scheduler(config: Config) -> DDIMScheduler:
    """The training schedule as diffusers' scheduler, so that its config alone suffices."""
    from diffusers import DDIMScheduler

    alphas = noise_levels(config.schedule)
    previous = torch.cat([torch.ones(1, dtype=alphas.dtype), alphas[:-1]])
    return DDIMScheduler(
        num_train_timesteps=config.schedule.steps,
        trained_betas=(1 - alphas / previous).tolist(),
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )


def _forget_origin(folder: Path) -> None:
    """Take out the paths on the training machine that libraries write into configs."""
    for path in folder.rglob("*config.json"):
        config = json.loads(path.read_text())
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n")
