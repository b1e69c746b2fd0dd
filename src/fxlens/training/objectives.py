"""What a run learns from: a task, and the batches that go with it; see ``TrainSettings.objective``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fxlens.data.dataset import StyleBatches
from fxlens.data.listening import ListeningBatches, SpectrogramScale
from fxlens.data.stem_targets import read_targets
from fxlens.errors import ConfigError
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.models.query_mask import LEVEL_DB, QueryMask
from fxlens.training.contrast import ContrastiveTask
from fxlens.training.joint_hearing import JointHearing, load_teachers
from fxlens.training.listening import KeyBank, ListeningTask
from fxlens.training.loading import SpectrogramView
from fxlens.training.rendering import validation_pairs
from fxlens.training.settings import TrainSettings
from fxlens.training.task import Task
from fxlens.training.teacher import teach

CLIPS_A_NUMBER = 8
"""Clips for every number of an embedding, to choose the map of a joint hearing by."""


@dataclass
class Objective:
    """A task with its data.

    Attributes:
        task: see :class:`Task`.
        batches: makes the data set of so many batches; called once, when the run's length is known.
        single: pairs of single effects that steer the effect probabilities, or none.
    """

    task: Task
    batches: Callable[[int], Dataset[dict[str, Any]]]
    single: dict[str, np.ndarray]


def build_objective(settings: TrainSettings, pool: Path) -> Objective:
    """Prepare what ``settings.objective`` asks for; the pool is being rendered meanwhile."""
    return _listening(settings, pool) if settings.objective == "listening" else _contrast(settings, pool)


def _view(settings: TrainSettings) -> SpectrogramView | None:
    return SpectrogramView(settings.model.frontend) if settings.spectrogram_in_loader else None


def _contrast(settings: TrainSettings, pool: Path) -> Objective:
    encoder = FxEncoder(settings.model)
    if settings.initial_weights is not None:
        given = FxEncoder.from_pretrained(settings.initial_weights)
        if given.config != settings.model:
            raise ConfigError(f"{settings.initial_weights} holds another model than `model:` describes")
        encoder.load_state_dict(given.state_dict())
    asks = settings.batch.extraction_groups or settings.batch.same_mixtures
    queries = load_query_encoder(settings.model.query_encoder) if asks else None
    if queries is not None:
        encoder.attach_query_encoder(queries)  # a checkpoint names the queries it was trained with

    def batches(count: int) -> StyleBatches:
        return StyleBatches(
            pool,
            settings.batch,
            settings.seed,
            count,
            settings.block.sample_rate,
            _view(settings),
            settings.augment,
            settings.loss.needs_labels,
        )

    return Objective(
        ContrastiveTask(encoder, queries, settings.loss, settings.query, _joint(settings, encoder, batches)),
        batches,
        validation_pairs(pool / "validation", settings) if settings.validation_blocks else {},
    )


def _joint(settings: TrainSettings, student: FxEncoder, batches: Callable[[int], StyleBatches]) -> JointHearing | None:
    """What the teachers hear together, its map chosen by the first batches."""
    if not settings.loss.teachers:
        return None
    joint = JointHearing(load_teachers(settings.loss.teachers, student), student.embedding_dim)
    kept = joint.fit(_clips(batches(CLIPS_A_NUMBER * student.embedding_dim), student), student)
    logging.getLogger(__name__).info("of what the teachers hear together %.1f %% is kept", 100.0 * kept)
    return joint


def _clips(batches: StyleBatches, student: FxEncoder) -> Iterator[Tensor]:
    """Spectrograms of batches until there are enough clips to choose a map by."""
    count = 0
    for index in range(len(batches)):
        item = batches[index]
        views = torch.cat([item[name].flatten(0, 1) for name in ("mixture", "stem") if name in item])
        yield student.frontend(views) if views.ndim == 3 else views
        count += len(views)
        if count >= CLIPS_A_NUMBER * student.embedding_dim:
            return


def _listening(settings: TrainSettings, pool: Path) -> Objective:
    assert settings.initial_weights is not None  # the settings refuse it
    teacher = FxEncoder.from_pretrained(settings.initial_weights)
    encoder = FxEncoder(settings.model)
    for part in ("backbone.", "projection.", "measured."):
        own, given = ({k: v for k, v in m.state_dict().items() if k.startswith(part)} for m in (encoder, teacher))
        try:
            if own.keys() != given.keys():
                raise RuntimeError
            encoder.load_state_dict(given, strict=False)
        except RuntimeError as error:
            raise ConfigError(f"{settings.initial_weights} has another backbone than `model:` describes") from error
    if isinstance(encoder.extractor, QueryMask):
        if isinstance(teacher.extractor, QueryMask) and teacher.config == settings.model:
            encoder.extractor.load_state_dict(teacher.extractor.state_dict())
        else:
            encoder.extractor.start_from(teacher.backbone, teacher.projection, teacher.measured)
    queries = load_query_encoder(settings.model.query_encoder)
    encoder.attach_query_encoder(queries)
    targets = pool / f"targets-{teacher.model_id}"
    jobs = max(1, settings.material.render_jobs)
    blocks = teach(pool, targets, settings.initial_weights, settings.listening.blocks, jobs)
    bank = KeyBank(blocks, [read_targets(targets, b.number) for b in blocks])
    front = settings.model.frontend
    scale = SpectrogramScale(front.hop_length, front.floor_db, front.ceiling_db, LEVEL_DB)
    return Objective(
        ListeningTask(encoder, queries, bank, settings.lesson, settings.query),
        lambda count: ListeningBatches(
            pool,
            targets,
            settings.listening,
            settings.seed,
            count,
            front.sample_rate,
            scale,
            SpectrogramView(front),
        ),
        {},
    )
