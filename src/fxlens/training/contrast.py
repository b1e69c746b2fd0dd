"""Learning what effects sound like, by contrast: the same chains on other music are close, all others far.

On several processes each hears its rows of a batch, and the losses are over the embeddings of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.instruments import aliases
from fxlens.losses import cross_nt_xent, nt_xent, nt_xent_with_memory
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.heard import Heard
from fxlens.models.instrument_query import QueryEncoder
from fxlens.training.curriculum import instrument_weight
from fxlens.training.gathering import gather_rows, process_rank, row_counts
from fxlens.training.heads import StyleHeads
from fxlens.training.joint_hearing import JointHearing
from fxlens.training.memory import StyleMemory
from fxlens.training.settings import LossSettings, QuerySettings
from fxlens.training.task import Task

QUERIES_PER_BATCH = 8
"""Different names and excerpts that a batch asks with; each view takes one of them."""


class ContrastiveTask(Task):
    """Losses of one batch.

    Args:
        encoder: the model in training.
        queries: frozen query encoder; None trains on mixtures only.
        loss: see :class:`LossSettings`.
        query: see :class:`QuerySettings`.
        joint: what teachers hear together, a target for every view; None goes without.
    """

    def __init__(
        self,
        encoder: FxEncoder,
        queries: QueryEncoder | None,
        loss: LossSettings,
        query: QuerySettings,
        joint: JointHearing | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.loss, self.query, self.joint = encoder, loss, query, joint
        self._queries = [queries]  # in a list: frozen, so neither its weights nor its mode belong to the task
        dim = encoder.embedding_dim
        self.heads = StyleHeads(dim, loss.heads) if loss.heads.any else None
        self.memory = StyleMemory(loss.memory, dim) if loss.memory else None

    def forward(self, batch: Mapping[str, Any], step: int, seed: int) -> dict[str, Tensor]:
        """Compute ``total`` and its parts.

        Args:
            batch: an item of :class:`fxlens.data.dataset.StyleBatches`, or this process's rows of it; with labels
                where the settings need them.
            step: optimiser step, for the curriculum.
            seed: seeds whatever is random in the losses, so that a resumed run repeats itself; the same in all
                processes, which draw queries together and dropout each for itself.
        """
        torch.manual_seed(seed + 15_485_863 * process_rank())
        rng = np.random.default_rng(seed)
        weight = instrument_weight(step, self.loss.ramp_steps, self.loss.instrument_weight)
        if "dry" not in batch or self._queries[0] is None or self.loss.contrast == 0.0:
            weight = 0.0
        names = ["mixture"]
        asked = "extraction" if "extraction" in batch else "mixture"  # the paper asks in the mixtures themselves
        if weight > 0.0 and asked not in names:
            names.append(asked)
        if self.loss.stem_view and "stem" in batch:
            names.append("stem")
        # One pass of the trunk over all views: its batch statistics are then those of every kind of input.
        views = [_views(batch[name]) for name in names]
        parts = self._hear(torch.cat(views)).split([len(v) for v in views])
        heard = dict(zip(names, parts, strict=True))
        beside, told = self._beside(batch, heard)
        if self.loss.contrast == 0.0:
            return {"total": beside, **told}

        whole_of = {name: _of_all(heard[name].mixture) for name in ("mixture", "stem") if name in heard}
        named: dict[str, Tensor] = {name: self._contrasted(batch, name, views) for name, views in whole_of.items()}
        total = torch.stack(list(named.values())).mean()
        if weight > 0.0:
            query = self._own_queries(batch, rng, len(batch[asked]))
            instrument = self._instrument(heard[asked], query, whole_of.get("stem"), named)
            total = (1.0 - weight) * total + weight * instrument
        return {"total": self.loss.contrast * total + beside, **named, **told}

    def _instrument(self, heard: Heard, query: Tensor, stem: Tensor | None, named: dict[str, Tensor]) -> Tensor:
        """The loss of what is extracted; its parts are added to ``named``."""
        t = self.loss.temperature
        found = _of_all(self.encoder.instrument_embedding(heard, query))
        first, second = found.chunk(2)
        named["instrument"] = nt_xent(first, second, t)
        if stem is None:
            return named["instrument"]
        stem_first, stem_second = stem.chunk(2)
        # The teacher is the isolated stem of the *other* content, so that music cannot carry the match. It is not
        # pulled back: it has the easier view.
        named["distil"] = 0.5 * (
            cross_nt_xent(first, stem_second.detach(), t) + cross_nt_xent(second, stem_first.detach(), t)
        )
        # And it must lie where the isolated stem of the same content lies; divided by the temperature, as cosines
        # are in the other losses.
        close = (first * stem_first.detach()).sum(dim=1) + (second * stem_second.detach()).sum(dim=1)
        named["align"] = (1.0 - 0.5 * close.mean()) / t
        return (named["instrument"] + named["distil"] + named["align"]) / 3.0

    def _contrasted(self, batch: Mapping[str, Any], name: str, views: Tensor) -> Tensor:
        """NT-Xent of ``[2N, D]``; of mixtures with what is remembered of earlier ones."""
        if self.memory is None or name != "mixture":
            return _of_pairs(views, self.loss.temperature)
        first, second = views.chunk(2)
        styles = gather_rows(batch["mixture_style"].to(views.device))
        keys, negative = self.memory.negatives(styles)
        loss = nt_xent_with_memory(first, second, keys.clone(), negative, self.loss.temperature)
        if self.training:
            self.memory.remember(views, styles.repeat(2))
        return loss

    def _beside(self, batch: Mapping[str, Any], heard: Mapping[str, Heard]) -> tuple[Tensor, dict[str, Tensor]]:
        """What is learnt beside the contrast, of the mixtures and the stems that were heard: weighed sum, and parts."""
        parts = [name for name in ("mixture", "stem") if name in heard]
        embeddings = torch.cat([heard[name].mixture for name in parts])
        told, total = self._told(batch, parts, embeddings), embeddings.new_zeros(())
        if self.heads is not None:
            total = total + self.heads.total(told)
        if self.joint is not None:
            target = self.joint(torch.cat([heard[name].spectrogram for name in parts]))
            # Divided by the temperature, as cosines are in the other losses.
            told["joint"] = (1.0 - (embeddings * target).sum(dim=1).mean()) / self.loss.temperature
            total = total + self.loss.joint_weight * told["joint"]
        return total, told

    def _told(self, batch: Mapping[str, Any], parts: list[str], embeddings: Tensor) -> dict[str, Tensor]:
        """Losses of the heads on the embeddings of some parts of a batch."""
        if self.heads is None:
            return {}
        labels = {
            kind: torch.cat([batch[f"{name}_{kind}"].repeat(2, 1) for name in parts])
            for kind in ("effects", "parameters", "order")
        }
        return self.heads(embeddings, labels)

    def _hear(self, views: Tensor) -> Heard:
        """Views as audio ``[B, 2, T]``, or as the spectrogram ``[B, C, mel, frame]`` that the loader made of it."""
        return self.encoder.hear(views) if views.ndim == 3 else Heard(self.encoder, views)

    def _own_queries(self, batch: Mapping[str, Any], rng: np.random.Generator, pairs: int) -> Tensor:
        """A query for every view of this process, all first views before all second ones."""
        if "own" in batch:
            return self._wet_queries(batch["own"])
        counts = row_counts(pairs, self.encoder.device)
        before, total = sum(counts[: process_rank()]), sum(counts)
        own = torch.arange(before, before + pairs)
        return self._draw_queries(batch, rng, 2 * total, torch.cat([own, own + total]) if total > pairs else None)

    @torch.no_grad()
    def _draw_queries(
        self, batch: Mapping[str, Any], rng: np.random.Generator, views: int, own: Tensor | None = None
    ) -> Tensor:
        """A query for every view, by a name of the instrument or a dry excerpt of the batch: ``[views, Q]``, or the
        rows ``own`` of that.

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
        taken = torch.from_numpy(rng.integers(len(choice), size=views))
        query = choice[taken if own is None else taken[own]]
        if self.training and self.query.noise > 0.0:
            query = query + torch.randn_like(query) * self.query.noise / query.shape[1] ** 0.5
        return F.normalize(query, dim=-1)

    @torch.no_grad()
    def _wet_queries(self, own: Tensor) -> Tensor:
        """Ask each view with the stem that is in it, ``[N, 2, T]``: ``[2N, Q]``."""
        encoder = self._queries[0]
        assert encoder is not None
        clips = _views(own).float()[:, None].expand(-1, 2, -1)
        return F.normalize(encoder.embed_audio(clips, self.encoder.sample_rate), dim=-1).to(self.encoder.device)

    @torch.no_grad()
    def effect_loss(self, pairs: Tensor) -> float:
        """NT-Xent of pairs ``[N, 2, ...]`` whose chains hold one effect only."""
        z = torch.cat([self._hear(v).mixture for v in _views(pairs).split(32)])
        return float(_of_pairs(z, self.loss.temperature))


def _of_all(views: Tensor) -> Tensor:
    """This process's ``[2n, D]`` to all processes' ``[2N, D]``, all first views before all second ones."""
    first, second = views.chunk(2)
    return torch.cat([gather_rows(first), gather_rows(second)])


def _of_pairs(views: Tensor, temperature: float) -> Tensor:
    """NT-Xent of ``[2N, D]``, all first views before all second ones."""
    first, second = views.chunk(2)
    return nt_xent(first, second, temperature)


def _views(pairs: Tensor) -> Tensor:
    """``[N, 2, ...]`` -> ``[2N, ...]``, all first views before all second ones."""
    return torch.cat([pairs[:, 0], pairs[:, 1]])
