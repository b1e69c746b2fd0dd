"""Bad recordings on the command line: a line that names the file and the next step, a code, and nothing half-made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bad_input_cases import CASES, Case, left, noise, told, write
from tiny_serving import write_model

from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect

QUICK = ["--steps", "1", "--restarts", "1", "--seconds", "0.5", "--chain", "eq,gain"]


class Place:
    """A model, an index, a reference and a preset; and an empty folder for what is made."""

    def __init__(self, root: Path) -> None:
        self.out = root / "out"
        self.model = write_model(root / "tiny")
        self.reference = write(root / "reference.wav", noise(2.0, seed=7))
        self.library = root / "library"
        self.preset = root / "preset.json"
        EffectChain((Effect("delay", parameters={"wet": 0.3}),)).save(self.preset)
        assert main(["index", "add", str(self.library), str(self.reference), "-m", str(self.model)]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    made.out = tmp_path / "out"
    made.out.mkdir()
    return made


def finite_table(path: Path) -> None:
    with np.load(path) as table:
        assert len(table["embedding"]) and np.isfinite(table["embedding"]).all()


def finite_audio(path: Path) -> None:
    audio, _ = soundfile.read(path)
    assert audio.size and np.isfinite(audio).all()


def finite_hits(out: str) -> None:
    assert np.isfinite(json.loads(out)["hits"][0]["similarity"])


def embed(file: Path, p: Place) -> list[object]:
    return ["embed", file, "-o", p.out / "e.npz", "-m", p.model]


def index_add(file: Path, p: Place) -> list[object]:
    return ["index", "add", p.out / "library", file, "-m", p.model]


def search(file: Path, p: Place) -> list[object]:
    return ["search", p.library, file, "--json"]


def describe(file: Path, p: Place) -> list[object]:
    return ["describe", file, "-m", p.model]


def match_dry(file: Path, p: Place) -> list[object]:
    return ["match", file, "-r", p.reference, "-o", p.out / "m.wav", "-m", p.model, *QUICK]


def match_reference(file: Path, p: Place) -> list[object]:
    return ["match", p.reference, "-r", file, "-o", p.out / "m.wav", "-m", p.model, *QUICK]


def apply(file: Path, p: Place) -> list[object]:
    return ["apply", p.preset, file, "-o", p.out / "a.wav"]


DOORS: tuple[Callable[[Path, Place], list[object]], ...] = (
    embed, index_add, search, describe, match_dry, match_reference, apply,
)  # fmt: skip
MADE: dict[str, Callable[[Path], None]] = {"e.npz": finite_table, "m.wav": finite_audio, "a.wav": finite_audio}
ALLOWED_AFTER_FAILURE = {"e.npz.errors.jsonl", "library/index.json", "library/catalogue.sqlite"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
@pytest.mark.parametrize(
    "door", [pytest.param(d, id=d.__name__, marks=[pytest.mark.slow] if d is match_reference else []) for d in DOORS]
)
@pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")
def test_every_recording_at_every_command(
    door: Callable[[Path, Place], list[object]],
    case: Case,
    place: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = case.make(tmp_path)
    code = main([str(word) for word in door(file, place)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    refused = case.error is not None and not (case.silence and door is apply)
    if refused or (code and case.doubtful and door is match_reference):
        assert code == 1, (code, err)
        lines = [line for line in err.splitlines() if file.name in line]
        assert lines and all(line.startswith("fxlens: ") for line in err.splitlines()), err
        if refused:
            told(lines[0], file, case)
        assert set(left(place.out)) <= ALLOWED_AFTER_FAILURE, left(place.out)
        return
    assert code == 0, err
    for name, check in MADE.items():
        if (place.out / name).exists():
            check(place.out / name)
    if door is search:
        finite_hits(out)
    assert not [name for name in left(place.out) if ".partial" in name or "/." in f"/{name}"]
    assert left(place.out) or door in (search, describe)
    assert out


def test_one_bad_file_among_good_ones(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are done, the bad one is named, and the exit code says so."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for case in CASES:
        case.make(folder)
    good = [case for case in CASES if case.error is None]
    bad = [path.name for case in CASES if case.error is not None and (path := case.make(folder)).exists()]
    assert main([str(word) for word in embed(folder, place)]) == 3
    err = capsys.readouterr().err
    assert all(name in err for name in bad)
    listed = [json.loads(line) for line in (place.out / "e.npz.errors.jsonl").read_text().splitlines()]
    assert sorted(Path(row["path"]).name for row in listed) == sorted(bad)
    with np.load(place.out / "e.npz") as table:
        assert len(table["path"]) == len(good)
    assert main([str(word) for word in index_add(folder, place)]) == 3
    assert f"{len(good)} files added, {len(bad)} failed" in capsys.readouterr().out
    assert main(["apply", str(place.preset), str(folder), "-o", str(place.out / "wet")]) == 3
    silent = sum(case.silence for case in CASES)
    assert len(left(place.out / "wet")) == len(good) + silent
