"""Steps of a recipe: done once, gone on with, made anew when their inputs change, and loud when they fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tiny_model import save_tiny_encoder

from fxlens.data.adapters.folder import prepare
from fxlens.data.synthesis.synthetic import write_song
from fxlens.errors import FxLensError


@pytest.fixture
def steps(tools: Path) -> ModuleType:
    import model_steps  # type: ignore[import-not-found]

    return model_steps


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def workshop(steps: ModuleType, tmp_path: Path, said: list[str]) -> Any:
    return steps.Workshop(tmp_path, {"PYTHON": Path(sys.executable)}, said.append)


def script(steps: ModuleType, text: str, *words: object, **more: Any) -> Any:
    return steps.Command((sys.executable, "-S", "-c", f"import sys\n{text}", *map(str, words)), **more)


COUNTS = "open(sys.argv[1], 'a').write('x')"


def counting(steps: ModuleType, out: Path, *reads: Path, **more: Any) -> Any:
    """A step that adds a letter to its output whenever it is run."""
    return steps.Step(out.stem, "counts", (script(steps, COUNTS, out),), (out,), reads, **more)


def test_what_is_done_is_not_done_again(steps: ModuleType, workshop: Any, tmp_path: Path, said: list[str]) -> None:
    one = counting(steps, tmp_path / "one.txt")
    two = counting(steps, tmp_path / "two.txt", tmp_path / "one.txt")
    assert steps.make([one, two], workshop) == 2
    assert steps.make([one, two], workshop) == 0
    assert (tmp_path / "one.txt").read_text() == (tmp_path / "two.txt").read_text() == "x"
    assert said[-2:] == ["1/2 one: there already", "2/2 two: there already"]
    stamp = json.loads((tmp_path / "steps" / "two.json").read_text())
    assert stamp["made"].keys() == {"WORK/two.txt"} and "sys.argv" in stamp["commands"][0]


@pytest.mark.parametrize("harm", ["deleted", "damaged", "stamp"])
def test_what_is_not_whole_is_made_again(steps: ModuleType, workshop: Any, tmp_path: Path, harm: str) -> None:
    one = counting(steps, tmp_path / "one.txt")
    steps.make([one], workshop)
    if harm == "deleted":
        (tmp_path / "one.txt").unlink()
    elif harm == "damaged":
        (tmp_path / "one.txt").write_text("y")
    else:
        workshop.stamp_of(one).write_text("{")
    assert workshop.state(one) == ("new" if harm == "stamp" else "begun")
    assert steps.make([one], workshop) == 1
    assert workshop.state(one) == "done"


def test_other_inputs_make_what_follows_anew(steps: ModuleType, workshop: Any, tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.txt" for name in ("one", "two", "three"))
    chain = [counting(steps, one), counting(steps, two, one), counting(steps, three, two)]
    steps.make(chain, workshop)
    one.write_text("other")
    workshop.stamp_of(chain[0]).unlink()
    assert workshop.state(chain[1]) == "changed"
    assert steps.make(chain, workshop) == 3
    other = replace(chain[1], commands=(script(steps, COUNTS + "  # otherwise", two),))
    assert workshop.state(other) == "changed"
    decided = replace(chain[2], decides={"configuration": "steps: 7"})
    assert workshop.state(decided) == "changed"


def test_what_changes_nothing_and_places_do_not_count(steps: ModuleType, tmp_path: Path, said: list[str]) -> None:
    first, second = tmp_path / "here", tmp_path / "there"
    first.mkdir()
    command = script(steps, COUNTS, first / "one.txt", free=("--jobs", "2"))
    step = steps.Step("one", "counts", (command,), (first / "one.txt",))
    steps.make([step], steps.Workshop(first, {}, said.append))
    first.rename(second)
    command = script(steps, COUNTS, second / "one.txt", free=("--jobs", "8"))
    step = steps.Step("one", "counts", (command,), (second / "one.txt",))
    assert steps.Workshop(second, {}, said.append).state(step) == "done"


def test_a_failed_step_names_its_command_and_log(steps: ModuleType, workshop: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    harmless = script(steps, "sys.exit(3)", codes=(0, 3))
    bad = script(steps, "print('all is lost')\nsys.exit(5)")
    step = steps.Step("lost", "fails", (harmless, bad), (out,))
    told = r"(?s)lost: .*code 5.*sys\.exit\(5\).*logs/lost\.log:\n  all is lost"
    with pytest.raises(steps.StepFailedError, match=told):
        steps.make([step, counting(steps, out)], workshop)
    assert workshop.state(step) == "begun" and not out.exists()
    idle = steps.Step("idle", "does nothing", (harmless,), (out,))
    with pytest.raises(steps.StepFailedError, match=r"idle: .*without error, yet .*out\.txt.*logs/idle\.log"):
        steps.make([idle], workshop)
    assert workshop.log_of(idle).read_text().startswith("$ ")


def test_a_training_run_goes_on_but_not_with_other_inputs(steps: ModuleType, workshop: Any, tmp_path: Path) -> None:
    run, songs = tmp_path / "run", tmp_path / "songs.txt"
    songs.write_text("a")
    train = "import os\nos.makedirs(sys.argv[1], exist_ok=True)\n"
    train += "open(sys.argv[1] + '/last', 'a').write(str(sys.argv[2:]))"
    command = script(steps, train, run, goes_on=(run / "last", "--resume"))
    step = steps.Step("train", "trains", (command,), (run / "model",), (songs,), own=run)
    with pytest.raises(steps.StepFailedError, match="model"):  # it has left no model yet
        steps.make([step], workshop)
    assert workshop.state(step) == "begun" and command.full()[-1] == "--resume"
    (run / "model").write_text("weights")
    assert steps.make([step], workshop) == 1 and (run / "last").read_text() == "[]['--resume']"
    songs.write_text("others")
    assert workshop.state(step) == "changed"
    with pytest.raises(steps.OtherInputsError, match=r"run was begun from other songs.*--work"):
        steps.make([step], workshop)
    songs.write_text("a")
    workshop.stamp_of(step).unlink()  # somebody else's run
    with pytest.raises(steps.OtherInputsError):
        steps.make([step], workshop)


def test_manifests_and_models_are_looked_into(steps: ModuleType, tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "a", seed=0, seconds=3.0, instruments=("drums", "bass"))
    manifest = tmp_path / "songs.jsonl"
    prepare(tmp_path / "songs", manifest, jobs=1)
    named = steps.fingerprint(manifest)
    (tmp_path / "songs").rename(tmp_path / "moved")
    with pytest.raises(FxLensError, match="2 of its files are not there any more"):
        steps.fingerprint(manifest)
    prepare(tmp_path / "moved", manifest, jobs=1)
    assert steps.fingerprint(manifest) == named, "places do not count"
    manifest.write_text(manifest.read_text()[:-20])
    with pytest.raises(FxLensError):
        steps.fingerprint(manifest)

    save_tiny_encoder(tmp_path / "model")
    named = steps.fingerprint(tmp_path / "model")
    (tmp_path / "model" / "describe.json").write_text("{}")  # heads beside the weights change nothing of them
    assert steps.fingerprint(tmp_path / "model") == named
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    with pytest.raises(FxLensError):
        steps.fingerprint(tmp_path / "model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FxLensError, match="it is empty"):
        steps.fingerprint(tmp_path / "empty")


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fxlens.cli import termination
from model_steps import Command, Step, Workshop, make
work = Path(sys.argv[2])
sleeper = (
    "import signal, sys, time\\n"
    "def tidy(*_):\\n    open(sys.argv[1] + '/tidied', 'w').close()\\n    sys.exit(1)\\n"
    "signal.signal(signal.SIGTERM, tidy)\\nopen(sys.argv[1] + '/begun', 'w').close()\\ntime.sleep(60)"
)
step = Step("long", "sleeps", (Command((sys.executable, "-S", "-c", sleeper, str(work))),), (work / "out",))
with termination.as_interrupt() as ended:
    try:
        make([step], Workshop(work, {}, print, lambda: ended.came))
    except KeyboardInterrupt:
        sys.exit(143 if ended.came else 130)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM")
def test_who_is_told_to_end_lets_the_command_clean_up(tools: Path, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tools), str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60.0
        while not (tmp_path / "begun").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60.0) == 143
    finally:
        process.kill()
    assert (tmp_path / "tidied").exists()
    stamp = json.loads((tmp_path / "steps" / "long.json").read_text())
    assert "made" not in stamp
