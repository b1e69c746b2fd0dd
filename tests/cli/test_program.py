"""The command line as a whole: help, versions, wrong calls, what goes to a terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fxlens
from fxlens.cli import app, console, main
from fxlens.effects.chain import EffectChain
from fxlens.models.fx_encoder import FxEncoder

COMMANDS = ("embed", "apply", "export", "train", "models", "info", "demo", "import-official")


def test_help_is_quick_and_loads_no_torch() -> None:
    code = (
        "import sys, time; t = time.process_time()\n"
        "import fxlens, fxlens.cli\n"
        "heavy = {'torch', 'scipy', 'numba', 'transformers', 'pytorch_lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "try: fxlens.cli.main(['embed', '--help'])\n"
        "finally: print(time.process_time() - t, 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seconds, torch_loaded = done.stderr.split()
    assert torch_loaded == "False"
    assert float(seconds) < 1.0  # processor time: others may be at work on this machine


def test_public_names_are_fetched_at_their_first_use() -> None:
    assert fxlens.FxEncoder is FxEncoder and fxlens.EffectChain is EffectChain
    assert {"FxEncoder", "EffectChain", "__version__"} <= set(dir(fxlens)) & {*fxlens.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fxlens.nothing  # noqa: B018


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), ("data", "prepare"), ("data", "midi")])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output
    first = done.output.split("\n\n")[1]
    assert len(first.split()) >= 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fxlens {fxlens.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed"],
        ["embed", "x.wav"],
        ["nonsense"],
        ["embed", "x.wav", "-o", "x.npz", "--pool", "max"],
        ["embed", "x.wav", "-o", "x.dat"],
        ["embed", "x.wav", "-o", "x.npz", "--shard", "0/2"],
        ["embed", "x.wav", "-o", "x.npz", "-b", "0"],
        ["embed", "x.wav", "-o", "x.npz", "-q", "drums", "--query-audio", "y.wav"],
        ["data", "prepare", ".", "--kind", "musdb", "-o", "m.jsonl"],
        ["train", "-o", "run"],
        ["train", "-o", "run", "--config", "nonsense"],
        ["train", "-o", "run", "--config", "small"],
        ["train", "-o", "run", "--config", "small", "--set", "optimizer.rate=1"],
        ["train", "-o", "run", "--config", "small", "--set", "steps"],
        ["train", "-o", "run", "--config", "paper", "--set", "steps=many"],
    ],
    ids=" ".join,
)
def test_wrong_calls_exit_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == "" and streams.err and "Traceback" not in streams.err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_key_is_named_with_the_one_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-o", "run", "--config", "small", "--set", "optimizer.learning_rat=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fxlens: ") and error.count("\n") == 1
    assert "did you mean optimizer.learning_rate?" in error


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m fxlens.cli --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "1"}


@pytest.mark.parametrize("interactive", [True, False])
def test_bars_are_for_terminals(
    interactive: bool,
    model: str,
    songs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: interactive)
    assert main(["embed", str(songs), "-o", str(tmp_path / "out.npz"), "-m", model]) == 0
    streams = capsys.readouterr()
    assert ("file" in streams.err) == interactive
    assert streams.out.count("\n") == 1


def test_who_waits_is_told_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    with console.said_if_slow("compiling", after_seconds=0.02):
        time.sleep(0.2)
    assert capsys.readouterr().err == "fxlens: compiling\n"
    with console.said_if_slow("compiling", after_seconds=30.0):
        pass
    assert capsys.readouterr().err == ""
