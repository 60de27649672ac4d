"""Which models are in memory (being written)."""

from __future__ import annotations


class Models:
    """Keeps loaded models warm on one device ('cpu', 'cuda:0')."""

    def __init__(self, device: str) -> None:
        self.device = device

    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        return []
