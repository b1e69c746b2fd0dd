"""The pitch of a singing voice: glides between notes, a scoop into a phrase, vibrato on long notes, unrest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from fxlens.data.midi.parts import Note
from fxlens.data.singing.syllables import FRAME_SECONDS


@dataclass(frozen=True)
class Manner:
    """How somebody sings.

    Args:
        glide_seconds: standard deviation of the smoothing between notes.
        scoop_semitones: how far below its first note a phrase begins.
        vibrato_hz, vibrato_cents, vibrato_delay_seconds: on notes longer than the delay.
        drift_cents, jitter_cents: slow and fast unrest.
        late_seconds: spread of the onsets.
        tract: scale of the formants; above 1 a smaller head.
        breath_db: noisiness below 3 kHz against the whole, where the speaker's is not lower.
        melisma: share of joined notes that go on with the syllable before.
    """

    glide_seconds: float
    scoop_semitones: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_seconds: float
    drift_cents: float
    jitter_cents: float
    late_seconds: float
    tract: float
    breath_db: float
    melisma: float


def draw_manner(rng: np.random.Generator) -> Manner:
    """Draw how somebody sings; one in six is tuned by machine, as is the fashion."""
    tuned = rng.random() < 1 / 6
    return Manner(
        glide_seconds=0.004 if tuned else float(rng.uniform(0.012, 0.04)),
        scoop_semitones=0.0 if tuned else float(rng.uniform(0.0, 1.8)),
        vibrato_hz=float(rng.uniform(4.8, 6.6)),
        vibrato_cents=0.0 if tuned else float(rng.uniform(8.0, 65.0)),
        vibrato_delay_seconds=float(rng.uniform(0.15, 0.5)),
        drift_cents=0.5 if tuned else float(rng.uniform(4.0, 16.0)),
        jitter_cents=1.0 if tuned else float(rng.uniform(2.0, 7.0)),
        late_seconds=float(rng.uniform(0.003, 0.02)),
        tract=float(rng.uniform(0.88, 1.13)),
        breath_db=float(rng.uniform(-16.0, -5.0)),
        melisma=float(rng.uniform(0.05, 0.4)),
    )


def sung_pitch(phrase: Sequence[Note], frames: int, manner: Manner, rng: np.random.Generator) -> np.ndarray:
    """MIDI pitch of every 5 ms frame of a phrase, ``[frames]``; frame 0 is the start of its first note.

    Args:
        phrase: notes one after the other.
        frames: length wanted; the last pitch is held.
        manner: how.
        rng: source of the unrest.
    """
    time = np.arange(frames) * FRAME_SECONDS + phrase[0].start
    onsets = np.array([note.start for note in phrase])
    which = np.clip(np.searchsorted(onsets, time + 0.02, side="right") - 1, 0, len(phrase) - 1)
    steps = np.array([note.pitch for note in phrase], dtype=np.float64)[which]
    pitch = gaussian_filter1d(steps, max(manner.glide_seconds / FRAME_SECONDS, 0.3), mode="nearest")
    pitch -= manner.scoop_semitones * np.exp(-(time - time[0]) / 0.06)
    since = time - onsets[which]
    depth = 0.01 * manner.vibrato_cents * np.clip((since - manner.vibrato_delay_seconds) / 0.3, 0.0, 1.0)
    pitch += depth * np.sin(2.0 * np.pi * manner.vibrato_hz * time + rng.uniform(0.0, 2.0 * np.pi))
    slow = gaussian_filter1d(rng.standard_normal(frames + 400), 60.0)[200 : 200 + frames]
    fast = gaussian_filter1d(rng.standard_normal(frames + 40), 3.0)[20 : 20 + frames]
    pitch += 0.01 * (manner.drift_cents * slow * np.sqrt(2 * 60.0 * np.sqrt(np.pi)))
    pitch += 0.01 * (manner.jitter_cents * fast * np.sqrt(2 * 3.0 * np.sqrt(np.pi)))
    return np.asarray(pitch)
