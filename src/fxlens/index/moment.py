"""The embedding of one moment of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxlens.audio import io
from fxlens.errors import AudioError, UsageError

if TYPE_CHECKING:
    from fxlens.models.encoding import Source
    from fxlens.models.fx_encoder import FxEncoder


def embed_moment(
    encoder: FxEncoder, source: Source, sample_rate: int | None, query: str | None, at_seconds: float
) -> np.ndarray:
    """Embed the window of a recording that begins at a time, or the last one if it would go beyond the end.

    Args:
        encoder: the model.
        source: a file or samples ``(T,)`` or ``(2, T)``.
        sample_rate: Hz, of samples.
        query: the instrument meant.
        at_seconds: where the window begins.

    Raises:
        UsageError: the time is before the beginning or beyond the end.
        AudioError: nothing can be said of that moment, e.g. because it is silent; it names the file and the moment.
    """
    length = encoder.config.window_seconds
    if isinstance(source, str | Path):
        duration = io.probe(source).duration_seconds
    else:
        if sample_rate is None:
            raise UsageError("samples need their sample_rate")
        duration = np.shape(source)[-1] / sample_rate
    if not 0.0 <= at_seconds < duration:
        raise UsageError(f"{at_seconds:g} s is not in the reference, which is {duration:.1f} s long")
    start = max(0.0, min(at_seconds, duration - length))
    if isinstance(source, str | Path):
        audio, rate = io.read(source, start, length)
        try:
            return np.asarray(encoder.encode(audio, round(rate), query=query))
        except AudioError as error:
            moment = f"from {start:g} s to {start + audio.shape[1] / rate:g} s"
            raise type(error)(source, f"{moment}: {error.problem}; choose another moment") from None
    assert sample_rate is not None
    cut = slice(round(start * sample_rate), round((start + length) * sample_rate))
    return np.asarray(encoder.encode(source[..., cut], sample_rate, query=query))
