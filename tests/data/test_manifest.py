"""The manifest keeps what it was given, moves with its folder, and says which line is wrong."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fxlens.data.manifest import Multitrack, Stem, load_manifest, manifest_hash, save_manifest, stems_of
from fxlens.errors import DataError, OutputError


def stem(path: Path, song: str = "a/one", name: str = "lead_vocals", **changes: object) -> Stem:
    plain = Stem(
        song=song,
        split="train",
        name=name,
        instrument="vocals",
        path=path,
        duration_seconds=30.0,
        sample_rate=48000,
        loudness_lufs=-23.25,
        active=((0.5, 10.0), (12.0, 29.5)),
        dry=True,
        sha256="0" * 64,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def one_song(folder: Path) -> list[Multitrack]:
    inside = stem(folder / "a" / "one" / "lead_vocals.flac")
    outside = stem(folder.parent / "elsewhere" / "bass.wav", name="bass", loudness_lufs=-math.inf, active=())
    return [Multitrack("a/one", "a", "train", (inside, outside))]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    songs = one_song(tmp_path)
    save_manifest(tmp_path / "m.jsonl", songs)
    assert load_manifest(tmp_path / "m.jsonl") == songs


def full_stem(folder: Path) -> Stem:
    return stem(
        folder / "x.stem.mp4",
        free_name="alto saxophone",
        bleed=False,
        stream=4,
        added_paths=(folder / "y.wav", folder.parent / "z.wav"),
        silence_seconds=1.25,
    )


def test_streams_sums_silence_artists_and_free_names_are_kept(tmp_path: Path) -> None:
    songs = [Multitrack("one", "c", "train", (full_stem(tmp_path),), "Änne")]
    songs = [replace(m, stems=tuple(replace(s, song="one") for s in m.stems)) for m in songs]
    save_manifest(tmp_path / "m.jsonl", songs)
    assert load_manifest(tmp_path / "m.jsonl") == songs
    (written,) = json.loads((tmp_path / "m.jsonl").read_text())["stems"]
    assert written["added_paths"] == ["y.wav", str(tmp_path.parent / "z.wav")]


def test_manifests_without_them_are_written_and_named_as_before(tmp_path: Path) -> None:
    save_manifest(tmp_path / "m.jsonl", one_song(tmp_path))
    entry = json.loads((tmp_path / "m.jsonl").read_text())
    assert list(entry) == ["song", "collection", "split", "stems"]
    plain = "name instrument path duration_seconds sample_rate loudness_lufs active dry sha256"
    assert list(entry["stems"][0]) == plain.split()
    # SHA-256 of the JSON list of (song, split, name, instrument, dry, sha256), which names benchmarks since 0.1.
    rows = [["a/one", "train", name, "vocals", "True", "0" * 64] for name in ("bass", "lead_vocals")]
    known = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    assert manifest_hash(load_manifest(tmp_path / "m.jsonl")) == known


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("saxophone", True),
        ("alto saxophone", True),
        ("Alto Saxophones", True),
        ("sax 1", True),
        ("saxo", False),
        ("", False),
    ],
)
def test_stems_answer_to_class_free_name_and_name(tmp_path: Path, name: str, called: bool) -> None:
    some = stem(tmp_path / "x.wav", name="sax", instrument="saxophone", free_name="alto saxophone")
    assert some.is_called(name) is called
    assert not stem(tmp_path / "x.wav").is_called("alto saxophone")


def test_paths_below_the_manifest_move_with_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    save_manifest(tmp_path / "old" / "m.jsonl", one_song(tmp_path / "old"))
    written = json.loads((tmp_path / "old" / "m.jsonl").read_text())["stems"]
    assert written[0]["path"] == "a/one/lead_vocals.flac"
    assert written[1]["path"] == str(tmp_path / "elsewhere" / "bass.wav")
    shutil.move(tmp_path / "old", tmp_path / "new")
    inside, outside = stems_of(load_manifest(tmp_path / "new" / "m.jsonl"))
    assert inside.path == tmp_path / "new" / "a" / "one" / "lead_vocals.flac"
    assert outside.path == tmp_path / "elsewhere" / "bass.wav"


def test_saving_replaces_whole_files_only(tmp_path: Path) -> None:
    target = tmp_path / "m.jsonl"
    save_manifest(target, one_song(tmp_path))
    before = target.read_bytes()
    with pytest.raises(DataError, match="occurs twice"):
        save_manifest(target, one_song(tmp_path) * 2)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.jsonl"]
    target.unlink()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        save_manifest(tmp_path / "file" / "m.jsonl", one_song(tmp_path))


def test_hash_is_of_content_not_of_place_or_order(tmp_path: Path) -> None:
    first = Multitrack("one", "a", "train", (stem(tmp_path / "x.wav", "one"),))
    second = Multitrack("two", "a", "train", (stem(tmp_path / "y.wav", "two"),))
    moved = replace(second, stems=(replace(second.stems[0], path=Path("elsewhere.wav")),))
    assert manifest_hash([first, second]) == manifest_hash([moved, first])
    for change in (
        {"sha256": "1" * 64},
        {"instrument": "bass"},
        {"dry": False},
        {"free_name": "alto"},
        {"bleed": True},
        {"silence_seconds": 2.0},
    ):
        other = replace(second, stems=(replace(second.stems[0], **change),))
        assert manifest_hash([first, other]) != manifest_hash([first, second])
    assert manifest_hash([first, replace(second, split="evaluation")]) != manifest_hash([first, second])


def test_stems_of_one_split(tmp_path: Path) -> None:
    first = Multitrack("one", "a", "train", (stem(tmp_path / "x.wav", "one"),))
    second = Multitrack("two", "a", "evaluation", (stem(tmp_path / "y.wav", "two"),))
    assert [s.song for s in stems_of([first, second], "evaluation")] == ["two"]
    assert stems_of([first])[0].active_seconds == pytest.approx(27.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"split": "test"}, "split must be one of"),
        ({"song": 3}, "'song' must be a text"),
        ({"stems": []}, "at least one stem"),
        ({"stems": ["x"]}, "a stem must be an object"),
    ],
)
def test_a_wrong_song_is_refused_with_its_line(tmp_path: Path, change: dict, complaint: str) -> None:
    path = tmp_path / "m.jsonl"
    save_manifest(path, one_song(tmp_path))
    good = json.loads(path.read_text())
    path.write_text("\n".join([json.dumps(good), "", json.dumps(good | {"song": "b"} | change)]))
    with pytest.raises(DataError, match=rf"m\.jsonl, line 3: .*{complaint}"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"active": [[5.0, 2.0]]}, "in order"),
        ({"active": [[0.0, 31.0]]}, "within 0 and 30"),
        ({"active": [[0.0]]}, r"list of \[start, end\]"),
        ({"active": None}, r"list of \[start, end\]"),
        ({"dry": 1}, "true or false"),
        ({"duration_seconds": 0}, "must be positive"),
        ({"sample_rate": True}, "finite number"),
        ({"loudness_lufs": "loud"}, "finite number"),
        ({"sha256": ""}, "must be a text"),
        ({"name": "bass"}, "two stems of one name"),
        ({"free_name": 3}, "must be a text"),
        ({"bleed": "yes"}, "true or false"),
        ({"stream": -1}, "a number from 0 on"),
        ({"stream": True}, "a number from 0 on"),
        ({"added_paths": "x.wav"}, "list of texts"),
        ({"silence_seconds": 30.0}, "from 0 to below 30"),
    ],
)
def test_a_wrong_stem_is_refused_with_its_line(tmp_path: Path, change: dict, complaint: str) -> None:
    path = tmp_path / "m.jsonl"
    save_manifest(path, one_song(tmp_path))
    entry = json.loads(path.read_text())
    entry["stems"][0] |= change
    path.write_text(json.dumps(entry))
    with pytest.raises(DataError, match=rf"line 1: .*{complaint}"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "empty"), ("{broken", "line 1: not JSON"), ("[]", "must be an object"), (None, "no such manifest")],
)
def test_a_file_that_is_no_manifest(tmp_path: Path, text: str | None, complaint: str) -> None:
    path = tmp_path / "m.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=complaint):
        load_manifest(path)


def test_a_song_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    save_manifest(path, one_song(tmp_path))
    path.write_text(path.read_text() * 2)
    with pytest.raises(DataError, match="line 2: the song 'a/one' occurs twice"):
        load_manifest(path)
