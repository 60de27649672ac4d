"""Networks of our own, in the folders that diffusers writes, without importing diffusers.

That import, and transformers', take seconds of a first restoration, more than the bundled model's
own work on a small photo; of both, our networks need a configuration besides the weights.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors.torch import load_file, save_file
from torch import nn

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


class Settings(dict[str, Any]):
    """A configuration whose values are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the configuration has no {name}") from None


class OwnNetwork(nn.Module):
    """A network that knows its configuration: what `kept` noted of its constructor's arguments."""

    config: Settings
    former_names: ClassVar[Mapping[str, str]] = {}
    """Names of arguments and of modules in files of earlier versions, with those of today."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new network of this configuration; what its constructor does not know is left out."""
        known = inspect.signature(cls).parameters
        given = {cls.former_names.get(name, name): value for name, value in config.items()}
        return cls(**{name: value for name, value in given.items() if name in known})

    @classmethod
    def from_pretrained(cls, folder: Path | str, torch_dtype: torch.dtype | None = None) -> Self:
        """Read configuration and weights from a folder; ValueError unless they fit each other."""
        network, wrong = cls.read(Path(folder), torch_dtype)
        if wrong:
            raise ValueError(f"{folder}: {len(wrong)} weights do not fit, such as {wrong[0]}")
        return network

    @classmethod
    def read(cls, folder: Path, dtype: torch.dtype | None) -> tuple[Self, list[str]]:
        """(the network, names of weights that are missing or of another shape)."""
        network = cls.from_config(json.loads((folder / CONFIG).read_text()))
        stored = load_file(next(folder / n for n in _names(folder)))
        weights = {cls._current(name): value for name, value in stored.items()}
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        wrong = [n for n, shape in shapes.items() if n not in weights or weights[n].shape != shape]
        fitting = {n: v for n, v in weights.items() if n in shapes and n not in wrong}
        # As stored, unless the caller chooses: the bundled weights are halves.
        if dtype is None and fitting:
            dtype = next(iter(fitting.values())).dtype
        network.load_state_dict(fitting, strict=False)
        return network.to(dtype).eval(), wrong

    @classmethod
    def _current(cls, weight: str) -> str:
        module, dot, rest = weight.partition(".")
        return cls.former_names.get(module, module) + dot + rest

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json` and the weights as they are, as diffusers would."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        config = {"_class_name": type(self).__name__} | self.config
        (Path(folder) / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, Path(folder) / WEIGHTS, {"format": "pt"})

    def register_to_config(self, **changed: Any) -> None:
        """Change what will be written as configuration."""
        self.config = Settings(self.config | changed)

    @property
    def dtype(self) -> torch.dtype:
        """Kind of number that the weights are."""
        return next(self.parameters()).dtype


def kept(constructor: Callable[..., None]) -> Callable[..., None]:
    """Decorate an `OwnNetwork`'s constructor: its arguments become the configuration."""
    signature = inspect.signature(constructor)

    @functools.wraps(constructor)
    def construct(self: OwnNetwork, *values: Any, **named: Any) -> None:
        bound = signature.bind(self, *values, **named)
        bound.apply_defaults()
        constructor(self, *values, **named)
        self.config = Settings(list(bound.arguments.items())[1:])

    return construct


def _names(folder: Path) -> list[str]:
    """The one file of weights that there is, in whichever of the names that libraries give it."""
    names = (WEIGHTS, WEIGHTS.replace(".safe", ".fp16.safe"), "model.safetensors")
    return [name for name in names if (folder / name).is_file()] or [WEIGHTS]
