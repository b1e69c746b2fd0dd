"""Learning to listen: (mixture, query) to what a trained encoder finds in the isolated stem.

Two lessons, one after the other. First *where*: masks for every class of instrument, present or not, learnt from the
spectra of the stems. Then also *what*: the embedding read through the mask shall name the key of the stem's chain
among all chains of that instrument in the pool, and lie where that key lies. The encoder of wholes is the teacher and
does not change.

On several processes each hears its mixtures of a batch and knows what is in all of them; means are over all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.data.dataset import REMAINDER
from fxlens.data.stem_targets import StemTargets
from fxlens.data.style_pool import StoredBlock
from fxlens.errors import ConfigError
from fxlens.instruments import aliases
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.heard import Heard
from fxlens.models.instrument_query import QueryEncoder
from fxlens.models.mask_net import BAND_STRIDE, FRAME_STRIDE
from fxlens.models.query_mask import QueryMask
from fxlens.training.gathering import process_rank, row_counts, sum_over_processes
from fxlens.training.settings import LessonSettings, QuerySettings
from fxlens.training.task import Task


class KeyBank:
    """Every chain of the pool as its teacher heard it, and the dry excerpts that can be asked with.

    Args:
        blocks: the blocks.
        targets: theirs, in the same order.
    """

    def __init__(self, blocks: list[StoredBlock], targets: list[StemTargets]) -> None:
        self.names = sorted({b.instrument for b in blocks} - {REMAINDER})
        self.keys = torch.from_numpy(np.concatenate([t.keys for t in targets]))
        place = {name: k for k, name in enumerate(self.names)}
        self.instrument = torch.tensor([place.get(b.instrument, -1) for b in blocks for _ in range(b.chains)])
        starts = np.cumsum([0, *(b.chains for b in blocks[:-1])])
        self._start = {b.number: int(s) for b, s in zip(blocks, starts, strict=True)}
        self.sounds = {
            name: torch.from_numpy(
                np.stack([t.query for b, t in zip(blocks, targets, strict=True) if b.instrument == name])
            )
            for name in self.names
        }

    def rows(self, blocks: Tensor, chains: Tensor) -> Tensor:
        """Rows of ``keys`` for block numbers and chains ``[N]``."""
        return torch.tensor([self._start[int(b)] for b in blocks]) + chains


class ListeningTask(Task):
    """Losses of one batch.

    Args:
        encoder: the model; only its extractor learns.
        queries: frozen query encoder.
        bank: keys of the pool.
        lesson: see :class:`LessonSettings`.
        query: see :class:`QuerySettings`.

    Raises:
        ConfigError: the extractor is not one that masks.
    """

    def __init__(
        self, encoder: FxEncoder, queries: QueryEncoder, bank: KeyBank, lesson: LessonSettings, query: QuerySettings
    ) -> None:
        super().__init__()
        if not isinstance(encoder.extractor, QueryMask):
            raise ConfigError("objective 'listening' trains an extractor 'mask'")
        self.encoder, self.lesson, self.query, self.bank = encoder, lesson, query, bank
        for part in (encoder.backbone, encoder.projection, encoder.measured):
            if part is not None:
                part.requires_grad_(False)
        self._texts = {name: queries.embed_text(list(aliases(name))) for name in bank.names}

    def forward(self, batch: Mapping[str, Any], step: int, seed: int) -> dict[str, Tensor]:
        """Compute ``total`` and its parts.

        Args:
            batch: an item of :class:`fxlens.data.listening.ListeningBatches`; on several processes this one's rows of
                ``mixture``, and all of the rest.
            step: optimiser step; reading begins at ``lesson.read_from_step``.
            seed: seeds whatever is random in the losses; the same in all processes, which draw together.
        """
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        extractor = self.encoder.extractor
        assert isinstance(extractor, QueryMask)
        mixture: Tensor = batch["mixture"]
        heard = Heard(self.encoder, mixture)
        device = heard.logmel.device
        owner: Tensor = batch["owner"]
        rows = self.bank.rows(batch["block"].cpu(), batch["chain"].cpu())
        column = self.bank.instrument[rows].to(device)
        counts = row_counts(len(mixture), device)
        before = sum(counts[: process_rank()])
        mine = ((owner >= before) & (owner < before + len(mixture))).nonzero()[:, 0]
        here = owner[mine] - before
        share, level = self._shares(heard.logmel, here, batch["target_db"][mine])

        logits = extractor.mask_logits(heard.survey, self._queries(self.bank.names, rng).to(device))
        target = torch.zeros_like(logits)
        target[here, column[mine]] = share
        weight = torch.full(logits.shape[:2], self.lesson.absent_weight, device=device)
        weight[here, column[mine]] = 1.0
        named = {"where": _weighted_bce(logits, target, weight[:, :, None, None] * level)}
        if step < self.lesson.read_from_step:
            return {"total": named["where"], **named}

        # Drawn for the whole batch, then what lies in this process's mixtures is taken.
        asked = self._draw(owner.cpu().numpy(), rng)
        names = [self.bank.names[int(i)] for i in self.bank.instrument[rows[asked]]]
        query = self.encoder.query_dropout(self._queries(names, rng).to(device))
        own = torch.isin(asked, mine.cpu()).nonzero()[:, 0]
        chosen = asked[own]
        here, rows = owner[chosen.to(device)] - before, rows[chosen]
        share = share[torch.searchsorted(mine.cpu(), chosen).to(device)]
        mask = extractor.mask_logits(heard.survey[here], query[own.to(device), None])[:, 0]
        found = F.normalize(extractor.read(extractor.masked(heard.logmel[here], mask)).float(), dim=-1)
        named["mask"] = _weighted_bce(mask, share, level[here, 0])
        similar = found @ self.bank.keys.to(device).T / self.lesson.temperature
        foreign = self.bank.instrument[None] != self.bank.instrument[rows][:, None]
        similar = similar.masked_fill(foreign.to(device), float("-inf"))
        missed = F.cross_entropy(similar, rows.to(device), reduction="sum")
        named["name"] = sum_over_processes(missed) / len(asked)
        near = (found * self.bank.keys[rows].to(device)).sum()
        named["align"] = 1.0 - sum_over_processes(near) / len(asked)
        lesson = self.lesson
        total = lesson.where_weight * named["where"] + named["mask"] + named["name"]
        return {"total": total + lesson.align_weight * named["align"], **named}

    def _shares(self, logmel: Tensor, owner: Tensor, target_db: Tensor) -> tuple[Tensor, Tensor]:
        """Share of a place's power that is the target's ``[N, F, T]``, and how loud places are ``[M, 1, F, T]``."""
        front = self.encoder.config.frontend
        height = 0.5 * (logmel.float() + 1.0)
        level = F.avg_pool2d(height.mean(dim=1, keepdim=True), (BAND_STRIDE, FRAME_STRIDE), ceil_mode=True)
        power = 10.0 ** ((height * (front.ceiling_db - front.floor_db) + front.floor_db) / 10.0)
        power = power[:, 2:3] if front.channels == "lrms" else power.mean(dim=1, keepdim=True)
        places = F.avg_pool2d(power, (BAND_STRIDE, FRAME_STRIDE), ceil_mode=True)[owner, 0]
        own = F.avg_pool2d(10.0 ** (target_db.float() / 10.0)[:, None], (BAND_STRIDE, FRAME_STRIDE), ceil_mode=True)
        return (own[:, 0] / places.clamp_min(1e-9)).clamp(0.0, 1.0), level

    def _queries(self, names: list[str], rng: np.random.Generator) -> Tensor:
        """One query for each name: an alias, or a dry excerpt of the pool; ``[len(names), Q]``."""
        rows = []
        for name in names:
            choice = self.bank.sounds[name] if rng.random() < self.query.audio_share else self._texts[name].cpu()
            rows.append(choice[int(rng.integers(len(choice)))])
        query = torch.stack(rows)
        if self.training and self.query.noise > 0.0:
            query = query + torch.randn_like(query) * self.query.noise / query.shape[1] ** 0.5
        return F.normalize(query, dim=-1)

    def _draw(self, owner: np.ndarray, rng: np.random.Generator) -> Tensor:
        """At most ``lesson.queries`` of every mixture's instruments, by index."""
        taken: dict[int, int] = {}
        kept = []
        for k in rng.permutation(len(owner)):
            mixture = int(owner[k])
            taken[mixture] = taken.get(mixture, 0) + 1
            if taken[mixture] <= self.lesson.queries:
                kept.append(int(k))
        return torch.tensor(kept)


def _weighted_bce(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over the elements of all processes."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return sum_over_processes((loss * weight).sum()) / sum_over_processes(weight.expand_as(loss).sum())
