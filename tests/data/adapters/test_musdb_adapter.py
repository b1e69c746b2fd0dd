"""MUSDB18: streams of one file, decoded once; the validation songs; a real excerpt of the set."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import numpy as np
import pytest
from dataset_trees import RATE, write_stem_mp4, write_wav

from fxlens.audio import io, media
from fxlens.audio.decoder import Description
from fxlens.data.adapters import musdb
from fxlens.data.adapters.preparation import KINDS, kind_of, prepare
from fxlens.data.excerpts import Excerpt, load_excerpt
from fxlens.data.stem_audio import read_stem
from fxlens.errors import AudioDecodeError, DataError, UsageError


def streams(music: dict[str, np.ndarray]) -> list[np.ndarray]:
    stems = [music["drums"], music["bass"], music["keys"], music["vocals"]]
    return [np.sum(stems, axis=0), *stems]


def test_all_stems_of_a_file_are_decoded_in_one_pass(
    tmp_path: Path, music: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_stem_mp4(tmp_path / "train" / "A - B.stem.mp4", streams(music))
    passes: list[list[int]] = []
    decode_streams = media.decode_streams

    def watched(path: Path, wanted: Mapping[int, Description]) -> Iterator[tuple[int, np.ndarray]]:
        passes.append(list(wanted))
        return decode_streams(path, wanted)

    monkeypatch.setattr(media, "decode_streams", watched)
    monkeypatch.setattr(media, "decode", None)  # a second way in would fail
    prepare(tmp_path, tmp_path / "m.jsonl", KINDS["musdb"])
    assert passes == [[1, 2, 3, 4]]
    monkeypatch.undo()
    together, rate = io.read_streams(file, [4, 0, 1])
    assert rate == RATE
    for audio, stream in zip(together, (4, 0, 1), strict=True):
        np.testing.assert_array_equal(audio, io.read(file, stream=stream)[0])


def test_streams_of_other_files(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    wave = write_wav(tmp_path / "a.wav", music["bass"])
    (audio,), rate = io.read_streams(wave, [0])
    assert rate == RATE and audio.shape == music["bass"].shape
    with pytest.raises(AudioDecodeError, match="stream"):
        io.read_streams(wave, [0, 1])
    file = write_stem_mp4(tmp_path / "x.stem.mp4", streams(music)[:2])
    with pytest.raises(AudioDecodeError, match="2 audio streams, there is no stream 4"):
        io.read_streams(file, [1, 4])


def test_a_file_that_lacks_a_stream_is_named(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    whole = streams(music)
    write_stem_mp4(tmp_path / "train" / "A - Whole.stem.mp4", whole, picture=False)
    lacking = write_stem_mp4(tmp_path / "train" / "B - Lacking.stem.mp4", whole[:-1])
    result = prepare(tmp_path, tmp_path / "m.jsonl", KINDS["musdb"])
    assert [m.song for m in result.multitracks] == ["A - Whole"]
    assert list(result.left_out) == [lacking]
    assert "4 audio streams, there is no stream 4" in result.left_out[lacking]


def test_a_silent_stem_is_no_damage(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    mixture, drums, bass, other, vocals = streams(music)
    write_stem_mp4(tmp_path / "train" / "A - B.stem.mp4", [mixture, drums, bass, other, 0.0 * vocals])
    output = tmp_path / "m.jsonl"
    for _ in range(2):  # the second time out of the cache
        result = prepare(tmp_path, output, KINDS["musdb"])
        assert [s.name for s in result.multitracks[0].stems] == ["drums", "bass", "other"]
        assert result.left_out == {}
        assert result.passed_over == {"A - B: vocals": "silent from beginning to end"}
    assert len(output.with_name("m.jsonl.cache").read_text().splitlines()) == 4


def test_validation_songs_and_songs_in_both_forms(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    file = write_stem_mp4(tmp_path / "train" / "Triviul - Angelsaint.stem.mp4", streams(music))
    for copy in ("train/Triviul feat. The Fiend - Widow", "test/Triviul - Angelsaint"):
        (tmp_path / copy).parent.mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / f"{copy}.stem.mp4")
    for name in musdb.STREAMS:
        write_wav(tmp_path / "train" / "Triviul - Angelsaint" / f"{name}.wav", music["bass"])
    found = musdb.find(tmp_path)
    split = {(song.song, song.stems[0].recording.paths[0].suffix): song.split for song in found.songs}
    assert split == {
        ("Triviul - Angelsaint", ".wav"): "validation",
        ("Triviul feat. The Fiend - Widow", ".mp4"): "train",
        ("Triviul - Angelsaint", ".mp4"): "evaluation",
    }
    assert len(musdb.VALIDATION_SONGS) == 14


def test_other_folders_are_not_taken_for_it(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    write_wav(tmp_path / "train" / "song" / "drums.wav", music["drums"])
    write_wav(tmp_path / "train" / "song" / "rhodes.wav", music["keys"])
    assert kind_of(tmp_path).name == "folder"
    with pytest.raises(UsageError, match="this is not MUSDB18"):
        musdb.find(tmp_path / "train")
    with pytest.raises(DataError, match="no such folder"):
        musdb.find(tmp_path / "gone")


STEMPEG = importlib.util.find_spec("stempeg")
REAL = sorted(Path(p) / "data" for p in STEMPEG.submodule_search_locations or ()) if STEMPEG is not None else []
EXCERPTS = [file for folder in REAL for file in folder.glob("*.stem.mp4")]


@pytest.mark.skipif(not EXCERPTS, reason="no excerpt of MUSDB18: pip install --no-deps stempeg carries one")
def test_a_real_excerpt_of_musdb18(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    file = tmp_path / "test" / EXCERPTS[0].name
    shutil.copy(EXCERPTS[0], file)
    assert kind_of(tmp_path).name == "musdb"
    (song,) = prepare(tmp_path, tmp_path / "m.jsonl", KINDS["musdb"]).multitracks
    assert (song.song, song.artist, song.split) == (EXCERPTS[0].name[:-9], "The Easton Ellises", "evaluation")
    assert [(s.name, s.stream) for s in song.stems] == [("drums", 1), ("bass", 2), ("other", 3), ("vocals", 4)]
    for stem in song.stems:
        by_hand = decoded_by_hand(file, stem.stream)
        audio, rate = read_stem(stem)
        assert rate == stem.sample_rate == 44100 and stem.duration_seconds == audio.shape[1] / rate
        assert 6.0 < stem.duration_seconds < 6.2
        np.testing.assert_array_equal(audio, by_hand[:, : audio.shape[1]])
        assert by_hand.shape[1] - audio.shape[1] < 1024  # nothing but the padding of the last frame
        part = load_excerpt(Excerpt(stem, 2.5, 3.0))
        np.testing.assert_allclose(part, by_hand[:, 110250 : 110250 + 132300], atol=1e-6)
        assert -40.0 < stem.loudness_lufs < -10.0 and stem.active_seconds > 3.0


def decoded_by_hand(file: Path, stream: int) -> np.ndarray:
    with av.open(str(file)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=stream)]
    return np.concatenate(frames, axis=1)
