"""Image-and-text models of the published classes with a few thousand random weights."""

import json

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel

from support.lazy import transformers

_QWEN = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_QWEN_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SMOL = (
    "<|im_start|>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    "<pad>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
)
_SMOL_CHAT = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}:"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def qwen3_vl(folder):
    """Make a model shaped like Qwen3-VL."""
    tokenizer = _tokenizer(_QWEN, _QWEN_CHAT, eos="<|im_end|>", pad="<|endoftext|>")
    config = transformers.Qwen3VLConfig(
        text_config=_text(len(tokenizer)),
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "out_hidden_size": 16, "patch_size": 16, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        **_qwen_tokens(tokenizer),
    )  # fmt: skip
    _save(transformers.Qwen3VLForConditionalGeneration, config, folder)
    _processed(folder, tokenizer, "Qwen3VLProcessor", _qwen_images(16))
    # As published: named after the version that needs torchvision.
    _change(folder / "preprocessor_config.json", image_processor_type="Qwen2VLImageProcessorFast")
    return folder


def qwen2_5_vl(folder):
    """Make a model shaped like Qwen2.5-VL."""
    tokenizer = _tokenizer(_QWEN, _QWEN_CHAT, eos="<|im_end|>", pad="<|endoftext|>")
    config = transformers.Qwen2_5_VLConfig(
        text_config=_text(len(tokenizer)),
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "out_hidden_size": 16, "patch_size": 14, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "window_size": 56, "fullatt_block_indexes": [0],
        },
        **_qwen_tokens(tokenizer),
    )  # fmt: skip
    _save(transformers.Qwen2_5_VLForConditionalGeneration, config, folder)
    return _processed(folder, tokenizer, "Qwen2_5_VLProcessor", _qwen_images(14))


def smolvlm2(folder):
    """Make a model shaped like SmolVLM2."""
    tokenizer = _tokenizer(_SMOL, _SMOL_CHAT, eos="<end_of_utterance>", pad="<pad>")
    config = transformers.SmolVLMConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
        vision_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
        },
        text_config={"model_type": "llama", **_text(len(tokenizer), rope=False)},
    )  # fmt: skip
    _save(transformers.SmolVLMForConditionalGeneration, config, folder)
    images = transformers.SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    return _processed(folder, tokenizer, "SmolVLMProcessor", images, image_seq_len=4)


def _save(kind, config, folder):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind(config).save_pretrained(folder)


def _processed(folder, tokenizer, kind, images, **more):
    """Add what the hub's repositories hold beside the weights."""
    tokenizer.save_pretrained(folder)
    images.save_pretrained(folder)
    _change(folder / "preprocessor_config.json", processor_class=kind)
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": kind, **more}))
    (folder / "chat_template.json").write_text(
        json.dumps({"chat_template": tokenizer.chat_template})
    )
    return folder


def _change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _qwen_images(patch):
    return transformers.Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64},
    )  # fmt: skip


def _qwen_tokens(tokenizer):
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {key: tokenizer.convert_tokens_to_ids(name) for key, name in names.items()}


def _text(words, rope=True):
    found = {
        "vocab_size": words, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "max_position_embeddings": 4096,
    }  # fmt: skip
    if rope:
        sections = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}
        found["rope_parameters"] = sections
    return found


def _tokenizer(special, chat, eos, pad):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=eos, pad_token=pad
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    tokenizer.chat_template = chat
    return tokenizer
