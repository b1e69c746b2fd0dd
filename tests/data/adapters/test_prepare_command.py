"""``fxlens data prepare``: which folder, which layout, what is said, how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import medleydb as build_medleydb
from dataset_trees import moisesdb as build_moisesdb
from dataset_trees import musdb_hq as build_musdb

from fxlens.cli import main
from fxlens.cli.data_commands import Kind as CommandKind
from fxlens.data.adapters.preparation import KINDS, locate
from fxlens.data.manifest import load_manifest
from fxlens.errors import UsageError

VARIABLES = ("MUSDB_PATH", "MEDLEYDB_PATH", "MOISESDB_PATH")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_the_command_knows_every_kind() -> None:
    assert [kind.value for kind in CommandKind] == ["auto", *KINDS]


def test_the_layout_is_recognised_and_said(
    tmp_path: Path, music: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    build_musdb(tmp_path / "set", music)
    output = tmp_path / "m.jsonl"
    assert main(["data", "prepare", str(tmp_path / "set"), "-o", str(output)]) == 0
    said = capsys.readouterr().out
    assert said == f"{output}: musdb, 3 songs (1 evaluation, 1 train, 1 validation), 12 stems\n"
    assert len(load_manifest(output)) == 3


def test_the_folder_may_come_from_the_environment(
    tmp_path: Path, music: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build_moisesdb(tmp_path / "moises", music)
    output = str(tmp_path / "m.jsonl")
    assert main(["data", "prepare", "-o", output]) == 2
    assert "set MUSDB_PATH, MEDLEYDB_PATH, MOISESDB_PATH" in capsys.readouterr().err
    monkeypatch.setenv("MOISESDB_PATH", str(tmp_path / "moises"))
    assert main(["data", "prepare", "-o", output]) == 0
    streams = capsys.readouterr()
    assert "moisesdb, 3 songs" in streams.out
    assert "3 stems were passed over: other instruments bleed into it" in streams.err
    assert main(["data", "prepare", "--keep-bleed", "-o", output]) == 0
    assert "passed over" not in capsys.readouterr().err
    assert main(["data", "prepare", "--kind", "musdb", "-o", output]) == 2
    assert "set MUSDB_PATH" in capsys.readouterr().err


def test_which_folder_and_which_kind(tmp_path: Path) -> None:
    two = {"MUSDB_PATH": "/a", "MEDLEYDB_PATH": "/b"}
    with pytest.raises(UsageError, match="several of MUSDB_PATH"):
        locate(None, None, two)
    assert locate(None, "medleydb-raw", two) == (Path("/b"), KINDS["medleydb-raw"])
    assert locate(None, None, {"MUSDB_PATH": "/a", "MOISESDB_PATH": ""}) == (Path("/a"), KINDS["musdb"])
    assert locate(tmp_path, "musdb", two) == (tmp_path, KINDS["musdb"])
    with pytest.raises(UsageError, match="no folder to prepare; name it"):
        locate(None, "folder", two)
    with pytest.raises(UsageError, match="no kind 'slakh'"):
        locate(tmp_path, "slakh", {})


def test_a_folder_of_several_sets(tmp_path: Path, music: dict[str, np.ndarray]) -> None:
    build_musdb(tmp_path, music)
    build_moisesdb(tmp_path, music)
    with pytest.raises(UsageError, match="layout of musdb and moisesdb; say which"):
        locate(tmp_path, None, {})


def test_damage_ends_with_3_and_is_listed(
    tmp_path: Path, music: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = build_medleydb(tmp_path / "set", music)
    expected.one_file.write_text("404")
    output = tmp_path / "m.jsonl"
    shares = ["--evaluation-share", "0.5", "--validation-share", "0", "--seed", "1"]
    assert main(["data", "prepare", str(tmp_path / "set"), "-o", str(output), *shares]) == 3
    streams = capsys.readouterr()
    assert expected.one_file.name in streams.err and "Traceback" not in streams.err
    (listed,) = (json.loads(line) for line in (tmp_path / "m.jsonl.errors.jsonl").read_text().splitlines())
    assert listed["path"] == str(expected.one_file)
    splits = {m.song: m.split for m in load_manifest(output)}
    assert set(splits.values()) == {"train", "evaluation"} and splits["Änne_Grün"] == splits["Änne_Now"]
    shutil.rmtree(tmp_path / "set")
    assert main(["data", "prepare", str(tmp_path / "set"), "-o", str(output)]) == 1
    assert len(load_manifest(output)) == 3  # what was there is still there


@pytest.mark.parametrize(
    "options", [["--kind", "musdb", "--validation-share", "0.1"], ["--kind", "folder", "--metadata", "."]]
)
def test_options_of_other_kinds(
    tmp_path: Path, music: dict[str, np.ndarray], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    build_musdb(tmp_path / "set", music)
    assert main(["data", "prepare", str(tmp_path / "set"), "-o", str(tmp_path / "m.jsonl"), *options]) == 2
    assert "leave" in capsys.readouterr().err
