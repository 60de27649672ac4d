"""Models of the published classes with a few thousand random weights.

Each function writes a folder in the layout that the family is published in, and returns it.
"""

import json

import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from support.lazy import diffusers, transformers

_WORDS = ("a", "photo", "red", "green", "blue", "grey", "above", "below", ",")
_CHAT = "{% for message in messages %}a photo , {{ message['content'] }}{% endfor %}"


def stable_diffusion(folder, prediction="v_prediction", channels=4):
    """Make models shaped like Stable Diffusion 2.1: latents at an eighth, one text encoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _autoencoder(channels).save_pretrained(folder / "vae")
        _unet(channels).save_pretrained(folder / "unet")
        transformers.CLIPTextModel(_text_config()).save_pretrained(folder / "text_encoder")
    _tokenizer().save_pretrained(folder / "tokenizer")
    _schedule(prediction).save_pretrained(folder / "scheduler")
    classes = {
        "vae": "AutoencoderKL",
        "unet": "UNet2DConditionModel",
        "text_encoder": "CLIPTextModel",
        "tokenizer": "PreTrainedTokenizerFast",
        "scheduler": "DDIMScheduler",
    }
    return _index(folder, "StableDiffusionPipeline", classes)


def stable_diffusion_xl(folder):
    """Make models shaped like Stable Diffusion XL: two text encoders, sizes as a condition."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _autoencoder(4).save_pretrained(folder / "vae")
        unet = _unet(
            4,
            cross_attention_dim=32,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=16 + 6 * 8,
        )
        unet.save_pretrained(folder / "unet")
        transformers.CLIPTextModel(_text_config()).save_pretrained(folder / "text_encoder")
        second = transformers.CLIPTextModelWithProjection(_text_config())
        second.save_pretrained(folder / "text_encoder_2")
    _tokenizer().save_pretrained(folder / "tokenizer")
    _tokenizer().save_pretrained(folder / "tokenizer_2")
    _schedule("epsilon").save_pretrained(folder / "scheduler")
    classes = {
        "vae": "AutoencoderKL",
        "unet": "UNet2DConditionModel",
        "text_encoder": "CLIPTextModel",
        "text_encoder_2": "CLIPTextModelWithProjection",
        "tokenizer": "PreTrainedTokenizerFast",
        "tokenizer_2": "PreTrainedTokenizerFast",
        "scheduler": "EulerDiscreteScheduler",
    }
    return _index(folder, "StableDiffusionXLPipeline", classes, force_zeros_for_empty_prompt=True)


def flux2(folder, distilled=True, dynamic=True):
    """Make models shaped like FLUX.2 klein: 32 latent channels in packs of four, and a flow."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _flux2_autoencoder().save_pretrained(folder / "vae")
        _flux2_transformer().save_pretrained(folder / "transformer")
        transformers.Qwen3ForCausalLM(_language_config()).save_pretrained(folder / "text_encoder")
    tokenizer = _tokenizer()
    tokenizer.chat_template = _CHAT
    tokenizer.save_pretrained(folder / "tokenizer")
    schedule = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=dynamic)
    schedule.save_pretrained(folder / "scheduler")
    classes = {
        "vae": "AutoencoderKLFlux2",
        "transformer": "Flux2Transformer2DModel",
        "text_encoder": "Qwen3ForCausalLM",
        "tokenizer": "PreTrainedTokenizerFast",
        "scheduler": "FlowMatchEulerDiscreteScheduler",
    }
    return _index(folder, "Flux2KleinPipeline", classes, is_distilled=distilled)


def tiny_autoencoder(folder, channels=4):
    """Make a decoder shaped like TAESD, for the Stable Diffusion families."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        diffusers.AutoencoderTiny(
            latent_channels=channels,
            encoder_block_out_channels=(4, 4, 4, 4),
            decoder_block_out_channels=(4, 4, 4, 4),
            num_encoder_blocks=(1, 1, 1, 1),
            num_decoder_blocks=(1, 1, 1, 1),
        ).save_pretrained(folder)
    return folder


def flux2_small_decoder(folder):
    """Make a decoder shaped like FLUX.2's small one: the full one's class, fewer channels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        _flux2_autoencoder(decoder_block_out_channels=(4, 4, 4, 4)).save_pretrained(folder)
    return folder


def _index(folder, pipeline, classes, **more):
    ours = {"vae", "unet", "transformer", "scheduler"}
    parts = {
        part: ["diffusers" if part in ours else "transformers", kind]
        for part, kind in classes.items()
    }
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline, **more, **parts}))
    return folder


def _schedule(prediction):
    return diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )


def _autoencoder(channels):
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 8),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=2,
        sample_size=64,
        shift_factor=0.1159 if channels == 16 else None,
    )


def _flux2_autoencoder(**more):
    made = diffusers.AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 8),
        layers_per_block=1,
        latent_channels=32,
        norm_num_groups=2,
        sample_size=64,
        **more,
    )
    # The statistics that latents are brought to unit variance with are learned ones.
    made.bn.running_mean.uniform_(-0.2, 0.2)
    made.bn.running_var.uniform_(0.5, 2.0)
    return made


def _flux2_transformer():
    return diffusers.Flux2Transformer2DModel(
        in_channels=128,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 16,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )


def _unet(channels, **more):
    shape = {
        "sample_size": 8,
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "attention_head_dim": (2, 4),
        "cross_attention_dim": 16,
        "norm_num_groups": 4,
        "use_linear_projection": True,
    }
    return diffusers.UNet2DConditionModel(**shape | more)


def _text_config():
    return transformers.CLIPTextConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )


def _language_config():
    return transformers.Qwen3Config(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=512,
    )


def _tokenizer():
    words = ("<pad>", "<unk>", "<start>", "<end>", *_WORDS)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=16,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<start>",
        eos_token="<end>",
    )


def published_sd21(folder):
    """Make the repository of Stable Diffusion 2.1, in tiny: its weights in half precision."""
    made = stable_diffusion(folder, "epsilon")
    for path in made.rglob("*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))
    return made
