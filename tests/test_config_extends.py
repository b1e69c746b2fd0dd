"""A configuration that holds what differs from another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fxlens.config import dump, load
from fxlens.errors import ConfigError


@dataclass(frozen=True)
class Part:
    width: int = 1
    name: str = "small"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    part: Part = Part()
    sizes: tuple[int, ...] = (1, 2)
    limit: int | None = 3
    second: Part | None = None


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_what_differs_is_laid_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, base="part: {width: 5, name: large, options: {a: 1}}\nsizes: [7]\n")
    write(tmp_path, middle="extends: base.yaml\npart: {width: 6, options: {b: 2}}\n")
    write(tmp_path / "deep", top="extends: ../middle.yaml\nsizes: [8, 9]\nlimit: null\n")
    found = load(Whole, tmp_path / "deep" / "top.yaml")
    assert found == Whole(Part(6, "large", {"a": 1, "b": 2}), (8, 9), None)
    assert load(Whole, tmp_path / "deep" / "top.yaml", ["part.width=1"]).part.width == 1
    dump(found, tmp_path / "again.yaml")  # what is written stands alone
    assert "extends" not in (tmp_path / "again.yaml").read_text() and load(Whole, tmp_path / "again.yaml") == found


def test_null_takes_a_mapping_away(tmp_path: Path) -> None:
    write(tmp_path, base="part: {name: large, options: {a: 1}}\nsecond: {width: 2}\n")
    write(tmp_path, top="extends: base.yaml\npart: {options: null}\nsecond: null\n")
    assert load(Whole, tmp_path / "top.yaml") == Whole(Part(name="large"))


def test_faults_name_their_file(tmp_path: Path) -> None:
    write(tmp_path, a="extends: b.yaml\n", b="extends: a.yaml\n", own="extends: own.yaml\n", number="extends: 3\n")
    write(tmp_path, lost="extends: nowhere.yaml\n", wrong="extends: faulty.yaml\n", faulty="part: [1\n")
    write(tmp_path, unknown="extends: bad.yaml\n", bad="part: {wdith: 3}\n")
    for name, told in {
        "a": "circle", "own": "circle", "number": "must name a file", "lost": "nowhere.yaml: no such",
        "wrong": "faulty.yaml", "unknown": "did you mean part.width",
    }.items():  # fmt: skip
        with pytest.raises(ConfigError, match=told) as caught:
            load(Whole, tmp_path / f"{name}.yaml")
        assert str(caught.value).startswith(str(tmp_path / f"{name}.yaml"))
