"""The plan and the parts of a synthetic song: chords without gaps, notes in the scale, phrases with rests."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.data.synthesis.drumming import PIECES
from fxlens.data.synthesis.melody import PHRASE_BARS
from fxlens.data.synthesis.parts import voicing
from fxlens.data.synthesis.song import MODES, STEM_NAMES, STEPS_PER_BAR, diatonic_chord, form_of
from fxlens.data.synthesis.synthetic import compose, compose_notes, compose_strokes

SEEDS = range(16)
PITCHED = [name for name in STEM_NAMES if name != "drums"]


@pytest.mark.parametrize("bars", [1, 5, 6, 9, 13, 14, 22, 23, 47, 48, 90])
def test_form_fills_the_song(bars: int) -> None:
    plan = form_of(bars)
    assert sum(length for _, length in plan) == bars
    assert all(length >= 1 for _, length in plan)
    assert any(kind == "chorus" for kind, _ in plan)
    assert bars < 6 or plan[0][0] == "intro"


@pytest.mark.parametrize("seconds", [2.0, 30.0, 100.0])
def test_plan_hangs_together(seconds: float) -> None:
    for seed in SEEDS:
        song = compose(seed, seconds)
        assert 70 <= song.tempo_bpm <= 150
        assert 0.5 <= song.swing < 0.7
        assert song.sections[0].first_bar == 0
        for before, after in zip(song.sections[:-1], song.sections[1:], strict=True):
            assert before.end_bar == after.first_bar
        for first, second in zip(song.chords[:-1], song.chords[1:], strict=True):
            assert first.end_step == second.first_step
        assert all(set(chord.pitch_classes) <= set(song.scale) for chord in song.chords)
        # The last chord begins inside the song and rings for at least 1.5 s, unless there was no time for it.
        last = song.time(song.sections[-1].end_bar * STEPS_PER_BAR)
        assert last <= seconds - 1.4 or seconds < 15
        assert {stem for section in song.sections for stem in section.stems} == set(STEM_NAMES)


def test_layers_enter_and_leave() -> None:
    changes = [len({section.stems for section in compose(seed, 30.0).sections}) for seed in SEEDS]
    assert min(changes) >= 3


def test_another_length_keeps_key_tempo_and_chords() -> None:
    for seed in SEEDS:
        short, long = compose(seed, 30.0), compose(seed, 90.0)
        assert (short.scale, short.tempo_bpm, short.groove) == (long.scale, long.tempo_bpm, long.groove)
        openings = []
        for song in (short, long):
            first = next(s for s in song.sections if s.kind == "chorus").first_bar * STEPS_PER_BAR
            openings.append([song.chord_at(first + step).pitch_classes for step in range(0, 64, 8)])
        assert openings[0] == openings[1]


def test_swing_keeps_the_beat_and_delays_the_off_beat() -> None:
    swung = next(song for song in (compose(seed) for seed in range(200)) if song.swing > 0.6)
    pair = 2 * swung.swing_steps
    for number in range(5):
        assert swung.time(number * pair) == pytest.approx(number * pair * swung.step_seconds)
        off_beat = swung.time(number * pair + swung.swing_steps) - swung.time(number * pair)
        assert off_beat == pytest.approx(swung.swing * pair * swung.step_seconds)
    times = [swung.time(step) for step in np.arange(0, 64, 0.25)]
    assert np.diff(times).min() > 0


@pytest.mark.parametrize("mode", MODES)
def test_no_diminished_chords(mode: str) -> None:
    scale = MODES[mode]
    for degree in range(7):
        root, third, fifth = diatonic_chord(scale, degree, "triad")
        assert ((third - root) % 12, (fifth - root) % 12) in {(3, 7), (4, 7)}


def test_chords_of_a_major_key() -> None:
    major = MODES["ionian"]
    assert diatonic_chord(major, 4, "seventh") == (7, 11, 2, 5)  # the dominant seventh of C: G B D F
    assert diatonic_chord(major, 6, "triad") == (7, 11, 2)  # B diminished becomes G


def test_voicing_moves_little() -> None:
    first = voicing((0, 4, 7), 55, 3, None)
    second = voicing((5, 9, 0), 55, 3, first)
    assert all(pitch >= 55 for pitch in first + second)
    assert sorted(pitch % 12 for pitch in second) == [0, 5, 9]
    assert abs(sum(second) - sum(first)) / 3 <= 3
    wide = voicing((2, 5, 9), 40, 5, None)
    assert list(wide) == sorted(wide) and {pitch % 12 for pitch in wide} == {2, 5, 9}


def test_notes_are_in_the_scale_and_in_the_song() -> None:
    for seed in SEEDS:
        song = compose(seed, 30.0)
        for stem in PITCHED:
            notes = compose_notes(seed, stem, 30.0)
            assert len(notes) > 5
            assert all(song.in_scale(int(note.pitch)) for note in notes)
            assert all(0 <= note.start_seconds < 30.0 and note.duration_seconds > 0 for note in notes)
            assert all(0.1 <= note.velocity <= 1.0 for note in notes)
            assert min(note.pitch for note in notes) >= 26 and max(note.pitch for note in notes) <= 96


def test_bass_plays_the_roots_of_the_chords() -> None:
    hits = total = 0
    for seed in SEEDS:
        song, notes = compose(seed, 30.0), compose_notes(seed, "bass", 30.0)
        starts = np.array([note.start_seconds for note in notes])
        for section in song.sections_of("bass"):
            for chord in song.chords:
                if section.first_bar * 16 <= chord.first_step < section.end_bar * 16:
                    nearest = int(np.abs(starts - song.time(chord.first_step)).argmin())
                    total += 1
                    hits += int(notes[nearest].pitch) % 12 == chord.pitch_classes[0]
    assert hits / total > 0.9


@pytest.mark.parametrize("stem", ["vocals", "lead"])
def test_melodies_are_melodies(stem: str) -> None:
    for seed in SEEDS:
        song, notes = compose(seed, 30.0), compose_notes(seed, stem, 30.0)
        ends = np.array([note.start_seconds + note.duration_seconds for note in notes])
        starts = np.array([note.start_seconds for note in notes])
        assert (starts[1:] - ends[:-1]).min() > 0  # one note at a time
        assert len({note.pitch for note in notes}) >= 3
        assert max(note.duration_seconds for note in notes) < 2.5
        leaps = np.abs(np.diff([note.pitch for note in notes]))
        assert np.mean(leaps <= 5) > 0.5
        assert (starts[1:] - ends[:-1]).max() > 2 * song.step_seconds  # there is a rest


def test_a_chorus_returns_with_its_rhythm() -> None:
    found = 0
    for seed in SEEDS:
        song = compose(seed, 90.0)
        choruses = [s for s in song.sections if s.kind == "chorus" and s.bars >= PHRASE_BARS]
        if len(choruses) < 2:
            continue
        found += 1
        steps = []
        for section in choruses[:2]:
            first = song.time(section.first_bar * STEPS_PER_BAR)
            end = song.time((section.first_bar + PHRASE_BARS) * STEPS_PER_BAR)
            steps.append([n.start_seconds - first for n in compose_notes(seed, "vocals", 90.0)
                          if first - 0.05 <= n.start_seconds < end - 0.05])  # fmt: skip
        assert len(steps[0]) == len(steps[1])
        np.testing.assert_allclose(steps[0], steps[1], atol=0.08)
    assert found > 3


def test_drummer_keeps_the_groove() -> None:
    for seed in SEEDS:
        song, hits = compose(seed, 30.0), compose_strokes(seed, 30.0)
        assert {hit.piece for hit in hits} <= set(PIECES)
        starts = [hit.start_seconds for hit in hits]
        assert starts == sorted(starts)
        assert np.std([hit.velocity for hit in hits]) > 0.05
        chorus = next(section for section in song.sections if section.kind == "chorus")
        kicks = np.array([hit.start_seconds for hit in hits if hit.piece == "kick"])
        for bar in range(chorus.first_bar, chorus.end_bar):
            downbeat = song.time(bar * STEPS_PER_BAR)
            assert np.abs(kicks - downbeat).min() < 0.04
        assert all(0 < hit.velocity <= 1 for hit in hits)
