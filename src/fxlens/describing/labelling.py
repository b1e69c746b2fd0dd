"""What a session's clips are called: which effects can be heard in each, and with which settings.

A **single** track is labelled by its own chain. In a **mixture** an effect is there if taking it away from every
instrument that has it changes the whole audibly, and its settings are those of the instrument it matters most in: where
its share of the power, times the change to it, is largest. A **question** asks for one instrument of a mixture and is
labelled as that instrument's track alone would be: what is asked for is what was done, however deep it is buried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fxlens.data.dataset import REMAINDER
from fxlens.data.mixture import MIXTURE_LUFS
from fxlens.describing.audible import Spectrogram, change_db
from fxlens.describing.quantities import EFFECTS, QUANTITIES, values_of
from fxlens.describing.session import SessionPlan, SessionSettings, Track, mixed, render_bus, render_parts
from fxlens.effects.chain import EffectChain

_MOST_SINGLES = 2


@dataclass(frozen=True)
class Label:
    """What is true of one clip, or of one instrument in it.

    Args:
        clip: which clip of the session.
        query: the instrument asked for; empty for the whole clip.
        change_db: ``[effects]`` how much each type of effect changes, see :mod:`fxlens.describing.audible`.
        values: ``[quantities]`` settings in the unit range, NaN where there are none.
    """

    clip: int
    query: str
    change_db: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class LabelledSession:
    """A rendered session.

    Args:
        clips: ``float32 [clips, 2, T]`` at -18 LUFS: the whole, then up to two instruments alone.
        labels: at least one for each clip.
    """

    clips: np.ndarray
    labels: tuple[Label, ...]


def label_session(plan: SessionPlan, settings: SessionSettings, spectrogram: Spectrogram) -> LabelledSession | None:
    """Render a session and say what is true of it; None if nothing in it can be heard."""
    tracks = render_parts(plan, settings)
    heard = [k for k, track in enumerate(tracks) if np.isfinite(track.lufs)]
    if not heard:
        return None
    tracks, parts = [tracks[k] for k in heard], [plan.parts[k] for k in heard]
    rate, levels = settings.sample_rate, [part.level_lufs for part in parts]
    total = mixed(tracks, levels, rate)
    if plan.bus.effects:
        bus = render_bus(total, plan, settings)
        if not np.isfinite(bus.lufs):
            return None
        change = _changes(bus, spectrogram)
        clip = mixed([bus], [MIXTURE_LUFS], rate)
        whole = Label(0, "", change, _values(plan.bus))
        asked = _only_question(parts[0].excerpt.stem.instrument, whole) if len(parts) == 1 else []
        return LabelledSession(clip[None], (whole, *asked))
    alone = [_changes(track, spectrogram) for track in tracks]
    settings_of = [_values(part.chain) for part in parts]
    names = [part.excerpt.stem.instrument for part in parts]
    if len(tracks) == 1:
        whole = Label(0, "", alone[0], settings_of[0])
        return LabelledSession(total[None], (whole, *_only_question(names[0], whole)))
    whole = Label(
        0, "", _mixture_changes(tracks, levels, total, rate, spectrogram), _leading(alone, settings_of, levels)
    )
    asked = [Label(0, n, a, v) for n, a, v in zip(names, alone, settings_of, strict=True) if n != REMAINDER]
    rng = np.random.default_rng(np.random.SeedSequence([plan.seed, 0x51]))
    chosen = sorted(int(k) for k in rng.permutation(len(tracks))[:_MOST_SINGLES])
    singles: list[Label] = []
    clips = [total]
    for k in chosen:
        clips.append(mixed([tracks[k]], [MIXTURE_LUFS], rate))
        single = Label(len(clips) - 1, "", alone[k], settings_of[k])
        singles += [single, *_only_question(names[k], single)]
    return LabelledSession(np.stack(clips), (whole, *asked, *singles))


def _only_question(instrument: str, whole: Label) -> list[Label]:
    """Asked for the only instrument there is, the answer is that for the whole."""
    return [] if instrument == REMAINDER else [Label(whole.clip, instrument, whole.change_db, whole.values)]


def _changes(track: Track, spectrogram: Spectrogram) -> np.ndarray:
    with_all = spectrogram(track.audio) if track.without else None
    found = np.zeros(len(EFFECTS), dtype=np.float32)
    for effect, clip in track.without.items():
        assert with_all is not None
        found[EFFECTS.index(effect)] = change_db(with_all, spectrogram(clip))
    return found


def _mixture_changes(
    tracks: Sequence[Track], levels: Sequence[float], total: np.ndarray, rate: int, spectrogram: Spectrogram
) -> np.ndarray:
    with_all = spectrogram(total)
    found = np.zeros(len(EFFECTS), dtype=np.float32)
    for column, effect in enumerate(EFFECTS):
        if any(effect in track.without for track in tracks):
            found[column] = change_db(with_all, spectrogram(mixed(tracks, levels, rate, without=effect)))
    return found


def _values(chain: EffectChain) -> np.ndarray:
    known: dict[str, float] = {}
    for effect in chain.effects:
        known |= values_of(effect)
    return np.array([known.get(q.key, np.nan) for q in QUANTITIES], dtype=np.float32)


def _leading(alone: Sequence[np.ndarray], values: Sequence[np.ndarray], levels: Sequence[float]) -> np.ndarray:
    """Of each effect the settings of the instrument it matters most in."""
    power = 10.0 ** (np.asarray(levels) / 10.0)
    weight = power[:, None] * np.stack(alone)
    first = np.argmax(weight, axis=0)
    return np.array([values[first[EFFECTS.index(q.effect)]][k] for k, q in enumerate(QUANTITIES)], dtype=np.float32)
