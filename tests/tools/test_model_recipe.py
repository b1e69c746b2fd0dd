"""The recipe of the shipped model: its commands are ones that the programs take, in the order that they need."""

from __future__ import annotations

import shlex
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from fxlens.cli import app
from fxlens.cli.train_command import shipped_config
from fxlens.config import load
from fxlens.training.settings import TrainSettings

FOLDERS = ("multitracks", "midi/freedoom", "voice_samples", "impulse_responses")


@pytest.fixture
def tool(tools: Path) -> ModuleType:
    import make_model  # type: ignore[import-not-found]

    return make_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / "data" / name).mkdir(parents=True)
    return tmp_path / "data"


def recipes(tool: ModuleType, data: Path, work: Path) -> dict[str, list[Any]]:
    full, trial = tool.FULL, tool.TRIAL
    return {
        "full": tool.Recipe(work, data, work / "sources", full, 2).steps(),
        "trial": tool.Recipe(work, None, None, trial, 2).steps(),
        "trial with sources": tool.Recipe(work, None, work / "sources", trial, 2).steps(),
    }


def refused(words: list[str]) -> str | None:
    """What the program has against a call; nothing is done."""
    command: Any = typer.main.get_command(app)
    rest = [word for word in words if word != "-v"]
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    try:
        command.make_context("fxlens", rest)
    except Exception as problem:
        return str(problem)
    return None


def test_every_command_is_one_the_program_takes(
    tool: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import material  # type: ignore[import-not-found]
    import ship_model  # type: ignore[import-not-found]

    taken: list[Any] = []
    monkeypatch.setattr(material, "run", lambda chosen: taken.append(chosen) or 0)
    monkeypatch.setattr(ship_model, "ship", lambda runs, output: taken.append(output) or _Model)
    (tmp_path / "multitracks").mkdir()
    seen = set()
    for steps in recipes(tool, data, tmp_path).values():
        for command in (command for step in steps for command in step.commands):
            program, *words = command.full()
            assert program == sys.executable
            if words[0] == "-m":
                assert words[1] == "fxlens.cli" and refused(words[2:]) is None, shlex.join(words)
                seen.add(words[2 + (words[2] == "-v")])
            else:
                main = {"material.py": material.main, "ship_model.py": ship_model.main}[Path(words[0]).name]
                assert main(words[1:]) == 0
                seen.add(Path(words[0]).name)
    assert seen == {"data", "train", "train-describe", "evaluate", "report", "material.py", "ship_model.py"}
    assert len(taken) == 3 + 3 + 2  # fetch, all, hours; three times ship; all, hours
    assert refused(["data", "synth", "--seconds", "two", "-o", "x"]) is not None


class _Model:
    model_id = "tiny"


def test_settings_of_all_trainings_fit_the_configurations(tool: ModuleType, data: Path, tmp_path: Path) -> None:
    for name, steps in recipes(tool, data, tmp_path).items():
        by_name = {step.name: step for step in steps}
        seeds = []
        for run in ("small", "small-other", "small-joint", "small-listening"):
            (command,) = by_name[run].commands
            words = command.full()
            given = [value for option, value in pairwise(words) if option == "--set"]
            config = words[words.index("--config") + 1]
            settings = load(TrainSettings, shipped_config(config), given)
            seeds.append(settings.seed)
            if run == "small-joint":
                both = (tmp_path / "small" / "model", tmp_path / "small-other" / "model")
                assert settings.loss.teachers == both and settings.initial_weights == both[0]
                assert settings.optimizer.freeze_norm_from == 0
            lists = [tmp_path / "stems" / f"{m}.jsonl" for m in ("real", "midi", "material")]
            assert settings.material.manifests == tuple(lists[:2] if name == "trial" else lists)
            assert settings.material.pool == tmp_path / "pool" and settings.material.render_jobs == 2
            assert settings.material.rooms == (data / "impulse_responses" if name == "full" else None)
            assert "n_mels" in by_name[run].decides["configuration"], "what it extends decides, too"
        assert seeds[0] != seeds[1]
        assert settings.objective == "listening" and settings.initial_weights == tmp_path / "small-joint" / "model"


def test_no_step_reads_what_is_made_after_it(tool: ModuleType, data: Path, tmp_path: Path) -> None:
    for steps in recipes(tool, data, tmp_path).values():
        there: set[Path] = set()
        for step in steps:
            assert set(step.reads) <= there, step.name
            there |= set(step.makes)
        assert tmp_path / "fxlens-small" in there and tmp_path / "results.json" in there


def test_trainings_hear_no_evaluation_song(tool: ModuleType, data: Path, tmp_path: Path) -> None:
    words = recipes(tool, data, tmp_path)["full"][0].commands[0].full()
    held_out = {value for option, value in pairwise(words) if option == "--evaluation"}
    assert held_out == {"everything-is-free/Francium", "kira/*", "muldjord/chaos_god", "sectoid/Feelings", "vocadito/*"}


def test_a_dry_run_prints_and_does_nothing(
    tool: ModuleType, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    call = ["--data", str(data), "--work", str(work), "--dry-run", "--until", "small", "--set", "seed=3"]
    assert tool.main(call) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.startswith("# ")][-1] == "# small: learns what effects sound like (new)"
    train = shlex.split(printed[-1])
    assert train[1:6] == ["-m", "fxlens.cli", "train", "--config", "small"] and "seed=3" in train
    assert not work.exists()


def test_wrong_calls_say_what_is_missing(
    tool: ModuleType, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FXLENS_DATA", raising=False)
    assert tool.main(["--work", str(tmp_path / "w")]) == 2
    assert "--data FOLDER, or FXLENS_DATA" in capsys.readouterr().err
    (data / "voice_samples").rmdir()
    assert tool.main(["--data", str(data)]) == 2
    assert "voice_samples is not there" in capsys.readouterr().err
    assert tool.main(["--trial", "--until", "lunch"]) == 2
    assert "the steps are real, midi, small, small-other, small-joint, small-listening, ship" in capsys.readouterr().err
    assert tool.main(["--trial", "--jobs", "0"]) == 2


def test_a_step_that_fails_ends_with_its_code_and_its_log(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["--trial", "--work", str(tmp_path / "w"), "--until", "real", "--jobs", "1"]
    (tmp_path / "w" / "stems").mkdir(parents=True)
    (tmp_path / "w" / "stems" / "real").write_text("a file where the songs should be")
    assert tool.main(call) == 1
    told = capsys.readouterr().err
    assert "real: this command ended with code" in told and "data synth -o" in told and "logs/real.log" in told
