"""A describer's processor for still pictures, which needs no torchvision.

transformers' image processors have versions over Pillow, but the processors of Qwen-VL and SmolVLM2
also want one for videos, and those need torchvision (transformers 5.23). So where it is missing
the processor is put together from its parts, without the one for videos.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from ldrps_engine.errors import ModelError
from ldrps_engine.priors.components import load_tokenizer, named_part


def load_processor(folder: Path, name: str) -> Any:
    """Read from a describer's folder; ModelError if it cannot be had or knows no chat."""
    with named_part(name, "processor"):
        if importlib.util.find_spec("torchvision"):
            from transformers import AutoProcessor

            found = AutoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        else:
            found = _without_videos(folder, name)
    if not getattr(found, "chat_template", None):
        raise ModelError(f"describer '{name}' has no chat template; take an instruction-tuned one")
    return found


def _without_videos(folder: Path, name: str) -> Any:
    from transformers import AutoImageProcessor

    tokenizer = load_tokenizer(folder, name)
    images = AutoImageProcessor.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, backend="pil"
    )
    kind = _processor_class(folder, name)
    settings = _read(folder / "processor_config.json")
    more = {key: settings[key] for key in ("image_seq_len",) if key in settings}
    return kind(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=None,
        chat_template=_chat_template(folder, tokenizer),
        **more,
    )


def _processor_class(folder: Path, name: str) -> Any:
    import transformers

    named = [
        _read(folder / file).get("processor_class")
        for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
    ]
    title = next((str(each) for each in named if each), "")
    kind = getattr(transformers, title, None) if title.endswith("Processor") else None
    if kind is None:
        raise ModelError(
            f"describer '{name}' names no processor that this transformers knows; "
            "take a describer that 'ldrps models list' shows"
        )
    if title == "SmolVLMProcessor":
        _spare_num2words()
    return _for_stills(kind)


def _for_stills(kind: Any) -> Any:
    """The class without its check that there is something to process videos with."""

    def check(self: Any, argument: str, value: Any) -> Any:
        if argument == "video_processor":
            return None
        return kind.check_argument_for_proper_class(self, argument, value)

    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})


def _spare_num2words() -> None:
    """SmolVLM's processor asks for num2words (LGPL), which only its words on videos use."""
    from transformers.models.smolvlm import processing_smolvlm

    if processing_smolvlm.num2words is None:
        processing_smolvlm.num2words = str


def _chat_template(folder: Path, tokenizer: Any) -> str | None:
    template = folder / "chat_template.jinja"
    if template.is_file():
        return template.read_text()
    found = _read(folder / "chat_template.json").get("chat_template")
    return found or getattr(tokenizer, "chat_template", None)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found = json.loads(path.read_text())
    return found if isinstance(found, dict) else {}
