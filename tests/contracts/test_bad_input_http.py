"""Bad recordings over HTTP: a 4xx in JSON that names the sender's file and the next step, and no upload left behind."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from bad_input_cases import BAD, CASES, RATE, Case, noise, told, write
from tiny_serving import HERE, settings_of, write_model

from fxlens.errors import AudioDecodeError, AudioSilentError
from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "python_multipart")),
    reason="pip install 'fxlens[web]'",
)
QUICK = {"chain": "eq,gain", "steps": "1", "restarts": "1", "seconds": "0.5"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    from fastapi.testclient import TestClient

    from fxlens.web.app import create_app

    root = tmp_path_factory.mktemp("bad_http")
    model = write_model(root / "tiny")
    encoder = FxEncoder.from_pretrained(model)
    write(root / "reference.wav", noise(2.0, seed=7))
    with FxIndex.create(root / "index", encoder, model=str(model)) as index:
        index.add(root / "reference.wav", encoder)
    settings = settings_of(root / "uploads", model, index=root / "index", waiting=40)
    with TestClient(create_app(settings), base_url=HERE) as client:
        yield client


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("bad_http_reference") / "reference.wav", noise(2.0, seed=7)).read_bytes()


def uploads(client: TestClient) -> list[Path]:
    from fxlens.web.app import service_of

    return list(service_of(client.app).storage.folder.glob("request-*"))  # type: ignore[arg-type]


def sent(door: str, file: Path, reference: bytes) -> dict[str, Any]:
    """The form of a request; a file that is not there is a form without one."""
    there = [(file.name, file.read_bytes())] if file.exists() else []
    if not door.startswith("match"):
        return {
            "files": [*(("file", one) for one in there), *([] if there else [("query_audio", ("q.wav", reference))])]
        }
    this, other = ("dry", "reference") if door == "match dry" else ("reference", "dry")
    return {"files": [*((this, one) for one in there), (other, ("reference.wav", reference))], "data": QUICK}


def ended(client: TestClient, id: str) -> dict[str, Any]:
    until = time.monotonic() + 120.0
    while time.monotonic() < until:
        facts: dict[str, Any] = client.get(f"/v1/jobs/{id}").json()
        if facts["state"] in ("done", "failed", "cancelled"):
            return facts
        time.sleep(0.02)
    raise AssertionError("the match does not end")


def numbers(told: Any) -> list[float]:
    """All numbers in an answer."""
    if isinstance(told, dict):
        return [number for value in told.values() for number in numbers(value)]
    if isinstance(told, list):
        return [number for value in told for number in numbers(value)]
    return [float(told)] if isinstance(told, int | float) and not isinstance(told, bool) else []


DOORS = ("embed", "search", "describe", "match dry", "match reference")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.replace(" ", "-"))
@pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")
def test_every_recording_at_every_address(
    client: TestClient, reference: bytes, door: str, case: Case, tmp_path: Path
) -> None:
    file = case.make(tmp_path)
    answer = client.post(f"/v1/{door.split()[0]}", **sent(door, file, reference))
    facts = answer.json()
    if answer.status_code == 202:
        job = ended(client, facts["id"])
        error = job["error"] if job["state"] == "failed" else None
        status = 422 if error else 200
        client.delete(f"/v1/jobs/{facts['id']}")
    else:
        error, status, job = facts.get("error"), answer.status_code, facts
    assert not uploads(client)
    if case.error is None and not (error and case.doubtful):
        assert status == 200, facts
        assert all(math.isfinite(number) for number in numbers(job))
        return
    assert error is not None and set(error) == {"type", "message", "next_step"}
    if not file.exists():  # an upload that is not there is a field that is missing
        assert status == 422 and "file" in error["message"] + error["next_step"]
        return
    if case.error is not None:
        assert error["type"] == case.error.__name__
        assert status == (415 if case.error is AudioDecodeError else 422)
        told(f"{error['message']}; {error['next_step']}", file, case)
    assert len(error["next_step"]) > 5 and error["message"].startswith(file.name)
    assert str(tmp_path) not in answer.text


def test_a_bad_file_among_good_ones_is_the_one_that_is_named(
    client: TestClient, reference: bytes, tmp_path: Path
) -> None:
    for case in BAD:
        file = case.make(tmp_path)
        if file.exists():
            files = [("file", ("good.wav", reference)), ("file", (file.name, file.read_bytes()))]
            error = client.post("/v1/embed", files=files).json()["error"]
            assert error["message"].startswith(file.name), error


def test_three_hours_are_refused_by_their_header(client: TestClient, tmp_path: Path) -> None:
    """A small file (FLAC of one value) that lasts three hours is refused before it is decoded."""
    path = tmp_path / "three hours.flac"
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for _ in range(180):
            file.write(np.full(60 * RATE, 0.25))
    assert path.stat().st_size < 2e6
    for door in DOORS:
        began = time.monotonic()
        answer = client.post(f"/v1/{door.split()[0]}", **sent(door, path, path.read_bytes()))
        error = answer.json()["error"]
        assert answer.status_code == 413 and error["type"] == "TooLongError", error
        assert "180.0 minutes" in error["message"] and "--max-minutes" in error["next_step"]
        assert time.monotonic() - began < 5.0
    assert not uploads(client)


def test_silence_is_an_error_of_the_job_not_of_the_server(client: TestClient, reference: bytes, tmp_path: Path) -> None:
    silent = write(tmp_path / "leise.wav", np.zeros((RATE, 2)))
    begun = client.post("/v1/match", **sent("match dry", silent, reference))
    assert ended(client, begun.json()["id"])["error"]["type"] == AudioSilentError.__name__
    assert client.get("/v1/health").status_code == 200
