"""A MIDI file becomes parts in seconds, a cast, and dry stems in tune; a collection resumes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from fxlens.data.midi import fluidsynth
from fxlens.data.midi.collection import render_collection, render_midi, write_stem
from fxlens.data.midi.fluidsynth import play
from fxlens.data.midi.general_midi import cast_part, instrument_of_program, octaves_into_range
from fxlens.data.midi.parts import Note, Part, read_parts, write_part
from fxlens.data.midi.song import RenderSettings, plan_song, song_rng
from fxlens.errors import AudioSilentError, DataError, FxLensError, UsageError
from fxlens.instruments import QUERY_TARGETS

RATE = 44100
SOUNDFONTS = [
    Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"),
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/MuseScore_General.sf3"),
]
SOUNDFONT = next((path for path in SOUNDFONTS if path.is_file()), None)
needs_synthesiser = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or SOUNDFONT is None,
    reason="needs fluidsynth and a soundfont: apt-get install fluidsynth fluid-soundfont-gm",
)


def midi_file(path: Path, *tracks: list[mido.Message | mido.MetaMessage], ticks: int = 480) -> Path:
    file = mido.MidiFile(type=1, ticks_per_beat=ticks)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    file.save(path)
    return path


def on(time: int, note: int, channel: int = 0, velocity: int = 90) -> mido.Message:
    return mido.Message("note_on", time=time, note=note, channel=channel, velocity=velocity)


def off(time: int, note: int, channel: int = 0) -> mido.Message:
    return mido.Message("note_off", time=time, note=note, channel=channel)


def program(number: int, channel: int = 0) -> mido.Message:
    return mido.Message("program_change", program=number, channel=channel)


def melody(pitches: list[int], channel: int, number: int, beats: float = 1.0) -> list[mido.Message]:
    length = round(480 * beats)
    track = [program(number, channel)] if channel != 9 else []
    for pitch in pitches:
        track += [on(0, pitch, channel), off(length, pitch, channel)]
    return track


def band(path: Path, repeats: int = 6, shift: int = 0) -> Path:
    tune = [60, 62, 64, 67] * repeats
    return midi_file(
        path,
        [mido.MetaMessage("set_tempo", tempo=500_000)],
        melody([p + shift for p in tune], 0, 80),
        melody([p - 24 for p in tune], 1, 33),
        melody([36, 42, 38, 42, 70, 42, 38, 54] * (repeats // 2), 9, 0),
    )


def test_every_program_has_a_known_class_or_none() -> None:
    classes = [instrument_of_program(p) for p in range(128)]
    names = {instrument.name for instrument in QUERY_TARGETS}
    assert {c for c in classes if c is not None} == names - {"vocals", "drums"}
    assert classes[33] == "bass" and classes[46] == "plucked" and classes[65] == "saxophone"
    assert classes[53] is None and classes[127] is None


def test_seconds_follow_tempo_changes(tmp_path: Path) -> None:
    path = midi_file(
        tmp_path / "x.mid",
        [
            mido.MetaMessage("set_tempo", tempo=500_000),
            mido.MetaMessage("set_tempo", tempo=1_000_000, time=960),  # after two beats, at half speed
        ],
        [on(480, 60), off(240, 60), on(240, 62), off(480, 62)],
    )
    (part,) = read_parts(path)
    assert [(n.start, n.end, n.pitch) for n in part.notes] == [(0.0, 0.25, 60), (0.5, 1.5, 62)]
    assert part.sounding_seconds == pytest.approx(1.25) and part.mean_polyphony == pytest.approx(1.0)


def test_parts_are_cut_and_share_their_beginning(tmp_path: Path) -> None:
    path = midi_file(
        tmp_path / "x.mid",
        [program(30), on(960, 40), off(9600, 40)],  # from 1 s to 11 s
        [program(5, 3), on(1920, 70, 3), off(480, 70, 3), on(9600, 71, 3), off(480, 71, 3)],  # 2 s, 12.5 s
    )
    guitar, keys = read_parts(path, seconds=4.0)
    assert (guitar.channel, guitar.program, keys.channel, keys.program) == (0, 30, 3, 5)
    assert [(n.start, n.end) for n in guitar.notes] == [(0.0, 4.0)]
    assert [(n.start, n.end) for n in keys.notes] == [(1.0, 1.5)]
    (later,) = read_parts(path, seconds=5.0, start_seconds=10.0)
    assert [(round(n.start, 6), n.pitch) for n in later.notes] == [(1.5, 71)]


def test_the_program_is_the_one_that_plays_most(tmp_path: Path) -> None:
    track = melody([60], 0, 30) + melody([61, 62, 63], 0, 80) + melody([64], 0, 40)
    (part,) = read_parts(midi_file(tmp_path / "x.mid", track))
    assert part.program == 80


def test_effects_and_places_are_dropped_and_expression_is_kept(tmp_path: Path) -> None:
    def control(number: int, value: int) -> mido.Message:
        return mido.Message("control_change", control=number, value=value)

    track = [
        control(91, 100),
        control(93, 90),
        control(10, 0),
        control(0, 8),
        control(11, 70),
        control(64, 127),
    ]
    track += [mido.Message("pitchwheel", pitch=2000), *melody([60, 62], 0, 4)]
    (part,) = read_parts(midi_file(tmp_path / "x.mid", track))
    assert part.controls == ((0.0, 11, 70), (0.0, 64, 127), (0.0, -1, 2000))


def test_a_part_survives_writing_and_reading(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0.0], np.sort(rng.uniform(0.0, 20.0, 40))])
    notes = [Note(float(s), float(s) + 0.2, int(40 + i), 80) for i, s in enumerate(starts)]
    write_part(tmp_path / "x.mid", notes, 12, semitones=12, controls=((0.5, 7, 99),), seconds=22.0)
    (part,) = read_parts(tmp_path / "x.mid")
    assert part.program == 12 and part.controls[0][1:] == (7, 99)
    assert [n.pitch for n in part.notes] == [n.pitch + 12 for n in notes]
    np.testing.assert_allclose([n.start for n in part.notes], starts, atol=0.00015)
    np.testing.assert_allclose([n.end - n.start for n in part.notes], 0.2, atol=0.0003)
    assert mido.MidiFile(tmp_path / "x.mid").length == pytest.approx(22.0, abs=0.001)


def test_transposed_notes_stay_within_midi(tmp_path: Path) -> None:
    write_part(tmp_path / "x.mid", [Note(0.0, 1.0, 3, 80), Note(1.0, 2.0, 120, 80)], 0, semitones=-12, seconds=3)
    assert [n.pitch for n in read_parts(tmp_path / "x.mid")[0].notes] == [3, 108]
    write_part(tmp_path / "x.mid", [Note(0.0, 1.0, 120, 80)], 0, semitones=24, seconds=3)
    assert read_parts(tmp_path / "x.mid")[0].notes[0].pitch == 120


def test_files_that_are_no_midi(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such MIDI file"):
        read_parts(tmp_path / "gone.mid")
    for content in (
        b"",
        b"RIFFjunk",
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x10\x00\x00",
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x00\x0a\x00\xff\x59\x02\x01\xff\x00\xff\x2f\x00",
    ):
        (tmp_path / "bad.mid").write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.mid.*damaged"):
            read_parts(tmp_path / "bad.mid")
    assert read_parts(midi_file(tmp_path / "quiet.mid", [program(3)])) == []


@pytest.mark.parametrize("median", [24.0, 45.0, 60.0, 84.0, 100.0])
def test_octaves_bring_a_part_into_range(median: float) -> None:
    for low, high in ((26, 50), (55, 82), (60, 96)):
        move = octaves_into_range(median, low, high)
        assert move % 12 == 0 and low <= median + move <= high


def test_casting_keeps_most_and_changes_when_it_must() -> None:
    rng = np.random.default_rng(0)
    kept = [cast_part(4, 60.0, 1.0, rng) for _ in range(500)]
    assert 0.74 < np.mean([c.instrument == "electric piano" for c in kept if c]) < 0.86  # 0.8, error 0.018
    changed = Counter(c.instrument for c in (cast_part(30, 60.0, 1.0, rng, must_change=True) for _ in range(500)) if c)
    assert "electric guitar" not in changed and len(changed) >= 10 and changed["saxophone"] > changed["synth"]
    assert all(cast_part(33, 36.0, 1.0, rng).instrument == "bass" for _ in range(50))  # type: ignore[union-attr]
    assert cast_part(122, 60.0, 1.0, rng) is None


def test_chords_do_not_stay_with_instruments_of_one_note() -> None:
    rng = np.random.default_rng(1)
    stayed = [c for c in (cast_part(48, 60.0, 3.0, rng) for _ in range(300)) if c and c.instrument == "strings"]
    assert stayed and not any(c.program in (40, 41, 42) for c in stayed)


def part(channel: int, number: int, pitches: list[int], length: float = 0.5) -> Part:
    notes = tuple(Note(i * length, (i + 1) * length, p, 90) for i, p in enumerate(pitches))
    return Part(channel, number, notes)


def test_a_plan_is_of_its_seed_and_doubled_lines_differ_in_class() -> None:
    tune = [60, 62, 64, 67, 65] * 8
    parts = [part(c, 80, tune) for c in range(2)] + [part(9, 0, [36, 42, 38, 42] * 10)]
    for seed in range(20):
        plan = plan_song(parts, RenderSettings(), song_rng("x", seed), sung=False)
        again = plan_song(parts, RenderSettings(), song_rng("x", seed), sung=False)
        assert plan == again
        first, second = (stem.casting.instrument for stem in plan[:2])
        assert second not in ("synth", first)
        assert any(stem.name == "drums" for stem in plan)
    assert len({str(plan_song(parts, RenderSettings(), song_rng("x", s), sung=False)) for s in range(5)}) > 1


def test_drums_and_percussion_part() -> None:
    drums = part(9, 0, [36, 42, 70, 42, 38, 54] * 10)
    plain = RenderSettings(percussion_share=0.0)
    kit, hand = plan_song([drums], plain, song_rng("x", 0), sung=False)
    assert {n.pitch for n in kit.part.notes} == {36, 42, 38} and kit.name == "drums"
    assert {n.pitch for n in hand.part.notes} == {70, 54} and hand.name == "percussion"
    made = plan_song(
        [part(9, 0, [36, 42, 38] * 10)], RenderSettings(percussion_share=1.0), song_rng("x", 0), sung=False
    )
    assert [s.name for s in made] == ["drums", "percussion"]
    assert not {n.pitch for n in made[1].part.notes} & {36, 42, 38}


def test_one_melody_is_sung_and_the_bass_is_not() -> None:
    tune = [60, 62, 64, 67, 65] * 8
    plan = plan_song(
        [part(0, 33, tune), part(1, 56, tune), part(2, 48, tune)],
        RenderSettings(),
        song_rng("x", 0),
        sung=True,
    )
    assert [s.name for s in plan if s.sung] == ["vocals"]
    assert next(s for s in plan if s.sung).part.channel == 1


def test_short_parts_are_left_out() -> None:
    parts = [part(0, 80, [60] * 11), part(1, 80, [60, 61] * 10, 0.2), part(2, 122, [60, 61] * 10)]
    assert plan_song(parts, RenderSettings(), song_rng("x", 0), sung=False) == []


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = band(tmp_path / "x.mid")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FxLensError, match="apt-get install fluidsynth"):
        render_collection(tmp_path, tmp_path / "out", [tmp_path / "x.sf2"])
    monkeypatch.setattr(fluidsynth, "fluidsynth_binary", lambda: "fluidsynth")
    with pytest.raises(FxLensError, match=r"gone\.sf2: there is no such soundfont"):
        play(path, tmp_path / "gone.sf2", 1.0)


def test_a_silent_stem_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(AudioSilentError, match="silent"):
        write_stem(tmp_path / "x.flac", np.zeros((2, 1000), np.float32))
    assert list(tmp_path.iterdir()) == []


@needs_synthesiser
def test_a_note_is_in_tune_in_time_and_dry(tmp_path: Path) -> None:
    controls = ((0.0, 91, 127), (0.0, 93, 127))  # full reverb and chorus sends, against the rules
    write_part(tmp_path / "x.mid", [Note(0.5, 1.5, 69, 100)], 16, controls=controls, seconds=3.0)  # an organ
    audio = play(tmp_path / "x.mid", SOUNDFONT or "", 3.0)
    assert audio.shape == (2, 3 * RATE) and audio.dtype == np.float32
    level = np.sqrt(np.mean(audio.reshape(2, -1, RATE // 20) ** 2, axis=(0, 2)))  # 50 ms frames
    assert np.flatnonzero(level > 0.1 * level.max())[0] == 10
    assert level[44:].max() < 1e-3 * level.max()  # 0.7 s after the end: -60 dB, no room sounds on
    spectrum = np.abs(np.fft.rfft(audio[0, round(0.7 * RATE) : round(1.4 * RATE)] * np.hanning(30870), 1 << 19))
    near = slice(round(400 * (1 << 19) / RATE), round(480 * (1 << 19) / RATE))
    frequency = (near.start + int(np.argmax(spectrum[near]))) * RATE / (1 << 19)
    assert abs(1200 * np.log2(frequency / 440.0)) < 10


@needs_synthesiser
def test_a_song_becomes_a_folder_of_stems(tmp_path: Path) -> None:
    song = render_midi(band(tmp_path / "tune.mid"), tmp_path / "tune", SOUNDFONT or "", RenderSettings(seconds=8.0))
    assert json.loads((tmp_path / "tune" / "song.json").read_text()) == song
    assert {"01", "02", "dr"} <= {stem["file"][:2] for stem in song["stems"]}
    for stem in song["stems"]:
        audio, rate = soundfile.read(tmp_path / "tune" / stem["file"], always_2d=True)
        info = soundfile.info(tmp_path / "tune" / stem["file"])
        assert (rate, info.subtype, info.format, audio.shape) == (RATE, "PCM_16", "FLAC", (8 * RATE, 2))
        assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-3.0, abs=0.01)
        assert abs(audio.mean()) < 1e-3 and stem["dry"] is True


@needs_synthesiser
def test_a_collection_is_deterministic_resumes_and_names_what_it_left_out(tmp_path: Path) -> None:
    source = tmp_path / "midi"
    source.mkdir()
    band(source / "one.mid")
    band(source / "two.mid", shift=2)
    shutil.copy(source / "one.mid", source / "twin.mid")
    (source / "bad.mid").write_bytes(b"junk")
    midi_file(source / "empty.mid", melody([60], 0, 0))
    settings, fonts = RenderSettings(seconds=7.0, seed=3), [SOUNDFONT or ""]
    report = render_collection(source, tmp_path / "out", fonts, settings=settings)
    assert report.rendered == ["one", "two"]
    assert set(report.left_out) == {"twin", "bad", "empty"} and "one" in report.left_out["twin"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["one", "two"]

    shutil.rmtree(tmp_path / "out" / "two")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "one").iterdir()}
    resumed = render_collection(source, tmp_path / "out", fonts, settings=settings)
    assert (resumed.rendered, resumed.finished_before) == (["two"], ["one"])
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "one").iterdir()}

    (source / "one.mid").unlink()  # alone, "two" comes out the same
    render_collection(source, tmp_path / "again", fonts, settings=settings)
    for file in (tmp_path / "again" / "two").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / "two" / file.name).read_bytes()
    with pytest.raises(UsageError, match="other settings"):
        render_collection(source, tmp_path / "again", fonts, settings=RenderSettings(seconds=7.0, seed=4))


def test_collections_that_cannot_be_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/fluidsynth")
    (tmp_path / "x.sf2").write_bytes(b"")
    with pytest.raises(UsageError, match="no soundfont was given"):
        render_collection(tmp_path, tmp_path / "out", [])
    with pytest.raises(DataError, match=r"there is no \.mid file"):
        render_collection(tmp_path, tmp_path / "out", [tmp_path / "x.sf2"])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        band(tmp_path / folder / "same.mid", shift=ord(folder) - ord("a"))
    with pytest.raises(UsageError, match="distinct names"):
        render_collection(tmp_path, tmp_path / "out", [tmp_path / "x.sf2"])
