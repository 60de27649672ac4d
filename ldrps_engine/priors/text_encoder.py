"""The bundled model's text encoder: CLIP's (Radford et al., ICML 2021), read from its files alone.

transformers has the same network and the same tokenizer, and takes a second to be imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.priors.own_network import OwnNetwork, kept

_ACTIVATION = "quick_gelu"


@dataclass(frozen=True)
class Embedded:
    """Output, under the name that transformers gives it."""

    last_hidden_state: Tensor
    """(N, tokens, hidden_size)."""


class OwnTextEncoder(OwnNetwork):
    """Weights have the names that transformers' `CLIPTextModel` gives them."""

    @kept
    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        intermediate_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        max_position_embeddings: int,
        hidden_act: str = _ACTIVATION,
        layer_norm_eps: float = 1e-5,
    ) -> None:
        """ValueError for an activation other than CLIP's own."""
        super().__init__()
        if hidden_act != _ACTIVATION:
            raise ValueError(f"its activation is {hidden_act}; {_ACTIVATION} is what is known")
        self.embeddings = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(vocab_size, hidden_size),
                "position_embedding": nn.Embedding(max_position_embeddings, hidden_size),
            }
        )
        layers = (
            _Layer(hidden_size, intermediate_size, num_attention_heads, layer_norm_eps)
            for _ in range(num_hidden_layers)
        )
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})
        self.final_layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)

    def forward(self, input_ids: Tensor) -> Embedded:
        """Embed token ids (N, tokens); each token sees those before it."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        hidden = self.embeddings["token_embedding"](input_ids)
        hidden = hidden + self.embeddings["position_embedding"](places)
        layers: Any = self.encoder["layers"]
        for layer in layers:
            hidden = layer(hidden)
        return Embedded(self.final_layer_norm(hidden))


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int, eps: float) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width, eps=eps)
        self.layer_norm2 = nn.LayerNorm(width, eps=eps)
        self.self_attn = nn.ModuleDict(
            {f"{name}_proj": nn.Linear(width, width) for name in ("q", "k", "v", "out")}
        )
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})
        self._heads = heads

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self._attended(self.layer_norm1(hidden))
        inner = self.mlp["fc1"](self.layer_norm2(hidden))
        # CLIP's quick approximation of GELU.
        return torch.as_tensor(hidden + self.mlp["fc2"](inner * torch.sigmoid(1.702 * inner)))

    def _attended(self, hidden: Tensor) -> Tensor:
        query, key, value = (
            self.self_attn[f"{name}_proj"](hidden).unflatten(2, (self._heads, -1)).transpose(1, 2)
            for name in ("q", "k", "v")
        )
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return torch.as_tensor(self.self_attn["out_proj"](seen.transpose(1, 2).flatten(2)))


class OwnTokenizer:
    """A tokenizer's `tokenizer.json`, called as transformers' tokenizers are."""

    def __init__(self, folder: Path, length: int) -> None:
        """`length` is that of every text, padded or cut."""
        self.model_max_length = length
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(length=length, pad_id=0, pad_token="<pad>")

    def __call__(self, texts: list[str], **_: Any) -> dict[str, Tensor]:
        """Token ids (N, length)."""
        found = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        return {"input_ids": torch.tensor(found)}
