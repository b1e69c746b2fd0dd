"""Matches as jobs: progress, result, cancelling, forgetting."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tiny_serving import HERE, RATE, noise, settings_of, wav

from fxlens.audio.loudness import integrated_loudness
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.web.app import create_app, service_of
from fxlens.web.match_job import JobTable, MatchJob, MatchRequest
from fxlens.web.recordings import Recording
from fxlens.web.service import Service

pytestmark = pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")
QUICK = {"chain": "eq,gain", "steps": "4", "restarts": "1", "seconds": "1"}
ENDLESS = {**QUICK, "steps": "2000", "restarts": "16"}


def files(seconds: float = 2.0) -> list[tuple[str, tuple[str, bytes]]]:
    return [("dry", ("dry.wav", wav(noise(seconds, 1)))), ("reference", ("ref.wav", wav(0.3 * noise(seconds, 3))))]


def ended(client: TestClient, id: str) -> dict[str, Any]:
    for _ in range(1200):
        facts = client.get(f"/v1/jobs/{id}").json()
        if facts["state"] in ("done", "failed", "cancelled"):
            return facts
        time.sleep(0.05)
    raise AssertionError(facts)


def test_a_match_ends_in_files(client: TestClient, service: Service) -> None:
    begun = client.post("/v1/match", files=files(), data=QUICK)
    assert begun.status_code == 202 and begun.headers["location"] == f"/v1/jobs/{begun.json()['id']}"
    facts = ended(client, begun.json()["id"])
    assert facts["state"] == "done" and facts["steps_done"] == facts["steps"] == 4 and facts["loss"] > 0.0
    result = facts["result"]
    got = {name: client.get(address) for name, address in result["files"].items()}
    assert {"match.wav", "preset.json", "report.json", "sheet.md", "pedalboard.py", "ffmpeg.txt"} <= set(got)
    assert all(answer.status_code == 200 for answer in got.values())
    chain = EffectChain.from_json(got["preset.json"].text)
    wet = chain.apply(noise(2.0, 1).T.astype(np.float32), RATE)
    matched, rate = soundfile.read(io.BytesIO(got["match.wav"].content))
    assert rate == RATE
    np.testing.assert_allclose(matched.T, wet, atol=2e-4)  # the upload was 16-bit
    assert [one["effect"] for one in result["effects"]] == ["equalizer", "gain"]
    job = service.job(facts["id"])
    assert not (job.folder / "uploads").exists()
    attached = client.get(result["files"]["preset.json"] + "?download=true").headers["content-disposition"]
    assert "attachment" in attached and "preset.json" in attached


def test_what_is_compared_by_ear_is_equally_loud(client: TestClient) -> None:
    sent = [*files(), ("reference", ("ref2.wav", wav(0.02 * noise(2.0, 2, channels=1))))]
    result = ended(client, client.post("/v1/match", files=sent, data=QUICK).json()["id"])["result"]
    heard = result["listening"]
    assert heard["files"] == ["before.wav", "after.wav", "reference.wav", "reference-2.wav"]
    for name in heard["files"]:
        audio, rate = soundfile.read(io.BytesIO(client.get(result["files"][name]).content))
        assert float(integrated_loudness(audio.T, rate)) == pytest.approx(heard["lufs"], abs=0.1)
        assert np.abs(audio).max() < 10.0 ** (-0.9 / 20.0)


def test_a_preset_is_a_first_guess_whose_locks_hold(client: TestClient) -> None:
    preset = EffectChain((Effect("gain", parameters={"gain_db": -4.5}), Effect("delay", parameters={"wet": 0.2})))
    sent = [*files(), ("preset", ("p.json", preset.to_json().encode()))]
    data = {**QUICK, "lock": "gain", "level": "-30"}
    del data["chain"]
    result = ended(client, client.post("/v1/match", files=sent, data=data).json()["id"])["result"]
    assert result["effects"][0]["settings"]["gain_db"] == pytest.approx(-4.5)
    assert result["figures"]["result_lufs"] == pytest.approx(-30.0, abs=0.1)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"chain": "flanger"}, "flanger"), ({"lock": "delay"}, "lock"), ({"amount": "2"}, "amount"),
        ({"steps": "100000"}, "2000"), ({"steps": "0"}, "steps"), ({"level": "loud"}, "level"),
        ({"method": "guess"}, "gradient"), ({"weight": ["1", "2"]}, "weight"),
    ],
)  # fmt: skip
def test_what_cannot_be_matched_is_told_at_once(client: TestClient, data: dict[str, Any], word: str) -> None:
    answer = client.post("/v1/match", files=files(), data={**QUICK, **data})
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["error"]["message"]


def test_a_match_that_fails_says_why_by_name(client: TestClient) -> None:
    sent = [("dry", ("leise.wav", wav(np.zeros((RATE, 2))))), files()[1]]
    facts = ended(client, client.post("/v1/match", files=sent, data=QUICK).json()["id"])
    assert facts["state"] == "failed" and facts["error"]["type"] == "AudioSilentError"
    assert facts["error"]["message"].startswith("leise.wav")
    answer = client.get(f"/v1/jobs/{facts['id']}/files/match.wav")
    assert answer.status_code == 409


def test_a_match_can_be_cancelled_and_is_gone(client: TestClient, service: Service) -> None:
    id = client.post("/v1/match", files=files(), data=ENDLESS).json()["id"]
    job = service.job(id)
    while job.done < 1:
        time.sleep(0.02)
    assert client.get(f"/v1/jobs/{id}/files/match.wav").status_code == 409
    assert client.delete(f"/v1/jobs/{id}").status_code == 204
    assert client.get(f"/v1/jobs/{id}").status_code == 404
    for _ in range(400):
        if job.state == "cancelled":
            break
        time.sleep(0.05)
    assert job.state == "cancelled" and not job.folder.exists()
    assert client.delete(f"/v1/jobs/{id}").status_code == 404


def test_the_queue_is_bounded_and_short_requests_pass_matches(tmp_path: Path, model: Path) -> None:
    settings = settings_of(tmp_path, model, jobs=1, waiting=1)
    with TestClient(create_app(settings), base_url=HERE) as client:
        ids = [client.post("/v1/match", files=files(), data=ENDLESS).json()["id"] for _ in range(2)]
        refused = client.post("/v1/match", files=files(), data=ENDLESS)
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["type"] == "BusyError"
        second = client.get(f"/v1/jobs/{ids[1]}").json()
        assert second["state"] == "waiting"
        assert client.post("/v1/embed", files={"file": ("a.wav", wav(noise(1.0)))}).status_code == 200
        for id in reversed(ids):
            assert client.delete(f"/v1/jobs/{id}").status_code == 204
        folder = service_of(client.app).storage.folder  # type: ignore[arg-type]
    assert not folder.exists()  # the end of the application is the end of its files


def test_old_jobs_are_forgotten(tmp_path: Path) -> None:
    now = [0.0]
    table = JobTable(60.0, clock=lambda: now[0])
    one = Recording(tmp_path / "a.wav", "a.wav", 1.0, RATE, 2)
    (tmp_path / "job" / "result").mkdir(parents=True)
    job = MatchJob(MatchRequest(one, [one]), tmp_path / "job")
    table.add(job)
    job.state, job.ended_at = "done", 10.0
    now[0] = 69.0
    assert table.get(job.id) is job
    now[0] = 71.0
    assert table.get(job.id) is None and not job.folder.exists()
