"""``fxlens match``: one track and a folder of stems, what is written, what is refused, and Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from fxlens.audio.io import read
from fxlens.audio.output import write
from fxlens.cli import main
from fxlens.cli.match_search_bar import SearchBar
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.matching.settings import Progress
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 22_050
DARK = EffectChain((Effect("equalizer", parameters={"high_shelf_gain_db": -12.0}),))
QUICK = ("--steps", 3, "--restarts", 1, "--seconds", 0.5)


def noise(seed: int, seconds: float = 1.0) -> np.ndarray:
    return (0.05 * np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    front = FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=16000.0, floor_db=-60.0, ceiling_db=20.0)
    FxEncoder(
        FxEncoderConfig(
            name="tiny", frontend=front, backbone=BackboneConfig("resnet", 4), projection_dims=(16,),
            extractor=ExtractorConfig("mask"), query_encoder="offline", query_dim=64, window_seconds=1.0,
            input_lufs=-18.0,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: dry.wav, ref.wav, and stems."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "dry.wav", noise(0), RATE, "PCM_24")
    write(tmp_path / "ref.wav", DARK.apply(noise(9), RATE), RATE)
    (tmp_path / "stems").mkdir()
    for seed, name in enumerate(("bass", "vox")):
        write(tmp_path / "stems" / f"{name}.wav", noise(seed), RATE)
    return tmp_path


@pytest.fixture
def call(model: Path, place: Path) -> Iterator[Any]:
    yield lambda *arguments: main(["match", *map(str, (*arguments, *QUICK, "-m", model))])


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- one track


def test_one_track(call: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exports = [word for name in ("sheet", "pedalboard", "ffmpeg", "json") for word in ("--export", name)]
    assert call("dry.wav", "-r", "ref.wav", "-o", "out.flac", "--chain", "eq,limit", *exports, "--curve", "c.csv") == 0
    written = {"out.flac", "out.preset.json", "out.sheet.md", "out.pedalboard.py", "out.ffmpeg.txt", "out.chain.json"}
    assert written | {"c.csv"} == set(names(place)) - {"dry.wav", "ref.wav", "stems/bass.wav", "stems/vox.wav"}
    told = capsys.readouterr().out
    assert "distance to the reference: " in told
    assert "LUFS" in told
    assert all(name in told for name in written)
    audio, rate = read(place / "out.flac")
    assert rate == RATE
    assert soundfile.info(place / "out.flac").subtype == "PCM_24"
    again = EffectChain.load(place / "out.preset.json").apply(noise(0), RATE)
    assert np.abs(again - audio).max() < 1e-4
    assert main(["apply", "out.preset.json", "dry.wav", "-o", "again.flac"]) == 0
    assert np.array_equal(read(place / "again.flac")[0], audio)
    assert len((place / "c.csv").read_text().splitlines()) == 1 + 4


def test_json_queries_weights_and_a_preset_of_ones_own(
    call: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DARK.save(place / "mine.json")
    status = call(
        "dry.wav", "-r", "ref.wav", "-r", "dry.wav", "-w", 3, "-w", 1, "-o", "out.wav", "-q", "vocals",
        "--chain", "mine.json", "--lock", "eq.high_shelf_gain_db", "--level", -30, "--preset", "p.json", "--json",
    )  # fmt: skip
    assert status == 0
    told = json.loads(capsys.readouterr().out)
    assert told["preset"] == "p.json"
    assert told["result_lufs"] == pytest.approx(-30.0, abs=0.1)
    assert len(told["reference_agreement"]) == 2
    assert told["interrupted"] is False
    matched = [e for e in EffectChain.load(place / "p.json").effects if e.type == "equalizer"]
    assert matched[0].parameters["high_shelf_gain_db"] == pytest.approx(-12.0, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("dry.wav", "-r", "none.wav", "-o", "out.wav"), 1, "no such file"),
        (("none.wav", "-r", "ref.wav", "-o", "out.wav"), 1, "no such file"),
        (("dry.wav", "-r", "ref.wav", "-o", "dry.wav"), 2, "is the input itself"),
        (("dry.wav", "-r", "ref.wav", "-o", "ref.wav"), 2, "is the input itself"),
        (("dry.wav", "-r", "ref.wav", "-o", "none/out.wav"), 1, "does not exist"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.txt"), 2, "cannot be written in that format"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--chain", "eq,flanger"), 2, "flanger"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--lock", "chorus"), 2, "no part of this chain"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--amount", 2), 2, "between 0 and 1"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--level", "loud"), 2, "level must be"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--export", "vst"), 2, "no format 'vst'"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--curve", "c.pdf"), 2, "c.pdf"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "-w", 1, "-w", 2), 2, "one for each"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--sum", "s.wav"), 2, "--sum is for a batch"),
        (("dry.wav", "-r", "ref.wav", "-o", "out.wav", "-q", "bass", "-q", "vocals"), 2, "two instruments"),
        (("stems", "-r", "ref.wav", "-o", "out", "--preset", "p.json"), 2, "--preset is for one track"),
        (("stems", "-r", "ref.wav", "-o", "out", "-q", "kick=drums"), 2, "no input"),
        (("stems", "-r", "ref.wav", "-o", "dry.wav"), 1, "must be a folder"),
    ],
)
def test_what_is_refused(
    call: Any, place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[Any, ...], status: int, words: str
) -> None:
    before = names(place)
    assert call(*arguments) == status
    assert words in capsys.readouterr().err
    assert names(place) == before


# --- a batch


def test_a_folder_of_stems(call: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place / "stems" / "xyzzy.wav", noise(4), RATE)
    (place / "stems" / "drums.wav").write_bytes(b"RIFF no audio at all, but text")
    arguments = ("stems", "-r", "ref.wav", "-o", "out", "--chain", "eq", "--sum", "mix.wav")
    assert call(*arguments) == 3
    told = capsys.readouterr()
    assert "xyzzy" in told.err and "-q 'xyzzy=INSTRUMENT'" in told.err
    assert names(place / "out") == [
        "bass.match.json", "bass.preset.json", "bass.wav", "matches.csv",
        "vox.match.json", "vox.preset.json", "vox.wav",
    ]  # fmt: skip
    rows = list(csv.DictReader((place / "out" / "matches.csv").read_text().splitlines()))
    assert [row["query"] for row in rows] == ["bass", "vocals"]
    failures = [json.loads(line) for line in (place / "out.errors.jsonl").read_text().splitlines()]
    assert {Path(one["path"]).name for one in failures} == {"xyzzy.wav", "drums.wav"}
    total = sum(read(place / "out" / f"{name}.wav")[0] for name in ("bass", "vox"))
    assert np.abs(read(place / "mix.wav")[0] - total).max() < 1e-5
    (place / "stems" / "drums.wav").unlink()
    stamp = (place / "out" / "vox.wav").stat().st_mtime_ns
    assert call(*arguments, "-q", "xyzzy=", "--resume", "--json") == 0
    told_json = json.loads(capsys.readouterr().out)
    assert [(Path(one["stem"]).stem, one["resumed"]) for one in told_json["stems"]] == [
        ("bass", True), ("vox", True), ("xyzzy", False),
    ]  # fmt: skip
    assert (place / "out" / "vox.wav").stat().st_mtime_ns == stamp
    assert not (place / "out.errors.jsonl").exists()


def test_a_batch_of_which_nothing_can_be_done(call: Any, place: Path) -> None:
    for name in ("bass", "vox"):
        write(place / "stems" / f"{name}.wav", np.zeros((2, RATE), np.float32), RATE)
    assert call("stems", "-r", "ref.wav", "-o", "out") == 1
    assert not (place / "out" / "matches.csv").exists()


# --- Ctrl-C


@pytest.fixture
def heard_ctrl_c() -> Iterator[None]:
    """Python's own handler, also where the tests run in a background that ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_at(monkeypatch: pytest.MonkeyPatch, step: int, number: int = signal.SIGINT) -> None:
    """Send a signal to this process at one step of the search."""
    plain = SearchBar.report

    def report(bar: SearchBar, progress: Progress) -> None:
        plain(bar, progress)
        if progress.done == step:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(SearchBar, "report", report)


@pytest.mark.usefixtures("heard_ctrl_c")
def test_ctrl_c_writes_the_best_so_far(
    call: Any, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    press_at(monkeypatch, 2)
    handler = signal.getsignal(signal.SIGINT)
    assert call("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--chain", "eq", "--curve", "c.csv") == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert "best settings so far" in capsys.readouterr().err
    assert {"out.wav", "out.preset.json"} <= set(names(place))
    assert len((place / "c.csv").read_text().splitlines()) == 1 + 3  # of four


@pytest.mark.usefixtures("heard_ctrl_c")
def test_ctrl_c_elsewhere_leaves_nothing(call: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(place)

    def interrupted(bar: SearchBar, seconds: float) -> None:
        bar.searching = False
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SearchBar, "advance", interrupted)
    assert call("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--chain", "eq") == 130
    assert names(place) == before


def test_sigterm_ends_at_once(call: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(place)
    press_at(monkeypatch, 1, signal.SIGTERM)
    assert call("dry.wav", "-r", "ref.wav", "-o", "out.wav", "--chain", "eq") == 143
    assert names(place) == before


@pytest.mark.usefixtures("heard_ctrl_c")
def test_an_interrupted_batch_goes_on(
    call: Any, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    plain = SearchBar.begin

    def begin(bar: SearchBar, name: str) -> None:
        plain(bar, name)
        begun.append(name)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SearchBar, "begin", begin)
    arguments = ("stems", "-r", "ref.wav", "-o", "out", "--chain", "eq")
    assert call(*arguments) == 130
    assert "1 of 2 stems" in capsys.readouterr().err
    assert names(place / "out") == ["bass.match.json", "bass.preset.json", "bass.wav"]
    assert call(*arguments, "--resume") == 0
    assert begun == ["bass.wav", "vox.wav", "vox.wav"]
