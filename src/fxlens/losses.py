"""Contrastive losses over effect styles.

A *style* is one choice of effect chains. Embeddings of the same style are positives, all others negatives. The
losses take L2-normalised embeddings and know nothing of audio.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """Normalised-temperature cross entropy over the ``2N`` views of ``N`` pairs.

    For view i with partner j: ``-log(exp(s_ij / t) / sum_{k != i} exp(s_ik / t))``, with s the cosine, averaged over
    all 2N views (Chen et al., ICML 2020; Eq. 1 of Fx-Encoder++, ISMIR 2025). The same formula serves Eq. 3 when the
    views are embeddings of one instrument, extracted from the two mixtures of each pair.

    Args:
        first: ``[N, D]``, L2-normalised, one view of each pair.
        second: ``[N, D]``, the other view, same order.
        temperature: divides the cosines.

    Returns:
        Scalar.
    """
    n = first.shape[0]
    z = torch.cat([first, second]).float()
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), float("-inf"))
    partner = torch.arange(2 * n, device=z.device).roll(n)
    return F.cross_entropy(logits, partner)


def nt_xent_with_memory(
    first: Tensor, second: Tensor, keys: Tensor, negative: Tensor, temperature: float = 0.1
) -> Tensor:
    """:func:`nt_xent` with further negatives, which are embeddings of styles that are not in the batch.

    Args:
        first: ``[N, D]``, L2-normalised, one view of each pair.
        second: ``[N, D]``, the other view, same order.
        keys: ``[K, D]``, L2-normalised.
        negative: bool ``[N, K]``: whether a key is a negative of both views of a pair; others are left out.
        temperature: divides the cosines.

    Returns:
        Scalar; without keys that of :func:`nt_xent`.
    """
    n = first.shape[0]
    z = torch.cat([first, second]).float()
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), float("-inf"))
    further = (z @ keys.float().T / temperature).masked_fill(~negative.repeat(2, 1), float("-inf"))
    partner = torch.arange(2 * n, device=z.device).roll(n)
    return F.cross_entropy(torch.cat([logits, further], dim=1), partner)


def over_known(losses: Tensor, known: Tensor) -> Tensor:
    """Mean of the losses that are known; 0 if none is, with a gradient of 0.

    Args:
        losses: any shape, finite.
        known: bool, same shape.
    """
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp_min(1)


def cross_nt_xent(query: Tensor, key: Tensor, temperature: float = 0.1) -> Tensor:
    """Two-way cross entropy between two views of the same styles made in different ways.

    Row i of ``query`` must find row i of ``key`` among all rows of ``key``, and the reverse. Used to pull what is
    extracted from a mixture toward the embedding of the isolated wet stem: both must name the same effects, while a
    plain distance would also be satisfied by a collapsed teacher.

    Args:
        query: ``[N, D]``, L2-normalised.
        key: ``[N, D]``, L2-normalised, same order of styles.
        temperature: divides the cosines.

    Returns:
        Scalar.
    """
    logits = query.float() @ key.float().T / temperature
    target = torch.arange(len(query), device=query.device)
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
