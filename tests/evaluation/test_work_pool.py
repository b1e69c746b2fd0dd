from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fxlens.errors import DataError, FxLensError
from fxlens.evaluation.benchmark.work_pool import run_units
from fxlens.whole_files import whole_file


def leave_a_file(unit: tuple[Path, int]) -> None:
    folder, number = unit
    (folder / f"{number}.txt").write_text(str(torch.get_num_threads()))


def fail(unit: int) -> None:
    if unit == 1:
        raise DataError("unit 1 is broken")


def die(unit: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_slowly(path: Path) -> None:
    with whole_file(path) as beside:
        beside.write_text("half")
        time.sleep(60)


def test_every_unit_is_done_once_with_one_thread(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    run_units(leave_a_file, [(tmp_path, k) for k in range(5)], 1, lambda done, total: calls.append((done, total)))
    assert [p.read_text() for p in sorted(tmp_path.iterdir())] == ["1"] * 5
    assert calls == [(k, 5) for k in range(1, 6)]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_first_failure_is_raised(jobs: int) -> None:
    with pytest.raises(DataError, match="unit 1 is broken"):
        run_units(fail, [0, 1, 2], jobs)


@pytest.mark.slow
def test_a_process_that_dies_is_told_plainly() -> None:
    with pytest.raises(FxLensError, match="fewer --jobs"):
        run_units(die, [0, 1], 2)


_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_work_pool import write_slowly
from fxlens.evaluation.benchmark.work_pool import run_units
if __name__ == "__main__":
    try:
        run_units(write_slowly, [Path(sys.argv[1]) / "a", Path(sys.argv[1]) / "b"], 2)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_an_interruption_leaves_no_process_and_ctrl_c_no_file(tmp_path: Path, kind: signal.Signals) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "out"
    script.write_text(_SCRIPT)
    folder.mkdir()
    process = subprocess.Popen([sys.executable, str(script), str(folder), str(Path(__file__).parent)])
    deadline = time.monotonic() + 120
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    started = time.monotonic()
    children = _children(process.pid)
    assert len(children) >= 2
    process.send_signal(kind)
    assert process.wait(60) in (130, -kind)
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < started + 40:
        time.sleep(0.2)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    if kind == signal.SIGINT:
        assert list(folder.iterdir()) == []


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
