"""The material: sources are found, songs planned by their names, bands chosen, and collections resume."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from fxlens.data.adapters.folder import prepare
from fxlens.data.material import players, rendering
from fxlens.data.material.band import CLEAN_GUITARS, choose_band
from fxlens.data.material.drum_samples import DrumKit
from fxlens.data.material.players import Choir, Soundfont, SpeakerShelf, harmonised
from fxlens.data.material.rendering import MaterialSettings, render_material, song_names, validation_songs
from fxlens.data.material.songs import composed_song, midi_song
from fxlens.data.material.sources import SOURCES, Material, find_material, speaker_of
from fxlens.data.midi.parts import Note
from fxlens.data.midi.song import song_rng
from fxlens.data.synthesis.patch import Patch
from fxlens.errors import DataError, UsageError

RATE = 44100
HAVE = Material(
    soundfonts=(Path("a.sf2"), Path("b.sf2")), synth_font=Path("fm.sf2"), kits=(DrumKit("kit", "CC0", {}),),
    speakers={"one": (), "two": ()},
)  # fmt: skip


def song_file(path: Path, shift: int = 0) -> Path:
    """Write four parts of 12 s: a melody, a bass, chords, drums."""
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    for channel, program, chords in (
        (0, 73, [(72,), (74,), (76,), (74,)] * 6),
        (1, 33, [(36,), (43,)] * 12),
        (2, 30, [(60, 64, 67), (59, 62, 67)] * 12),
        (9, 0, [(36, 42), (38, 42)] * 12),
    ):
        track = [mido.Message("program_change", program=program, channel=channel)]
        for chord in chords:
            pitches = [p + (shift if channel != 9 else 0) for p in chord]
            track += [mido.Message("note_on", note=p, velocity=90, channel=channel) for p in pitches]
            track += [
                mido.Message("note_off", note=p, time=480 if p == pitches[0] else 0, channel=channel) for p in pitches
            ]
        file.tracks.append(mido.MidiTrack(track))
    file.save(path)
    return path


def test_every_source_names_its_licence() -> None:
    assert {source.gives for source in SOURCES} == {"songs", "soundfont", "drum kits", "speakers"}
    assert all(source.licence and source.holds for source in SOURCES)
    assert len({source.package for source in SOURCES}) == len(SOURCES)


def test_speakers_are_told_apart_by_their_package() -> None:
    share = Path("/p/usr/share")
    assert speaker_of(share / "klettres/de/alpha/a.ogg") == "klettres-de"
    assert speaker_of(share / "ktuberling/sounds/fr/hat.wav") == "ktuberling-fr"
    assert speaker_of(share / "ktuberling/sounds/sr@latin/hat.wav") is None
    assert speaker_of(share / "tuxpaint/stamps/x/cat_desc_pt_BR.ogg") == "tuxpaint-pt_BR"
    assert speaker_of(share / "tuxpaint/stamps/x/cat_desc.ogg") == "tuxpaint-en"
    assert speaker_of(share / "tuxpaint/stamps/x/cat.ogg") is None


def test_what_packages_hold_is_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tools/material\.py fetch"):
        find_material(tmp_path / "gone")
    songs = tmp_path / "sources" / "simutrans-data" / "music"
    songs.mkdir(parents=True)
    song_file(songs / "01-First Song.mid")
    shutil.copy(songs / "01-First Song.mid", songs / "02-twin.mid")
    with pytest.raises(DataError, match="no soundfont"):
        find_material(tmp_path / "sources")
    (songs / "x.sf2").write_bytes(b"")
    speech = tmp_path / "sources" / "klettres-data" / "klettres" / "fr"
    speech.mkdir(parents=True)
    for number in range(25):
        (speech / f"{number}.ogg").write_bytes(b"")
    more = tmp_path / "mine"
    more.mkdir()
    song_file(more / "other.mid", shift=2)
    found = find_material(tmp_path / "sources", (more,))
    assert list(found.songs) == ["mine-other", "simutrans-01-first-song"]
    assert list(found.speakers) == ["klettres-fr"] and len(found.speakers["klettres-fr"]) == 25
    names = song_names(found, 6)
    assert len(set(names)) == 6 and names[:4] == song_names(found, 4)
    assert {n for n in names if not n.startswith("composed")} == set(found.songs)


def test_a_midi_song_is_moved_but_stays_itself(tmp_path: Path) -> None:
    path = song_file(tmp_path / "x.mid")
    plans = [midi_song("x", path, 10.0, np.random.default_rng(seed)) for seed in range(12)]
    assert plans[0] == midi_song("x", path, 10.0, np.random.default_rng(0))
    melodies = [next(s for s in plan.stems if s.sung).part.notes for plan in plans]
    assert all(np.array_equal(np.diff([n.pitch for n in m])[:3], [2, 2, -2]) for m in melodies)
    assert len({m[0].pitch for m in melodies}) > 3 and {m[0].pitch for m in melodies} <= set(range(69, 76))
    beats = [m[1].start - m[0].start for m in melodies]
    assert 0.5 / 1.13 < min(beats) < 0.49 and 0.51 < max(beats) < 0.5 / 0.89
    drums = next(s for s in plans[0].stems if s.part.drums)
    assert {n.pitch for n in drums.part.notes} <= {36, 38, 42, *range(54, 83)}
    (tmp_path / "bad.mid").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"bad\.mid"):
        midi_song("bad", tmp_path / "bad.mid", 10.0, np.random.default_rng(0))


def test_a_composed_song_has_a_band() -> None:
    plan = composed_song("composed-0000", 7, 20.0, song_rng("composed-0000", 0))
    assert plan == composed_song("composed-0000", 7, 20.0, song_rng("composed-0000", 0))
    assert sum(s.sung for s in plan.stems) == 1 and any(s.part.drums for s in plan.stems)
    assert any(s.casting.instrument == "bass" for s in plan.stems) and len(plan.stems) >= 5
    assert all(0.0 <= n.start < n.end and 1 <= n.velocity <= 127 for s in plan.stems for n in s.part.notes)


def test_bands_have_all_sorts_of_players_and_only_clean_guitars() -> None:
    players: Counter[tuple[str, str]] = Counter()
    sung = 0
    for number in range(150):
        rng = np.random.default_rng(number)
        plan = composed_song("composed", number, 12.0, rng)
        band = choose_band(plan, HAVE, ["alto"], rng)
        assert len({one.name for one in band}) == len(band)
        for one in band:
            players[one.instrument, type(one.player).__name__] += 1
            if one.instrument == "electric guitar" and isinstance(one.player, Soundfont):
                assert one.planned.casting.program in CLEAN_GUITARS
            if isinstance(one.player, Soundfont) and one.player.path.name == "fm.sf2":
                assert one.instrument == "synth"
        sung += any(isinstance(one.player, Choir) and one.player.harmony for one in band)
    assert 0.72 < players["vocals", "Choir"] / (players["vocals", "Choir"] + players["vocals", "SampledSinger"]) < 0.97
    assert players["synth", "Patch"] > 4 * players["synth", "Soundfont"] > 0
    for wanted in (("bass", "Patch"), ("bass", "StringInstrument"), ("bass", "Soundfont"), ("drums", "DrumKit"),
                   ("drums", "Soundfont"), ("electric guitar", "StringInstrument")):  # fmt: skip
        assert players[wanted] > 5, wanted
    assert 20 < sung < 110  # of 150; some songs are too short for backing singers


def test_harmonies_stay_in_the_scale() -> None:
    line = [Note(float(i), i + 1.0, p, 90) for i, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))]
    for degrees in (2, -2, 4):
        moved = harmonised(line, degrees)
        assert {n.pitch % 12 for n in moved} <= {0, 2, 4, 5, 7, 9, 11}
        assert all(1 <= abs(a.pitch - b.pitch) <= 8 for a, b in zip(line, moved, strict=True))
    assert harmonised(line, 0) == line and harmonised([], 2) == []
    few = harmonised([Note(0.0, 1.0, 60, 90), Note(1.0, 2.0, 67, 90)], 2)
    assert all(3 <= a - b <= 4 for a, b in zip([n.pitch for n in few], (60, 67), strict=True))


def test_a_speaker_who_cannot_sing_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def analyse(name: str, files: tuple[Path, ...]) -> object:
        asked.append(name)
        raise DataError(f"{name}: too noisy")

    monkeypatch.setattr(players, "analyse_speech", analyse)
    shelf = SpeakerShelf(HAVE, tmp_path)
    for _ in range(2):
        with pytest.raises(DataError, match="none of 2 speakers"):
            shelf.speaker(1)
    assert asked == ["two", "one"]  # the refusal is kept
    assert sorted(p.name.split("-")[0] for p in tmp_path.iterdir()) == ["one", "two"]


def test_validation_songs_stay_what_they_are() -> None:
    names = [f"composed-{n:04d}" for n in range(1000)]
    chosen = validation_songs(names)
    assert 50 < len(chosen) < 115  # 80, error 8.6
    assert validation_songs(names[:300]) == [n for n in chosen if n in names[:300]]
    held = {"d_dm12": "validation", "d_dm13": "train"}
    known = ["freedoom-d-dm12", "freedoom-d-dm13", "mine-d-dm130"]
    assert validation_songs(known, 1.0, held) == ["freedoom-d-dm12", "mine-d-dm130"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MaterialSettings:
    """Two MIDI songs and compositions, played without soundfonts and singers: every player is a patch."""
    songs = tmp_path / "songs"
    songs.mkdir()
    for number, name in enumerate(("one", "two")):
        song_file(songs / f"{name}.mid", shift=number)
    (songs / "bad.mid").write_bytes(b"junk")
    have = Material(songs={f"songs-{n}": songs / f"{n}.mid" for n in ("bad", "one", "two")})
    monkeypatch.setattr(rendering, "_found", lambda _: (have, {}, None))
    monkeypatch.setattr(rendering, "fluidsynth_binary", lambda: "fluidsynth")
    monkeypatch.setattr(rendering, "load_world", lambda: None)

    def only_patches(plan, _material, _singers, rng):  # type: ignore[no-untyped-def]
        from fxlens.data.material.band import BandStem
        from fxlens.data.synthesis.patch import draw_patch

        return [
            BandStem(
                f"{i:02d}_{s.casting.instrument.replace(' ', '_')}", s.casting.instrument, s, draw_patch("lead", rng)
            )
            for i, s in enumerate(plan.stems[:3])
        ]

    monkeypatch.setattr(rendering, "choose_band", only_patches)
    return MaterialSettings(tmp_path, seconds=8.0)


def test_a_collection_is_deterministic_resumes_and_becomes_a_manifest(
    tmp_path: Path, settings: MaterialSettings
) -> None:
    said: list[str] = []
    report = render_material(tmp_path / "out", settings, 4, progress=lambda what, done, total: said.append(what))
    assert len(report.rendered) + len(report.left_out) == 4 == len(said)
    assert set(report.left_out) <= {"songs-bad"} and "composed-0000" in report.rendered
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]
    song = json.loads((tmp_path / "out" / "composed-0000" / "song.json").read_text())
    for stem in song["stems"]:
        audio, rate = soundfile.read(tmp_path / "out" / "composed-0000" / stem["file"], always_2d=True)
        assert (
            rate == RATE and audio.shape == (8 * RATE, 2) and stem["dry"] is True and stem["player"] == Patch.__name__
        )
        assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-3.0, abs=0.01)
    shutil.rmtree(tmp_path / "out" / "composed-0000")
    resumed = render_material(tmp_path / "out", settings, 4)
    assert resumed.rendered == ["composed-0000"] and len(resumed.finished_before) == len(report.rendered) - 1
    render_material(tmp_path / "again", settings, 2)
    for file in (tmp_path / "again" / "composed-0000").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / "composed-0000" / file.name).read_bytes()
    other = MaterialSettings(tmp_path, seconds=8.0, seed=4)
    with pytest.raises(UsageError, match="other settings"):
        render_material(tmp_path / "again", other, 2)
    with pytest.raises(UsageError, match="at least 1"):
        render_material(tmp_path / "again", settings, 0)
    scan = prepare(tmp_path / "out", tmp_path / "out.jsonl", jobs=1)
    assert all(stem.dry for track in scan.multitracks for stem in track.stems)


def test_an_interruption_leaves_no_half_song(
    tmp_path: Path, settings: MaterialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = rendering.perform

    def stopped(*arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rendering, "perform", stopped)
    with pytest.raises(KeyboardInterrupt):
        render_material(tmp_path / "out", settings, 4)
    assert all((folder / "song.json").is_file() for folder in (tmp_path / "out").iterdir())
