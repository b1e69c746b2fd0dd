"""HEAR's common interface, so that its evaluation kit and other tools can use fxlens' models.

Three functions: :func:`load_model`, :func:`get_scene_embeddings`, :func:`get_timestamp_embeddings`. Sounds are mono, as
HEAR has them, and go to both channels: of the stereo image nothing can be heard.

Source: J. Turian et al., "HEAR: Holistic Evaluation of Audio Representations", NeurIPS 2021 Competitions, PMLR 176.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.audio.loudness import normalize_loudness
from fxlens.audio.waveform import windows
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioNotFiniteError,
    ModelUnavailableError,
    UsageError,
)
from fxlens.models.checkpoint import WEIGHTS
from fxlens.models.encoding import SILENT_DB, query_vectors
from fxlens.models.fx_encoder import FxEncoder

__all__ = ["HearModel", "get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

Output = Literal["embedding", "features"]

SAMPLE_RATES = (16000, 22050, 44100, 48000)
"""Hz; those that HEAR prepares its tasks at."""

_SECONDS_AT_ONCE = 80.0  # of sound that pass through the network together


@dataclass(frozen=True)
class _Span:
    """A window of one of the sounds."""

    sound: int
    start: int
    stop: int


class HearModel(nn.Module):
    """An encoder with what HEAR wants to know of a model. Made by :func:`load_model`.

    Attributes:
        sample_rate: Hz that sounds must have.
        scene_embedding_size: length of an embedding of a whole sound.
        timestamp_embedding_size: length of an embedding of a moment; the same.
        hop_ms: from one moment to the next.
        window_seconds: length of what is heard around a moment.
    """

    query: Tensor | None

    def __init__(
        self, encoder: FxEncoder, output: Output, query: str | None, hop_ms: float, window_seconds: float
    ) -> None:
        super().__init__()
        if output not in ("embedding", "features"):
            raise UsageError(f"output must be 'embedding' or 'features', not {output!r}")
        if output == "features" and query is not None:
            raise UsageError("the features are those of the whole mixture: leave out the query, or take the embedding")
        if not 1.0 <= hop_ms <= 1000.0 * window_seconds:
            raise UsageError(f"hop_ms must lie between 1 and the window's {1000 * window_seconds:g}, not {hop_ms!r}")
        if encoder.sample_rate not in SAMPLE_RATES:
            raise ModelUnavailableError(
                f"{encoder.config.name} hears {encoder.sample_rate} Hz; HEAR's tasks are made at "
                f"{', '.join(map(str, SAMPLE_RATES))} Hz only"
            )
        vectors, _ = query_vectors(encoder, query, None)
        self.encoder, self.output = encoder, output
        self.sample_rate, self.hop_ms, self.window_seconds = encoder.sample_rate, hop_ms, window_seconds
        size = encoder.embedding_dim if output == "embedding" else encoder.backbone.feature_dim
        self.scene_embedding_size = self.timestamp_embedding_size = int(size)
        self.register_buffer("query", vectors, persistent=False)

    @torch.no_grad()
    def forward(self, audio: Tensor) -> Tensor:
        """Embed windows ``[B, T]``, each as it would be heard alone; ``[B, D]`` float32, on the model's device."""
        stereo = audio.detach().float().cpu().unsqueeze(1).expand(-1, 2, -1)
        if self.encoder.config.input_lufs is not None:
            # What can be heard at all is brought to the level of training, as in FxEncoder.encode.
            level = self.encoder.config.input_lufs
            stereo = torch.from_numpy(normalize_loudness(stereo.numpy(), self.sample_rate, level, -90.0)[0])
        heard = self.encoder.hear(stereo.to(self.encoder.device))
        if self.output == "features":
            return self.encoder.backbone.pool(heard.feature_map).float()
        if self.query is None:
            return heard.mixture
        return self.encoder.instrument_embedding(heard, self.query.expand(len(heard), -1))


def load_model(
    model_file_path: str | Path | None = "",
    *,
    output: Output = "embedding",
    query: str | None = None,
    hop_ms: float = 50.0,
    window_seconds: float = 1.0,
) -> HearModel:
    """Load a model for HEAR.

    HEAR's evaluation kit passes the options as JSON: ``--model-options '{"output": "features"}'``.

    Args:
        model_file_path: a model folder, or the ``model.safetensors`` in it; a name, as for
            :meth:`FxEncoder.from_pretrained`; nothing for the shipped model.
        output: ``"embedding"``, the projected vector of unit length that is compared by its cosine, or ``"features"``,
            the backbone's vector before the projection, for models built on top.
        query: embed this instrument inside the sounds instead of the whole.
        hop_ms: from one timestamp to the next.
        window_seconds: of the sound around a timestamp that its embedding is made of. Effects need time to be heard:
            a longer window says more about them and less about when.

    Raises:
        ModelUnavailableError: there is no such model, or HEAR knows no sounds of its sample rate.
        UsageError: options that do not go together.
    """
    place = Path(model_file_path) if model_file_path else None
    if place is not None and place.name == WEIGHTS and place.is_file():
        place = place.parent
    encoder = FxEncoder.from_pretrained(None if place is None else str(place))
    return HearModel(encoder, output, query, hop_ms, window_seconds).eval()


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One embedding for each sound, of any length: the same as :meth:`FxEncoder.encode` gives.

    Silence, which :meth:`FxEncoder.encode` refuses, gets what the network makes of it, since HEAR wants a vector for
    every sound.

    Args:
        audio: ``[n_sounds, n_samples]`` in [-1, 1], at the model's sample rate.
        model: from :func:`load_model`.

    Returns:
        ``[n_sounds, scene_embedding_size]`` float32, on the model's device.

    Raises:
        AudioError: not such a tensor, no samples, NaN.
    """
    _check(audio)
    if not len(audio):
        return torch.zeros(0, model.scene_embedding_size, device=model.encoder.device)
    length = model.encoder.config.window_seconds
    stereo = np.broadcast_to(np.arange(audio.shape[1], dtype=np.float32), (2, audio.shape[1]))
    spans, weights, covered = [], [], 0
    for window in windows(stereo, model.sample_rate, length, sample_rate=model.sample_rate):
        spans.append((round(window.start_seconds * model.sample_rate), round(window.end_seconds * model.sample_rate)))
        weights.append(spans[-1][1] - covered)  # the last window counts by the share of it that is new
        covered = spans[-1][1]
    vectors = _embed(audio, [_Span(k, *span) for k in range(len(audio)) for span in spans], model)
    vectors = vectors.unflatten(0, (len(audio), len(spans))).double()
    power = torch.stack([audio[:, start:stop].double().square().mean(dim=1) for start, stop in spans], dim=1)
    audible = power > 10.0 ** (SILENT_DB / 10.0)
    audible |= ~audible.any(dim=1, keepdim=True)
    share = (audible * torch.tensor(weights, dtype=torch.float64, device=audible.device)).to(vectors.device)
    mean = (vectors * (share / share.sum(dim=1, keepdim=True)).unsqueeze(2)).sum(dim=1)
    return (F.normalize(mean, dim=1) if model.output == "embedding" else mean).float()


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """An embedding for every ``hop_ms`` of each sound, from 0 on.

    That of a timestamp is of the window that has it in its middle. Near both ends of a sound the window is moved
    inside, not filled up with silence; of a sound shorter than a window all is heard at each of its timestamps.

    Args:
        audio: ``[n_sounds, n_samples]`` in [-1, 1], at the model's sample rate.
        model: from :func:`load_model`.

    Returns:
        Embeddings ``[n_sounds, n_timestamps, timestamp_embedding_size]`` float32 and timestamps
        ``[n_sounds, n_timestamps]`` float32 in milliseconds, both on the model's device.

    Raises:
        AudioError: not such a tensor, no samples, NaN.
    """
    _check(audio)
    rate, samples = model.sample_rate, audio.shape[1]
    hop = model.hop_ms / 1000.0 * rate
    middles = np.arange(-int(-samples // hop)) * hop
    length = min(samples, round(model.window_seconds * rate))
    starts = np.clip(np.round(middles - length / 2.0), 0, samples - length).astype(int)
    different, which = np.unique(starts, return_inverse=True)  # near the ends many are the same window
    times = torch.from_numpy(np.arange(len(middles)) * model.hop_ms).float().repeat(len(audio), 1)
    spans = [_Span(k, start, start + length) for k in range(len(audio)) for start in different.tolist()]
    vectors = _embed(audio, spans, model).unflatten(0, (len(audio), len(different)))
    return vectors[:, torch.from_numpy(which).to(vectors.device)], times.to(vectors.device)


def _check(audio: Tensor) -> None:
    if audio.ndim != 2 or not audio.is_floating_point():
        raise AudioChannelsError(
            "audio", f"expected mono sounds [n_sounds, n_samples] in float, got {audio.dtype} {list(audio.shape)}"
        )
    if audio.shape[1] == 0:
        raise AudioEmptyError("audio", f"it has no samples (shape {list(audio.shape)})")
    finite = torch.isfinite(audio).all(dim=1)
    if not bool(finite.all()):
        first = int(torch.argmin(finite.int()))
        raise AudioNotFiniteError(f"sound {first} of the batch", "it has NaN or infinite samples; repair it first")


def _embed(audio: Tensor, spans: Sequence[_Span], model: HearModel) -> Tensor:
    """Embeddings of the windows, all of one length, ``[len(spans), D]``."""
    if not spans:
        return torch.zeros(0, model.scene_embedding_size, device=model.encoder.device)
    at_once = max(1, int(_SECONDS_AT_ONCE * model.sample_rate / (spans[0].stop - spans[0].start)))
    batches = [spans[first : first + at_once] for first in range(0, len(spans), at_once)]
    return torch.cat([model(torch.stack([audio[s.sound, s.start : s.stop] for s in batch])) for batch in batches])
