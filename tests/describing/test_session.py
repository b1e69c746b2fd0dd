"""Sessions: drawn again they are the same; rendered, they are what the chain does; labelled, what can be heard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_describing import RATE, noise

from fxlens.data.dialects.dialect import render_in_dialect
from fxlens.data.multitrack import Multitrack
from fxlens.describing.audible import LEAST_CHANGE_DB, Spectrogram
from fxlens.describing.labelling import label_session
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.describing.session import (
    Part,
    SessionPlan,
    SessionSettings,
    draw_session,
    mixed,
    render_parts,
    render_track,
)
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.sampling import draw_chain
from fxlens.errors import DataError, UsageError

SETTINGS = SessionSettings(seconds=1.0, sample_rate=RATE, codec_share=0.0)
DISTORTED = EffectChain((Effect("distortion", parameters={"drive_db": 30.0}),))


def test_a_seed_is_a_session(songs: list[Multitrack]) -> None:
    assert draw_session(songs, 7, SETTINGS) == draw_session(songs, 7, SETTINGS)
    assert draw_session(songs, 7, SETTINGS) != draw_session(songs, 8, SETTINGS)


def test_sessions_are_of_every_kind(songs: list[Multitrack]) -> None:
    plans = [draw_session(songs, seed, SETTINGS) for seed in range(300)]
    on_bus = np.mean([bool(plan.bus.effects) for plan in plans])
    dry = np.mean([not plan.bus.effects and not any(p.chain.effects for p in plan.parts) for plan in plans])
    assert on_bus == pytest.approx(0.25, abs=0.08)
    assert 0.08 < dry < 0.25  # the share asked for, and small sessions whose instruments are all dry
    assert not any(plan.bus.effects and any(p.chain.effects for p in plan.parts) for plan in plans)
    counts = {len(plan.parts) for plan in plans}
    assert counts == {1, 2, 3}  # as many instruments as these songs have
    for plan in plans:
        names = [part.excerpt.stem.instrument for part in plan.parts]
        assert len(set(names)) == len(names)
    one_song = [plan for plan in plans if len(plan.songs) == 1 and len(plan.parts) > 1]
    assert one_song and all(len({p.excerpt.start_seconds for p in plan.parts}) == 1 for plan in one_song[:50])


def test_songs_without_sound_are_refused(songs: list[Multitrack]) -> None:
    silent = [replace(song, stems=tuple(replace(s, active=()) for s in song.stems)) for song in songs]
    with pytest.raises(DataError, match="no song"):
        draw_session(silent, 0, SETTINGS)
    with pytest.raises(UsageError):
        SessionSettings(seconds=0.0)


@pytest.mark.parametrize("dialect", [None, 12345])
def test_a_track_is_what_its_chain_does_with_and_without(dialect: int | None) -> None:
    dry = noise(0.6, 5)
    chain = draw_chain(np.random.default_rng(4), 7)
    track = render_track(dry, chain, dialect, RATE)
    np.testing.assert_array_equal(track.audio, render_in_dialect(chain, dry, RATE, dialect))
    assert set(track.without) == {e.type for e in chain.effects} & set(EFFECTS)
    for type, clip in track.without.items():
        rest = EffectChain(tuple(e for e in chain.effects if e.type != type))
        np.testing.assert_array_equal(clip, render_in_dialect(rest, dry, RATE, dialect))


def test_a_mixture_without_an_effect_keeps_the_levels() -> None:
    loud = render_track(noise(1.0, 1), DISTORTED, None, RATE)
    plain = render_track(noise(1.0, 2), EffectChain(), None, RATE)
    with_it = mixed([loud, plain], [-14.0, -20.0], RATE)
    without = mixed([loud, plain], [-14.0, -20.0], RATE, without="distortion")
    dry = mixed([render_track(noise(1.0, 1), EffectChain(), None, RATE), plain], [-14.0, -20.0], RATE)
    np.testing.assert_allclose(without, dry, atol=1e-5)
    assert np.abs(with_it - without).max() > 0.01
    np.testing.assert_array_equal(mixed([plain], [-18.0], RATE, without="reverb"), mixed([plain], [-18.0], RATE))


def plan_of(songs: list[Multitrack], chains: list[EffectChain], levels: list[float]) -> SessionPlan:
    drawn = next(p for seed in range(200) if len((p := draw_session(songs[:1], seed, SETTINGS)).parts) >= len(chains))
    parts = tuple(
        Part(part.excerpt, chain, None, level) for part, chain, level in zip(drawn.parts, chains, levels, strict=False)
    )
    return SessionPlan(parts, EffectChain(), None, None, 3)


def test_an_effect_counts_in_a_mixture_by_what_it_changes_there(songs: list[Multitrack]) -> None:
    spectrogram, column = Spectrogram(RATE), EFFECTS.index("distortion")
    found = {}
    for level in (-14.0, -60.0):
        session = label_session(plan_of(songs, [DISTORTED, EffectChain()], [level, -14.0]), SETTINGS, spectrogram)
        assert session is not None
        whole = next(label for label in session.labels if label.clip == 0 and not label.query)
        asked = [label for label in session.labels if label.clip == 0 and label.query]
        found[level] = float(whole.change_db[column])
        assert max(label.change_db[column] for label in asked) > 3 * LEAST_CHANGE_DB  # asked for, it is heard
        assert min(label.change_db[column] for label in asked) == 0.0
        assert all((label.change_db[:column] == 0.0).all() for label in session.labels)
    assert found[-14.0] > LEAST_CHANGE_DB > found[-60.0]


def test_settings_are_those_of_the_instrument_that_matters(songs: list[Multitrack]) -> None:
    row = next(k for k, q in enumerate(QUANTITIES) if q.key == "reverb.wet")
    much, little = (EffectChain((Effect("reverb", parameters={"wet": wet}),)) for wet in (0.6, 0.3))
    for levels, leading in (([-14.0, -40.0], 0.6), ([-50.0, -14.0], 0.3)):
        session = label_session(plan_of(songs, [much, little], levels), SETTINGS, Spectrogram(RATE))
        assert session is not None
        whole = next(label for label in session.labels if label.clip == 0 and not label.query)
        assert whole.values[row] == pytest.approx(leading, abs=1e-6)
        assert np.isnan(whole.values[: row - 2]).all()


def test_a_chain_on_the_sum_is_labelled_as_a_whole(songs: list[Multitrack]) -> None:
    plan = replace(plan_of(songs, [EffectChain(), EffectChain()], [-16.0, -16.0]), bus=DISTORTED)
    session = label_session(plan, SETTINGS, Spectrogram(RATE))
    assert session is not None and len(session.clips) == 1 and len(session.labels) == 1
    assert session.labels[0].change_db[EFFECTS.index("distortion")] > LEAST_CHANGE_DB
    total = mixed(render_parts(plan, SETTINGS), [-16.0, -16.0], RATE)
    assert np.abs(session.clips[0] - total).max() > 0.01
