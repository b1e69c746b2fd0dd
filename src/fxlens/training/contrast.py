"""A batch to named losses: the only place where data and model meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.instruments import aliases
from fxlens.losses import cross_nt_xent, nt_xent
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import QueryEncoder
from fxlens.training.curriculum import instrument_weight
from fxlens.training.settings import LossSettings, QuerySettings

QUERIES_PER_BATCH = 8
"""Different names and excerpts that a batch asks with; each view takes one of them."""


class ContrastiveTask(nn.Module):
    """Losses of one batch.

    Args:
        encoder: the model in training.
        queries: frozen query encoder; None trains on mixtures only.
        loss: see :class:`LossSettings`.
        query: see :class:`QuerySettings`.
    """

    def __init__(
        self, encoder: FxEncoder, queries: QueryEncoder | None, loss: LossSettings, query: QuerySettings
    ) -> None:
        super().__init__()
        self.encoder, self.loss, self.query = encoder, loss, query
        self._queries = [queries]  # in a list: frozen, so neither its weights nor its mode belong to the task

    def forward(self, batch: Mapping[str, Any], step: int, seed: int) -> dict[str, Tensor]:
        """Compute ``total`` and its parts.

        Args:
            batch: an item of :class:`fxlens.data.dataset.StyleBatches`.
            step: optimiser step, for the curriculum.
            seed: seeds whatever is random in the losses, so that a resumed run repeats itself.
        """
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        weight = 0.0
        parts = [batch["mixture"]]
        if "extraction" in batch and self._queries[0] is not None:
            weight = instrument_weight(step, self.loss.ramp_steps, self.loss.instrument_weight)
        if weight > 0.0:
            parts += [batch["extraction"], *([batch["stem"]] if self.loss.stem_view else [])]
        # One pass of the trunk over all views: its batch statistics are then those of every kind of input.
        sizes = [2 * len(p) for p in parts]
        maps = self._feature_map(torch.cat([_views(p) for p in parts])).split(sizes)

        t = self.loss.temperature
        named: dict[str, Tensor] = {}
        whole = self.encoder.mixture_embedding(torch.cat([maps[0], *maps[2:]])).split([sizes[0], *sizes[2:]])
        named["mixture"] = _of_pairs(whole[0], t)
        mixture_part = named["mixture"]
        if weight == 0.0:
            return {"total": mixture_part, **named}

        query = self._draw_queries(batch, rng, 2 * len(batch["extraction"]))
        found = self.encoder.instrument_embedding(maps[1], query)
        first, second = found.chunk(2)
        named["instrument"] = nt_xent(first, second, t)
        instrument_part = named["instrument"]
        if self.loss.stem_view:
            stem_first, stem_second = whole[1].chunk(2)
            named["stem"] = nt_xent(stem_first, stem_second, t)
            mixture_part = 0.5 * (mixture_part + named["stem"])
            # The teacher is the isolated stem of the *other* content, so that music cannot carry the match. It is
            # not pulled back: it has the easier view.
            named["distil"] = 0.5 * (
                cross_nt_xent(first, stem_second.detach(), t) + cross_nt_xent(second, stem_first.detach(), t)
            )
            # And it must lie where the isolated stem of the same content lies; divided by the temperature, as cosines
            # are in the other losses.
            close = (first * stem_first.detach()).sum(dim=1) + (second * stem_second.detach()).sum(dim=1)
            named["align"] = (1.0 - 0.5 * close.mean()) / t
            instrument_part = (instrument_part + named["distil"] + named["align"]) / 3.0
        named["total"] = (1.0 - weight) * mixture_part + weight * instrument_part
        return named

    def _feature_map(self, views: Tensor) -> Tensor:
        """Views as audio ``[B, 2, T]``, or as the spectrogram ``[B, C, mel, frame]`` that the loader made of it."""
        return self.encoder.feature_map(views) if views.ndim == 3 else self.encoder.backbone.feature_map(views)

    @torch.no_grad()
    def _draw_queries(self, batch: Mapping[str, Any], rng: np.random.Generator, views: int) -> Tensor:
        """A query for every view, by a name of the instrument or a dry excerpt of the batch: ``[views, Q]``.

        Drawn for each view by itself. Two views of a pair with one query of their own would find each other by the
        query, and nothing would be learnt of the effects.
        """
        encoder = self._queries[0]
        assert encoder is not None
        dry: Tensor = batch["dry"]
        names = aliases(batch["target"])
        texts = [names[int(i)] for i in rng.integers(len(names), size=QUERIES_PER_BATCH)]
        choice = encoder.embed_text(texts).to(dry.device)
        heard = rng.random(QUERIES_PER_BATCH) < self.query.audio_share
        if heard.any():
            excerpts = dry[torch.from_numpy(rng.integers(len(dry), size=int(heard.sum())))]
            choice[torch.from_numpy(heard)] = encoder.embed_audio(excerpts, self.encoder.sample_rate).to(choice)
        query = choice[torch.from_numpy(rng.integers(len(choice), size=views))]
        if self.training and self.query.noise > 0.0:
            query = query + torch.randn_like(query) * self.query.noise / query.shape[1] ** 0.5
        return F.normalize(query, dim=-1)

    @torch.no_grad()
    def effect_loss(self, pairs: Tensor) -> float:
        """NT-Xent of pairs ``[N, 2, ...]`` whose chains hold one effect only."""
        z = torch.cat([self.encoder.mixture_embedding(self._feature_map(v)) for v in _views(pairs).split(32)])
        return float(_of_pairs(z, self.loss.temperature))


def _of_pairs(views: Tensor, temperature: float) -> Tensor:
    """NT-Xent of ``[2N, D]``, all first views before all second ones."""
    first, second = views.chunk(2)
    return nt_xent(first, second, temperature)


def _views(pairs: Tensor) -> Tensor:
    """``[N, 2, ...]`` -> ``[2N, ...]``, all first views before all second ones."""
    return torch.cat([pairs[:, 0], pairs[:, 1]])
