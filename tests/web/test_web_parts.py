"""The parts of a server, each alone: storage, workers, settings, library, listening, moments."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_serving import RATE, noise

from fxlens.audio.loudness import integrated_loudness
from fxlens.errors import FxLensError, MissingExtraError, OutputError, UsageError
from fxlens.index.conditions import moment_seconds, moment_text
from fxlens.web import extra
from fxlens.web.listening import LOUDEST_LUFS, equally_loud
from fxlens.web.refusals import BusyError, body_of, status_of
from fxlens.web.server import address_of, listening_socket
from fxlens.web.settings import ServeSettings
from fxlens.web.storage import Storage
from fxlens.web.workers import Workers

LEAVE = """
import os, sys
from pathlib import Path
from fxlens.web.storage import Storage
storage = Storage(Path(sys.argv[1]), 10**6)
(storage.new_folder() / "upload.wav").write_bytes(b"secret")
print(storage.folder, flush=True)
os.kill(os.getpid(), 9)
"""


def test_left_overs_of_killed_servers_are_removed_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", LEAVE, str(tmp_path)], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert killed.returncode == -9 and list(left.rglob("upload.wav"))
    first = Storage(tmp_path, 10**6)
    assert first.removed == 1 and not left.exists()
    second = Storage(tmp_path, 10**6)
    assert second.removed == 0 and first.folder.is_dir()
    assert first.folder.stat().st_mode & 0o077 == 0
    for storage in (first, second):
        storage.close()
        assert not storage.folder.exists()


def test_storage_is_bounded_and_the_page_is_swept(tmp_path: Path) -> None:
    storage = Storage(tmp_path, most_bytes=1000)
    (storage.new_folder() / "a").write_bytes(b"x" * 1001)
    with pytest.raises(OutputError, match="as many uploads as it may"):
        storage.new_folder()
    old, new = storage.page / "deep" / "old.wav", storage.page / "new.wav"
    old.parent.mkdir()
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 100.0,) * 2)
    assert storage.sweep_page(50.0) == 1 and new.exists() and not old.exists()
    storage.close()


def test_workers_refuse_what_is_too_much_and_go_on_after_failures() -> None:
    workers = Workers(1, 1, "test")
    hold = threading.Event()
    first, second = workers.submit(hold.wait), workers.submit(lambda: 1 / 0)
    with pytest.raises(BusyError):
        workers.submit(lambda: None)
    hold.set()
    assert first.result() is True
    assert isinstance(second.exception(), ZeroDivisionError)
    for _ in range(100):
        if workers.held == 0:
            break
        time.sleep(0.01)
    assert workers.submit(lambda: 7).result() == 7
    workers.close()
    with pytest.raises(BusyError, match="stopping"):
        workers.submit(lambda: None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 70_000), ("jobs", 0), ("max_minutes", 0.0), ("max_upload_mb", float("nan")), ("waiting", -1)],
)
def test_settings_that_allow_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        ServeSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)])
def test_loopback_is_known(host: str, own: bool) -> None:
    assert ServeSettings(host=host).on_this_machine_only is own
    assert ServeSettings(host="studio.lan").on_this_machine_only is False


def test_a_taken_port_is_told() -> None:
    with listening_socket("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert address_of(bound) == f"http://127.0.0.1:{port}/"
        with pytest.raises(UsageError, match=f"port {port} .* is taken; .*--port"):
            listening_socket("127.0.0.1", port)
    with pytest.raises(UsageError, match="no such address"):
        listening_socket("no.such.host.invalid", 7860)


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = extra.importlib.util.find_spec
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda m: None if m == "gradio" else real(m))
    extra.require_extra(page=False)
    with pytest.raises(MissingExtraError, match=r"--no-page.*pip install 'fxlens\[web\]'"):
        extra.require_extra(page=True)


def test_copies_to_compare_are_equally_loud_and_unclipped(tmp_path: Path) -> None:
    spiky = 0.01 * noise(2.0, 1)
    spiky[1000] = 0.9
    sources = {"quiet": 0.01 * noise(2.0, 1), "loud": np.clip(9.0 * noise(2.0, 2), -1, 1), "mono": noise(2.0)[:, :1]}
    paths = {}
    for name, audio in {**sources, "spiky": spiky, "silent": np.zeros((RATE, 2))}.items():
        paths[name] = tmp_path / f"in-{name}.wav"
        soundfile.write(paths[name], audio, RATE, subtype="FLOAT")
    heard = equally_loud(paths, tmp_path)
    assert heard.lufs < LOUDEST_LUFS  # the spike would not allow more
    for name, path in heard.files.items():
        audio, _ = soundfile.read(path)
        assert audio.shape[1] == 2 and np.abs(audio).max() <= 10.0 ** (-0.99 / 20.0)
        if name != "silent":
            assert float(integrated_loudness(audio.T, RATE)) == pytest.approx(heard.lufs, abs=0.1)


def test_moments_are_read_and_written() -> None:
    assert [moment_seconds(t) for t in ("72", "1:12", " 1:00:00.5 ")] == [72.0, 72.0, 3600.5]
    assert [moment_text(s) for s in (0.0, 72.9, 3725.0)] == ["0:00", "1:12", "1:02:05"]
    for wrong in ("soon", "1:2:3:4", "-5", "", "1e3"):
        with pytest.raises(UsageError):
            moment_seconds(wrong)


def test_every_error_has_a_status_and_a_next_step() -> None:
    assert status_of(FxLensError("x")) == 500
    told = body_of(UsageError("k must be 1; give 1"))["error"]
    assert told == {"type": "UsageError", "message": "k must be 1", "next_step": "give 1"}
    assert body_of(UsageError("k must be 1"))["error"]["next_step"]
    assert status_of(MissingExtraError("X", "web")) == 503
