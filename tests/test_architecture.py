"""The order of the rooms: a module imports only from rooms to its left, and never from its neighbours."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "fxlens"

LAYERS: list[set[str]] = [
    {"errors"},
    {"whole_files", "file_locks"},
    {"config", "dsp", "instruments"},
    {"audio"},
    {"effects"},
    {"fxnorm"},
    {"data", "models", "losses"},
    {"matching", "training", "describing"},
    {"evaluation"},
    {"embedding", "hear"},
    {"index"},
    {"demo", "web"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FORBIDDEN = {"pedalboard", "pyloudnorm", "torchcomp", "dasp_pytorch", "torchaudio", "librosa"}


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "fxlens" else {module}
    return found


MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_left(path: Path) -> None:
    here = room_of(path)
    assert here in RANK, f"{here} has no place in the order of the rooms"
    for name in imports_of(path):
        assert name.split(".")[0] not in FORBIDDEN, f"{path} imports {name}"
        if not name.startswith("fxlens."):
            continue
        there = name.split(".")[1]
        if there == here or there not in RANK:  # the package itself: __version__
            continue
        assert RANK[there] < RANK[here], f"{path} imports {name}, which is not to its left"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "misc", "common", "core", "helpers"}


def test_helpers_of_tests_have_names_of_their_own() -> None:
    # Tests import them by name alone, from the folders of all tests that were collected before.
    helpers = [p for p in Path(__file__).parent.rglob("*.py") if not p.name.startswith(("test_", "conftest", "__"))]
    names = [p.name for p in helpers]
    assert sorted(names) == sorted(set(names))
