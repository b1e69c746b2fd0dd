"""From a recording to its description: windows pass by, their judgements are kept, and put into words in the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fxlens.describing.calibration import Calibration, Interval
from fxlens.describing.description import Description, Finding, Setting, verdict_of
from fxlens.describing.head_files import DescribingHeads, Reading, find_heads
from fxlens.describing.hearing import instrument_vector, whole_vector
from fxlens.describing.network import COVERAGE
from fxlens.describing.quantities import EFFECTS, QUANTITIES, Quantity
from fxlens.errors import ModelUnavailableError, UsageError
from fxlens.models import encoding

if TYPE_CHECKING:
    from fxlens.models.encoding import Source
    from fxlens.models.fx_encoder import FxEncoder
    from fxlens.models.heard import Heard

_TOLD = ("yes", "likely")


def describe(
    source: Source,
    encoder: FxEncoder,
    query: str | None = None,
    *,
    query_audio: Source | None = None,
    sample_rate: int | None = None,
    heads: DescribingHeads | None = None,
) -> Description:
    """Describe the effects on a recording of any length, in constant memory but for a few numbers a window.

    Args:
        source: a path, or samples ``(T,)`` or ``(2, T)``.
        encoder: the model that listens.
        query: names the instrument meant; None for the whole.
        query_audio: a recording of the instrument alone, instead.
        sample_rate: Hz, of samples.
        heads: as loaded by :func:`fxlens.describing.head_files.load_heads`; by default those of the encoder.

    Raises:
        UsageError: both kinds of query, a query to a model without extractor, or several recordings.
        AudioError: the recording cannot be used, e.g. because all of it is silent.
        ModelUnavailableError: the model has no heads, or they belong to another model.
    """
    queries: Sequence[str | None] = [query]
    return describe_each(
        source, encoder, queries, query_audio=query_audio, sample_rate=sample_rate, heads=heads
    )[0]  # fmt: skip


def describe_each(
    source: Source,
    encoder: FxEncoder,
    queries: Sequence[str | None],
    *,
    query_audio: Source | None = None,
    sample_rate: int | None = None,
    heads: DescribingHeads | None = None,
) -> list[Description]:
    """Describe several instruments of one recording, which is read once.

    Args:
        source: see :func:`describe`.
        encoder: see there.
        queries: at least one; None is the whole.
        query_audio: a recording of the instrument alone; ``queries`` is then just ``[None]``.
        sample_rate: Hz, of samples.
        heads: see :func:`describe`.

    Returns:
        A description for each query, in their order.

    Raises:
        As :func:`describe`.
    """
    if isinstance(source, list | tuple) or (isinstance(source, np.ndarray | Tensor) and source.ndim > 2):
        raise UsageError("describe takes one recording at a time: a path, or samples (T,) or (2, T)")
    if query_audio is not None and any(q is not None for q in queries):
        raise UsageError("give either query (text) or query_audio, not both")
    if not queries:
        raise UsageError("the list of queries is empty")
    names = [_name_of(query_audio)] if query_audio is not None else list(queries)
    vectors = _query_vectors(encoder, queries, query_audio, sample_rate)
    heads = find_heads(encoder) if heads is None else heads
    if heads.model_id != encoder.model_id:
        raise ModelUnavailableError(f"these heads belong to the model {heads.model_id}, this is {encoder.model_id}")
    readings = [_reading(heads, vector) for vector in vectors]

    def judge(heard: Heard) -> Tensor:
        return torch.stack([_judged(encoder, heard, r, v) for r, v in zip(readings, vectors, strict=True)], dim=1)

    found, times = encoding.run(encoder, source, judge, sample_rate, 8, "none", True, None, unit=False)
    label = str(source) if isinstance(source, str | Path) else "array"
    return [
        _description(found[:, k], times, readings[k].calibration, names[k], encoder.model_id, label)
        for k in range(len(names))
    ]


def _name_of(query_audio: Source) -> str:
    return Path(query_audio).name if isinstance(query_audio, str | Path) else "query_audio"


def _query_vectors(
    encoder: FxEncoder, queries: Sequence[str | None], query_audio: Source | None, sample_rate: int | None
) -> list[Tensor | None]:
    """``[1, Q]`` for each query, None for the whole."""
    if query_audio is not None:
        vector, _ = encoding.query_vectors(encoder, None, query_audio, sample_rate)
        return [vector]
    texts = [query for query in queries if query is not None]
    table = encoding.query_vectors(encoder, texts, None)[0] if texts else None
    rows = iter(range(len(texts)))
    found: list[Tensor | None] = []
    for query in queries:
        found.append(None if query is None or table is None else table[(k := next(rows)) : k + 1])
    return found


def _reading(heads: DescribingHeads, vector: Tensor | None) -> Reading:
    name = "whole" if vector is None else "instrument"
    if name not in heads.readings:
        raise ModelUnavailableError(f"{heads.model_id}: its heads describe no {name}; run fxlens train-describe again")
    return heads.readings[name]


def _judged(encoder: FxEncoder, heard: Heard, reading: Reading, query: Tensor | None) -> Tensor:
    """Log-odds and quantiles of a batch of windows, ``[B, effects + 3 (quantities + effects)]``."""
    if query is None:
        vector = whole_vector(heard)
    else:
        vector = instrument_vector(encoder, heard, query.expand(len(heard), -1))
    output = reading.heads.to(vector.device)(vector)
    return torch.cat([output.logits, output.quantiles.flatten(1)], dim=1).float()


def _description(
    judged: np.ndarray, times: np.ndarray, calibration: Calibration, query: str | None, model: str, source: str
) -> Description:
    judged = judged.astype(np.float64)
    logits, quantiles = judged[:, : len(EFFECTS)], judged[:, len(EFFECTS) :].reshape(len(judged), -1, 3)
    fresh = _new_seconds(times)
    by_window = np.stack([p.probability(logits[:, k]) for k, p in enumerate(calibration.presence)], axis=1)
    findings = []
    for k, presence in enumerate(calibration.presence):
        probability = float(presence.probability(fresh @ logits[:, k] / fresh.sum()))
        weight = fresh * np.maximum(by_window[:, k], 1e-3)  # where the effect is not heard, settings are made up
        middle = np.tensordot(weight / weight.sum(), quantiles, axes=1)
        findings.append(_finding(k, probability, presence.known, middle, calibration))
    findings.sort(key=lambda finding: -finding.probability)
    return Description(
        query, tuple(findings), times[:, 0], by_window, EFFECTS, ends=times[:, 1], model=model, source=source
    )


def _new_seconds(times: np.ndarray) -> np.ndarray:
    """Seconds of each window that no window before it had: the last one reaches back."""
    before = np.concatenate([[-np.inf], times[:-1, 1]])
    return np.maximum(times[:, 1] - np.maximum(times[:, 0], before), 1e-3)


def _finding(k: int, probability: float, known: bool, quantiles: np.ndarray, calibration: Calibration) -> Finding:
    """Put the numbers on effect ``k`` together."""
    verdict = verdict_of(probability) if known else "not sure"
    if verdict not in _TOLD:
        return Finding(EFFECTS[k], probability, verdict)
    settings = tuple(
        _setting(q, quantiles[row], calibration.intervals[row])
        for row, q in enumerate(QUANTITIES)
        if q.effect == EFFECTS[k] and calibration.intervals[row].known
    )
    row = len(QUANTITIES) + k
    strength = float(np.clip(quantiles[row, 1], 0.0, 1.0)) if calibration.intervals[row].known else None
    return Finding(EFFECTS[k], probability, verdict, strength, settings)


def _setting(quantity: Quantity, quantiles: np.ndarray, interval: Interval) -> Setting:
    low, value, high = interval.ends(quantiles)
    return Setting(
        quantity.name, quantity.label, quantity.unit,
        quantity.to_physical(value), quantity.to_physical(low), quantity.to_physical(high), round(COVERAGE, 3),
    )  # fmt: skip
