"""A Stable Diffusion 1 model as one file, under the names that such checkpoints have."""

import re

from safetensors.torch import load_file, save_file

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}  # fmt: skip
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_LAYERS = 1
"""Layers of each block of the tiny models."""


def single_file(folder, path):
    """Write a folder's weights, in half precision, into one file; returns the path."""
    weights = {}
    for part, prefix, rename in (
        ("unet", "model.diffusion_model.", _unet),
        ("vae", "first_stage_model.", _autoencoder),
        ("text_encoder", "cond_stage_model.transformer.text_model.", lambda name: name),
    ):
        (file,) = (folder / part).glob("*.safetensors")
        for name, value in load_file(file).items():
            new = rename(name)
            # There, what attends in the autoencoder is a convolution.
            flat = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", new)
            weights[prefix + new] = (value[..., None, None] if flat else value).half().contiguous()
    save_file(weights, path)
    return path


def _unet(name):
    for new, old in _UNET.items():
        name = re.sub(rf"^{re.escape(new)}\.", f"{old}.", name)
    name = name.replace("downsamplers.0.conv.", "downsamplers.0.op.")
    name = re.sub(r"^(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.", _block, name)
    for new, old in _RESNET.items():
        name = re.sub(rf"^(\w+_blocks?\.(?:\d+\.)+){new}\.", rf"\1{old}.", name)
    return name


def _block(found):
    way, block, kind, index = found[1], int(found[2]), found[3], int(found[4])
    first = (_LAYERS + 1) * block
    if kind == "downsamplers":
        return f"input_blocks.{first + _LAYERS + 1}.0."
    if kind == "upsamplers":
        # After a block's resnet, and its attention where there is one: none in the lowest.
        return f"output_blocks.{first + _LAYERS}.{1 if block == 0 else 2}."
    place = (
        f"input_blocks.{first + index + 1}" if way == "down" else f"output_blocks.{first + index}"
    )
    return f"{place}.{0 if kind == 'resnets' else 1}."


def _autoencoder(name):
    levels = 4
    name = re.sub(r"mid_block\.attentions\.0\.", "mid.attn_1.", name)
    if "attn_1" in name:
        for new, old in _ATTENTION.items():
            name = name.replace(f"attn_1.{new}.", f"attn_1.{old}.")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    turned = lambda m: f"up.{levels - 1 - int(m[1])}."  # noqa: E731
    name = re.sub(r"up_blocks\.(\d)\.", turned, name)
    name = name.replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")
    return name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
