"""What cannot be used is told: by a status, a name, a message with the sender's file name, and a next step."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tiny_serving import HERE, RATE, noise, settings_of, wav

from fxlens.models.fx_encoder import FxEncoder
from fxlens.web import receiving
from fxlens.web.app import create_app
from fxlens.web.service import Service


def with_nan() -> bytes:
    audio = noise(1.0)
    audio[100] = np.nan
    return wav(audio, subtype="FLOAT")


BAD: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 422, "AudioEmptyError"),
    "no samples": (wav(np.zeros((0, 2))), 422, "AudioEmptyError"),
    "silent": (wav(np.zeros((RATE, 2))), 422, "AudioSilentError"),
    "NaN": (with_nan(), 422, "AudioNotFiniteError"),
    "text named wav": (b"hello, this is no recording at all\n" * 20, 415, "AudioDecodeError"),
    "truncated": (wav(noise(2.0))[:9000], 415, "AudioDecodeError"),
    "six channels": (wav(noise(0.5, channels=6)), 422, "AudioChannelsError"),
    "too long": (wav(noise(61.0, channels=1)), 413, "TooLongError"),
    "too large": (wav(noise(70.0)), 413, "TooLargeError"),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
@pytest.mark.parametrize("address", ["/v1/embed", "/v1/describe", "/v1/search"])
def test_bad_recordings_are_refused(client: TestClient, service: Service, address: str, case: str) -> None:
    data, status, name = BAD[case]
    answer = client.post(address, files={"file": ("Mein Stück.wav", data)})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, name), error
    assert "Mein Stück.wav" in error["message"] and len(error["next_step"]) > 5
    assert str(service.storage.folder) not in answer.text
    assert not list(service.storage.folder.glob("request-*"))


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")
def test_any_rate_and_mono_are_taken(client: TestClient, rate: int, channels: int) -> None:
    answer = client.post("/v1/embed", files={"file": ("a.wav", wav(noise(1.2, rate=rate, channels=channels), rate))})
    row = answer.json()["recordings"][0]
    assert row["sample_rate"] == rate and row["channels"] == channels
    assert any("mono" in note for note in row["notes"]) == (channels == 1)
    assert any("kHz" in note for note in row["notes"]) == (rate == 8000)


def test_one_sample_is_answered_not_crashed(client: TestClient) -> None:
    answer = client.post("/v1/embed", files={"file": ("one.wav", wav(np.full((1, 2), 0.5)))})
    assert answer.status_code in (200, 422), answer.text


FORMS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no file": ({"data": {"pool": "mean"}, "files": {"query_audio": ("q.wav", wav(noise(1.0)))}}, 422, "file"),
    "empty file name": ({"files": {"file": ("", wav(noise(1.0)))}}, 422, "file"),
    "unknown field": ({"files": {"file": ("a.wav", wav(noise(1.0))), "fle": ("b.wav", b"x")}}, 422, "fle"),
    "no such pool": ({"files": {"file": ("a.wav", wav(noise(1.0)))}, "data": {"pool": "max"}}, 422, "pool"),
    "no number": ({"files": {"file": ("a.wav", wav(noise(1.0)))}, "data": {"hop_seconds": "x"}}, 422, "hop_seconds"),
    "negative hop": ({"files": {"file": ("a.wav", wav(noise(1.0)))}, "data": {"hop_seconds": "-1"}}, 422, "hop"),
    "text as file": ({"files": {"file": ("a.wav", wav(noise(1.0))), "pool": ("p.txt", b"mean")}}, 422, "pool"),
    "two query audios": (
        {"files": [("file", ("a.wav", b"x")), ("query_audio", ("a", b"x")), ("query_audio", ("b", b"x"))]},
        422, "query_audio",
    ),
    "too many files": ({"files": [("file", ("a.wav", b"x"))] * 9}, 413, "8 files"),
    "no form": ({"json": {"file": "a.wav"}}, 415, "multipart/form-data"),
    "a long text": ({"files": {"file": ("a.wav", b"x")}, "data": {"query": "x" * 200_000}}, 413, "100 kB"),
    "broken off": (
        {"content": b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nxx",
         "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "breaks off",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case.replace(" ", "-"))
def test_bad_forms_are_refused(client: TestClient, service: Service, case: str) -> None:
    sent, status, word = FORMS[case]
    answer = client.post("/v1/embed", **sent)
    error = answer.json()["error"]
    assert answer.status_code == status, error
    assert word in error["message"] + error["next_step"] and error["type"]
    assert not list(service.storage.folder.glob("request-*"))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"weight": ["1", "2"]}, "weight"), ({"at": "soon"}, "soon"), ({"at": "9:00"}, "540"), ({"k": "0"}, "k"),
        ({"query": "theremin"}, "theremin"), ({"where": "jazz"}, "key=value"), ({"weight": "0"}, "weight"),
    ],
)  # fmt: skip
def test_bad_searches_are_refused(client: TestClient, data: dict[str, Any], word: str) -> None:
    answer = client.post("/v1/search", files={"file": ("a.wav", wav(noise(1.5)))}, data=data)
    assert answer.status_code == 422 and word in answer.json()["error"]["message"]


def test_unknown_addresses_and_methods_have_the_same_shape(client: TestClient) -> None:
    for answer, status in ((client.get("/v1/nothing"), 404), (client.get("/v1/embed"), 405)):
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"type", "message", "next_step"}
    bad = client.get("/v1/recordings/x?start=-1")
    assert bad.status_code == 422 and "start" in bad.json()["error"]["message"]


def test_a_full_disk_is_told(client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, path: Path) -> None:
            path.touch()

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    real = Path.open
    monkeypatch.setattr(
        receiving.Path,
        "open",
        lambda self, mode="r", *a, **k: Full(self) if mode == "wb" else real(self, mode, *a, **k),
    )
    answer = client.post("/v1/embed", files={"file": ("a.wav", wav(noise(1.0)))})
    assert answer.status_code == 507 and "No space left" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"]
    assert not list(service.storage.folder.glob("request-*"))


def test_what_the_server_was_not_started_with_is_told(tmp_path: Path, model: Path, encoder: FxEncoder) -> None:
    bare = tmp_path / "bare"
    encoder.save_pretrained(bare)  # no heads
    settings = settings_of(tmp_path / "up", bare)
    with TestClient(create_app(settings), base_url=HERE) as client:
        searched = client.post("/v1/search", files={"file": ("a.wav", wav(noise(1.0)))})
        assert searched.status_code == 503 and "--index" in searched.json()["error"]["next_step"]
        described = client.post("/v1/describe", files={"file": ("a.wav", wav(noise(1.0)))})
        assert described.status_code == 503 and described.json()["error"]["type"] == "ModelUnavailableError"
        assert "train-describe" in described.json()["error"]["next_step"]


def test_unforeseen_failures_tell_nothing_of_the_inside(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, model)
    with TestClient(create_app(settings), base_url=HERE, raise_server_exceptions=False) as client:
        monkeypatch.setattr(FxEncoder, "encode", lambda *a, **k: 1 / 0)
        answer = client.post("/v1/embed", files={"file": ("a.wav", wav(noise(1.0)))})
        assert answer.status_code == 500 and answer.json()["error"]["type"] == "InternalError"
        assert "ZeroDivision" not in answer.text
