"""The interface answers what the library answers."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tiny_serving import RATE, noise, wav

from fxlens.describing.head_files import load_heads
from fxlens.describing.reading import describe_each
from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder
from fxlens.web.service import Service

pytestmark = pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")


def send(name: str = "mix.wav", seconds: float = 2.0, seed: int = 1) -> tuple[str, bytes]:
    return name, wav(noise(seconds, seed))


def test_embeddings_are_those_of_the_library(client: TestClient, encoder: FxEncoder, tmp_path: Path) -> None:
    files = [("file", send(seed=1)), ("file", send("andere Datei – ü.wav", 3.0, 2))]
    answer = client.post("/v1/embed", files=files, data={"query": ["drums", "vocals"]}).json()
    assert answer["model"] == encoder.model_id and answer["dim"] == 8
    for (_, (name, data)), row in zip(files, answer["recordings"], strict=True):
        path = tmp_path / "x.wav"
        path.write_bytes(data)
        expected = encoder.encode(path, query=["drums", "vocals"])
        assert row["name"] == name
        assert [one["query"] for one in row["embeddings"]] == ["drums", "vocals"]
        np.testing.assert_allclose([one["vector"] for one in row["embeddings"]], expected, atol=1e-6)


def test_windows_come_with_their_times(client: TestClient) -> None:
    data = {"pool": "none", "hop_seconds": "0.5"}
    row = client.post("/v1/embed", files={"file": send(seconds=2.0)}, data=data).json()["recordings"][0]
    assert row["times"] == [[0.0, 1.0], [0.5, 1.5], [1.0, 2.0]]
    vectors = np.array(row["embeddings"][0]["vectors"])
    assert vectors.shape == (3, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_query_audio_is_used(client: TestClient, encoder: FxEncoder, tmp_path: Path) -> None:
    files = {"file": send(), "query_audio": send("drum.wav", 1.0, 2)}
    answer = client.post("/v1/embed", files=files).json()
    (tmp_path / "a.wav").write_bytes(files["file"][1])
    (tmp_path / "q.wav").write_bytes(files["query_audio"][1])
    expected = encoder.encode(tmp_path / "a.wav", query_audio=tmp_path / "q.wav")
    np.testing.assert_allclose(answer["recordings"][0]["embeddings"][0]["vector"], expected, atol=1e-6)
    assert answer["query_audio"] == "drum.wav"


def test_descriptions_are_those_of_the_library(
    client: TestClient, encoder: FxEncoder, model: Path, tmp_path: Path
) -> None:
    answer = client.post("/v1/describe", files={"file": send()}, data={"query": ["mix", "drums"]}).json()
    (tmp_path / "a.wav").write_bytes(send()[1])
    heads = load_heads(model, encoder.model_id)
    expected = describe_each(tmp_path / "a.wav", encoder, [None, "drums"], heads=heads)
    for told, one in zip(answer["descriptions"], expected, strict=True):
        assert told == {**one.as_dict(), "source": "mix.wav"}


def test_search_finds_the_same_as_the_index(
    client: TestClient, encoder: FxEncoder, library: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(send(seed=2)[1])
    with FxIndex.open(library) as index:
        expected = index.search(tmp_path / "a.wav", encoder, k=4)
    answer = client.post("/v1/search", files={"file": send(seed=2)}, data={"k": "4"}).json()
    assert [hit["path"] for hit in answer["hits"]] == [hit.path for hit in expected]
    np.testing.assert_allclose([h["similarity"] for h in answer["hits"]], [h.similarity for h in expected], atol=1e-5)
    assert answer["hits"][0]["song"].startswith("song 2")


def test_search_takes_moments_weights_and_conditions(client: TestClient, library: Path) -> None:
    files = [("file", send(seed=0)), ("file", send(seed=3))]
    data = {"query": "drums", "at": ["", "0:01"], "weight": ["1", "-0.5"], "where": ["genre=noise", "path=*song [01]*"]}
    answer = client.post("/v1/search", files=files, data=data).json()
    assert {hit["song"] for hit in answer["hits"]} == {"song 0", "song 1"}
    assert all(moment["query"] == "drums" for hit in answer["hits"] for moment in hit["moments"])
    nothing = client.post("/v1/search", files=files, data={"where": "genre=jazz"}).json()
    assert nothing["hits"] == []


def test_hits_can_be_heard_and_nothing_else(client: TestClient, library: Path) -> None:
    hits = client.post("/v1/search", files={"file": send(seed=3)}, data={"k": "4"}).json()["hits"]
    aiff = next(hit for hit in hits if hit["path"].endswith(".aiff"))
    whole = client.get(aiff["audio"])
    assert whole.content == Path(aiff["path"]).read_bytes()
    part = client.get(aiff["audio"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole.content[10:20]
    audio, rate = soundfile.read(io.BytesIO(client.get(aiff["audio"] + "?start=1&seconds=0.5").content))
    original, _ = soundfile.read(aiff["path"])
    assert rate == RATE
    np.testing.assert_allclose(audio, original[RATE : RATE + RATE // 2], atol=2.0**-15)
    token = aiff["audio"].rpartition("/")[2]
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), "L2V0Yy9wYXNzd2Q." + "0" * 32, "x", "é"):
        assert client.get(f"/v1/recordings/{wrong}").status_code == 404


def test_two_users_at_once_are_answered_for_themselves(client: TestClient, encoder: FxEncoder, tmp_path: Path) -> None:
    answers: dict[int, list[float]] = {}

    def ask(seed: int) -> None:
        row = client.post("/v1/embed", files={"file": send(seed=seed)}).json()["recordings"][0]
        answers[seed] = row["embeddings"][0]["vector"]

    users = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    for seed in range(4):
        (tmp_path / "x.wav").write_bytes(send(seed=seed)[1])
        np.testing.assert_allclose(answers[seed], encoder.encode(tmp_path / "x.wav"), atol=1e-6)


def test_health_tells_model_index_and_limits(client: TestClient, encoder: FxEncoder) -> None:
    facts = client.get("/v1/health").json()
    assert facts["model"] == encoder.model_id and facts["index"]["recordings"] == 4
    assert facts["limits"] == {"max_upload_mb": 2.0, "max_minutes": 1.0, "max_files": 8}


def test_docs_are_complete_and_ask_nobody(client: TestClient) -> None:
    page = client.get("/docs").text
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        assert path in page
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
            assert all(f"<code>{field}</code>" in page for field in body.get("properties", {}))
    assert "<script" not in page and "https://" not in page and "//cdn" not in page
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"


def test_nothing_is_left_behind(client: TestClient, service: Service) -> None:
    client.post("/v1/embed", files={"file": send()})
    client.post("/v1/embed", files={"file": ("a.wav", b"no audio")})
    client.post("/v1/search", files={"file": send()}, data={"k": "zero"})
    left = [path for path in service.storage.folder.rglob("*") if path.is_file() and path.name != "lock"]
    assert left == []
