"""MoisesDB: stems are the sums that a plain loop over the tracks gives; classes; what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dataset_trees import RATE, write_wav
from dataset_trees import moisesdb as build

from fxlens.data.adapters import moisesdb
from fxlens.data.adapters.moisesdb_instruments import CLASS_OF, class_of
from fxlens.data.adapters.preparation import KINDS, kind_of, prepare
from fxlens.data.manifest import load_manifest
from fxlens.data.stem_audio import read_stem
from fxlens.errors import AudioEmptyError, UsageError
from fxlens.instruments import BY_NAME


def song_folder(root: Path, stems: dict[str, list[tuple[str, np.ndarray, int]]], **more: object) -> Path:
    """Write a song; stem -> tracks of (type, samples, Hz)."""
    folder, listed = root / "moisesdb_v0.1" / "one", []
    for stem, tracks in stems.items():
        entries = []
        for number, (kind, audio, rate) in enumerate(tracks):
            write_wav(folder / stem / f"{stem}{number}.wav", audio, rate, "FLOAT")
            entries.append({"id": f"{stem}{number}", "trackType": kind, "extension": "wav"})
        listed.append({"stemName": stem, "tracks": entries})
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("data.json").write_text(json.dumps({"artist": "A", "song": "B", "stems": listed} | more))
    return folder


def slow_stem(files: list[Path], longest: int) -> np.ndarray:
    """The definition, written down as loops."""
    tracks = [soundfile.read(file, dtype="float32", always_2d=True)[0].T for file in files]
    tracks = [np.stack([track[0], track[-1]]) for track in tracks]
    length = min(track.shape[1] for track in tracks)
    total = np.zeros((2, longest), np.float32)
    for track in tracks:
        for channel in range(2):
            total[channel, :length] += track[channel, :length]
    return total


def test_sums_equal_a_plain_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def noise(channels: int, samples: int) -> np.ndarray:
        return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)

    drums = [("toms", noise(2, 90000), RATE), ("cymbals", noise(1, 88211), RATE), ("toms", noise(2, 95001), RATE)]
    folder = song_folder(tmp_path, {"drums": drums, "piano": [("grand piano", noise(1, 101000), RATE)]})
    prepare(tmp_path, tmp_path / "m.jsonl", KINDS["moisesdb"])
    (song,) = load_manifest(tmp_path / "m.jsonl")
    for stem in song.stems:
        wanted = slow_stem(sorted(folder.joinpath(stem.name).iterdir()), 101000)
        audio, _ = read_stem(stem)
        assert audio.shape == wanted.shape
        np.testing.assert_allclose(audio, wanted, atol=1e-7)
        for start, seconds in ((0.0, 0.5), (1.9, 0.3), (1.95, None), (2.1, 0.1), (1.99, 9.0)):  # around the seam
            begin = round(start * RATE)
            end = 101000 if seconds is None else min(begin + round(seconds * RATE), 101000)
            np.testing.assert_allclose(read_stem(stem, start, seconds)[0], wanted[:, begin:end], atol=1e-7)
    with pytest.raises(AudioEmptyError, match=r"nothing from 2\.3"):
        read_stem(song.stems[0], 2.3)


def test_every_track_type_has_a_class() -> None:
    assert set(CLASS_OF.values()) <= set(BY_NAME)
    assert {kind for kind, name in CLASS_OF.items() if name == "other"} == {
        "fx/processed sound, scratches, gun shots, explosions etc",
        "click track",
        "other sounds (hapischord, melotron etc)",
    }


@pytest.mark.parametrize(
    ("stem", "types", "instrument"),
    [
        ("guitar", ["acoustic guitar", "acoustic guitar"], "acoustic guitar"),
        ("guitar", ["acoustic guitar", "clean electric guitar"], "electric guitar"),
        ("piano", ["electric piano (rhodes, wurlitzer, piano sound alike)"], "electric piano"),
        ("piano", ["electric piano (rhodes, wurlitzer, piano sound alike)", "grand piano"], "piano"),
        ("percussion", ["pitched percussion (mallets, glockenspiel, ...)"], "mallets"),
        ("wind", ["brass (trumpet, trombone, french horn, brass etc)"], "brass"),
        ("wind", ["brass (trumpet, trombone, french horn, brass etc)", "other wind"], "woodwinds"),
        ("other_keys", ["synth pad", "synth lead"], "synth"),
        ("other", ["click track"], "other"),
        ("bowed_strings", ["something new"], "strings"),
        ("something new", [""], "other"),
    ],
)
def test_classes_of_stems(stem: str, types: list[str], instrument: str) -> None:
    assert class_of(stem, types) == instrument


def test_bleed_costs_the_stem_not_the_song(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build(tmp_path, music)
    without = prepare(tmp_path, tmp_path / "m.jsonl", KINDS["moisesdb"])
    assert {s.name for m in without.multitracks for s in m.stems} == {"drums", "bass", "guitar", "other_keys"}
    assert len(without.passed_over) == 3
    kept = prepare(tmp_path, tmp_path / "m.jsonl", KINDS["moisesdb"], keep_bleed=True)
    assert {s.name for m in kept.multitracks for s in m.stems if s.bleed} == {"vocals"}


def test_tracks_of_different_rates_are_refused(tmp_path: Path) -> None:
    tone = np.full((1, 50000), 0.1, np.float32)
    folder = song_folder(
        tmp_path,
        {"drums": [("toms", tone, RATE), ("cymbals", tone, 48000)], "bass": [("bass guitar", tone, RATE)]},
    )
    result = prepare(tmp_path, tmp_path / "m.jsonl", KINDS["moisesdb"])
    assert [s.name for s in result.multitracks[0].stems] == ["bass"]
    assert "48000 Hz and drums0.wav, with which it is summed, 44100" in result.left_out[folder / "drums" / "drums1.wav"]


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        "[]",
        '{"stems": 3}',
        '{"stems": [{"stemName": "../up", "tracks": []}]}',
        '{"stems": [{"stemName": "bass", "tracks": [{"id": "../../x", "extension": "wav"}]}]}',
        '{"stems": [{"stemName": "bass", "tracks": [{"id": "x"}]}]}',
        '{"stems": [{"stemName": "bass", "tracks": []}]}',
    ],
)
def test_a_wrong_data_json_is_named(tmp_path: Path, music: dict[str, np.ndarray], wrong: str) -> None:
    build(tmp_path, music)
    file = tmp_path / "moisesdb_v0.1" / "uuid-3" / "data.json"
    file.write_text(wrong)
    result = prepare(tmp_path, tmp_path / "m.jsonl", KINDS["moisesdb"])
    assert len(result.multitracks) == 2
    assert list(result.left_out) == [file]


def test_the_inner_folder_and_other_folders(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build(tmp_path, music)
    assert kind_of(tmp_path / "moisesdb_v0.1").name == "moisesdb"
    assert len(moisesdb.find(tmp_path / "moisesdb_v0.1").songs) == 3
    (tmp_path / "mine" / "song").mkdir(parents=True)
    (tmp_path / "mine" / "song" / "data.json").write_text('{"key": "C"}')
    assert kind_of(tmp_path / "mine").name == "folder"
    with pytest.raises(UsageError, match="this is not MoisesDB"):
        moisesdb.find(tmp_path / "moisesdb_v0.1" / "uuid-1" / "drums")
