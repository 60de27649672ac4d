"""Networks to train: the U-Net, a small CLIP text encoder, and the tokenizer of its words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import Tensor, nn

from ldrps_engine.priors.latent_unet import LatentUNet
from training.config import Config, ScheduleConfig

if TYPE_CHECKING:
    from transformers import CLIPTextModel, PreTrainedTokenizerFast


def noise_levels(schedule: ScheduleConfig) -> Tensor:
    """Cumulative alphas (steps,) of a shifted cosine schedule that ends in pure noise.

    Hoogeboom et al., "simple diffusion" (ICML 2023), section 3.1, with the shift as a
    factor on sigma/alpha.
    """
    time = torch.arange(1, schedule.steps + 1, dtype=torch.float64) / schedule.steps
    ratio = schedule.noise_shift * torch.tan(math.pi / 2 * time[:-1])
    # The last step knows nothing of the photo, or sampling would begin with noise that training
    # never showed (Lin et al., WACV 2024).
    return torch.cat([1 / (1 + ratio**2), torch.zeros(1, dtype=torch.float64)])


def train_tokenizer(texts: Iterable[str], config: Config) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer of the texts that the training photos come with."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    special = ["<pad>", "<unk>", "<start>", "<end>"]
    trainer = trainers.BpeTrainer(
        vocab_size=config.model.vocabulary, special_tokens=special, end_of_word_suffix="</w>"
    )
    tokenizer.train_from_iterator(texts, trainer)
    # The numbers are the places of the two words in `special`.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 2), ("<end>", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=config.model.text_tokens,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<start>",
        eos_token="<end>",
    )


def tokenize(tokenizer: object, texts: list[str], config: Config) -> Tensor:
    """Token ids (N, text_tokens), padded and cut."""
    out = tokenizer(  # type: ignore[operator]
        texts,
        padding="max_length",
        truncation=True,
        max_length=config.model.text_tokens,
        return_tensors="pt",
    )
    return torch.as_tensor(out["input_ids"])


def build_text_encoder(config: Config) -> CLIPTextModel:
    """A CLIP text model small enough to be trained together with the U-Net."""
    from transformers import CLIPTextConfig, CLIPTextModel

    shape = config.model
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.text_width,
            intermediate_size=2 * shape.text_width,
            projection_dim=shape.text_width,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=shape.text_width // 32,
            max_position_embeddings=shape.text_tokens,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
        )
    )


def build_unet(config: Config) -> LatentUNet:
    """The network that is trained, before its first step."""
    unet: LatentUNet = LatentUNet(
        in_channels=config.autoencoder.latent_channels,
        block_out_channels=tuple(config.model.block_channels),
        blocks_per_level=config.model.blocks_per_level,
        cross_attention_dim=config.model.text_width,
        noise_shift=config.schedule.noise_shift,
        num_train_timesteps=config.schedule.steps,
    )
    return unet


class Denoiser(nn.Module):
    """U-Net and text encoder in one; predicts v."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.unet = build_unet(config)
        self.text_encoder = build_text_encoder(config)

    def forward(self, noisy: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        """Predict v from latents (N, C, h, w) noised to integer timesteps (N,)."""
        hidden = self.text_encoder(input_ids=tokens).last_hidden_state
        return torch.as_tensor(self.unet(noisy, timestep, encoder_hidden_states=hidden).sample)
