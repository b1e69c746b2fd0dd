"""Any folder of stems becomes a manifest: songs found, instruments named, damage reported, work kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.data import analysis_job
from fxlens.data.adapters.folder import instrument_of_name, prepare, scan_folder
from fxlens.data.manifest import load_manifest
from fxlens.data.recording import Recording
from fxlens.data.stem_analysis import analyse_together
from fxlens.errors import DataError

RATE = 8000


def noise(seconds: float, level_db: float = -20.0, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))
    return (drawn * 10.0 ** (level_db / 20.0)).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype="PCM_16")
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    write(root / "a" / "One" / "lead_vocals.wav", noise(5.0))
    write(root / "a" / "One" / "02 Rhodes.flac", noise(5.0))
    write(root / "a" / "One" / "mixture.wav", noise(5.0))
    write(root / "b" / "Two" / "pad_and_bass.wav", noise(3.0))
    write(root / "Three" / "sax.wav", noise(4.0))
    write(root / "Three" / ".hidden.wav", noise(4.0))
    write(root / ".partial" / "Four" / "sax.wav", noise(4.0))
    (root / "Three" / "notes.txt").write_text("not audio")
    return root


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("lead_vocals", "vocals"),
        ("backing_vocals", "vocals"),
        ("synth_bass", "bass"),
        ("french_horn", "brass"),
        ("violins", "strings"),
        ("mallet", "mallets"),
        ("guitar", "electric guitar"),
        ("backing", "other"),
        ("pad_and_bass", "other"),
        ("Kick & Snare", "drums"),
        ("track07", "other"),
    ],
)
def test_instruments_from_names(name: str, instrument: str) -> None:
    assert instrument_of_name(name) == instrument


def test_a_folder_becomes_songs(library: Path) -> None:
    scan = scan_folder(library)
    found = {m.song: (m.collection, [(s.name, s.instrument) for s in m.stems]) for m in scan.multitracks}
    assert found == {
        "Three": ("library", [("sax", "saxophone")]),
        "a/One": ("a", [("02 Rhodes", "electric piano"), ("lead_vocals", "vocals")]),
        "b/Two": ("b", [("pad_and_bass", "other")]),
    }
    assert scan.left_out == {}


def test_a_song_json_overrules_names(library: Path) -> None:
    entry = {"file": "sax.wav", "instrument": "woodwinds", "free_name": "tárogató", "dry": True}
    (library / "Three" / "song.json").write_text(json.dumps({"stems": [entry]}))
    scan = scan_folder(library)
    stems = {(s.song, s.name): s for m in scan.multitracks for s in m.stems}
    sax = stems["Three", "sax"]
    assert (sax.instrument, sax.free_name, sax.dry) == ("woodwinds", "tárogató", True)
    assert stems["a/One", "lead_vocals"].dry is False
    for wrong in ("{", "[]", '{"stems": [{"file": "sax.wav", "instrument": "kazoo"}]}'):
        (library / "Three" / "song.json").write_text(wrong)
        with pytest.raises(DataError, match=r"song\.json"):
            scan_folder(library)


def test_damaged_files_are_named_and_left_out(library: Path) -> None:
    (library / "a" / "One" / "drums.wav").write_bytes(b"RIFF no audio at all")
    write(library / "a" / "One" / "organ.wav", np.zeros((2, RATE), np.float32))
    (library / "Four").mkdir()
    (library / "Four" / "bass.wav").write_bytes(b"")
    scan = scan_folder(library)
    assert {p.name for p in scan.left_out} == {"drums.wav", "organ.wav", "bass.wav"}
    assert "silent" in scan.left_out[library.resolve() / "a" / "One" / "organ.wav"]
    assert {m.song for m in scan.multitracks} == {"a/One", "b/Two", "Three"}


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        scan_folder(tmp_path / "gone")
    with pytest.raises(DataError, match="no audio file"):
        scan_folder(tmp_path)
    (tmp_path / "bass.wav").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"none of its 1 audio files.*bass\.wav"):
        scan_folder(tmp_path)


def test_measured_files_are_not_read_again(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first = scan_folder(library, cache=cache)
    cache.write_text(cache.read_text() + '{"version": 1, "key": "cut sho')
    write(library / "b" / "Two" / "pad_and_bass.wav", noise(2.5))  # changed: has to be read again
    read: list[str] = []

    def watched(recordings: Sequence[Recording]) -> dict:
        read.extend(recording.paths[0].name for recording in recordings)
        return analyse_together(recordings)

    monkeypatch.setattr(analysis_job, "analyse_together", watched)
    steps: list[tuple[int, int]] = []
    second = scan_folder(library, cache=cache, progress=lambda done, total: steps.append((done, total)))
    assert read == ["pad_and_bass.wav"]
    assert steps == [(3, 4), (4, 4)]
    unchanged = [m for m in first.multitracks if m.song != "b/Two"]
    assert [m for m in second.multitracks if m.song != "b/Two"] == unchanged


def test_prepare_writes_what_it_returns(library: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "m.jsonl"
    scan = prepare(library, output, evaluation_songs=["a/*"], validation_songs=["Three"])
    loaded = load_manifest(output)
    assert {m.song: m.split for m in loaded} == {
        "a/One": "evaluation",
        "b/Two": "train",
        "Three": "validation",
    }
    for kept, again in zip(scan.multitracks, loaded, strict=True):
        assert [s.path for s in kept.stems] == [s.path for s in again.stems]
        assert all(s.split == again.split for s in again.stems)
        assert math.isclose(kept.stems[0].loudness_lufs, again.stems[0].loudness_lufs, abs_tol=0.01)
