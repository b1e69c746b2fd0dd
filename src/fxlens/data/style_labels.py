"""Labels of the pairs of a batch: what their chains are, and which style each pair is of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxlens.data.chain_labels import joined_labels, label_preset
from fxlens.data.style_pool import StoredBlock

Track = tuple[StoredBlock, int]
"""A block and which of its chains."""

LABELS = ("effects", "parameters", "order", "style")
"""Endings of the names of a part's labels."""


def labels_of(part: str, styles: Sequence[Sequence[Track]]) -> dict[str, Tensor]:
    """Label pairs, each of the tracks that are mixed in it.

    Args:
        part: beginning of the names: ``mixture`` or ``stem``.
        styles: for each pair its tracks.

    Returns:
        ``<part>_effects`` ``[N, E]``, ``<part>_parameters`` ``[N, P]``, ``<part>_order`` ``[N, O]``, see
        :mod:`fxlens.data.chain_labels`, and ``<part>_style`` int64 ``[N]``, equal for equal tracks.
    """
    labels = [joined_labels([label_preset(_preset(block, chain)) for block, chain in tracks]) for tracks in styles]
    return {
        f"{part}_effects": torch.from_numpy(np.stack([one.effects for one in labels])),
        f"{part}_parameters": torch.from_numpy(np.stack([one.parameters for one in labels])),
        f"{part}_order": torch.from_numpy(np.stack([one.order for one in labels])),
        f"{part}_style": torch.tensor([_style_number(tracks) for tracks in styles], dtype=torch.int64),
    }


def _preset(block: StoredBlock, chain: int) -> str:
    chains: Any = block.info["chains"]
    return str(chains[chain])


def _style_number(tracks: Sequence[Track]) -> int:
    """A number below 2^62 that depends on the blocks and their chains, whatever their order."""
    told = sorted((block.number, chain) for block, chain in tracks)
    return int.from_bytes(hashlib.sha256(repr(told).encode()).digest()[:8], "big") >> 2
