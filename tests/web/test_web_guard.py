"""Other web sites in the same browser cannot use the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tiny_serving import HERE, noise, settings_of, wav

from fxlens.web.app import create_app


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::1", ""])
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    answer = client.get("/v1/health", headers={"host": host})
    assert answer.status_code == 403 and answer.json()["error"]["type"] == "ForeignRequestError"


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860"])
def test_own_names_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/v1/health", headers={"host": host}).status_code == 200


def test_pages_of_other_origins_are_refused(client: TestClient) -> None:
    file = {"file": ("a.wav", wav(noise(1.0)))}
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        assert client.post("/v1/embed", files=file, headers={"origin": origin}).status_code == 403
    assert client.post("/v1/embed", files=file, headers={"origin": HERE}).status_code == 200
    image = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/v1/health", headers=image).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/docs", headers=link).status_code == 200


def test_every_answer_forbids_outside_requests(client: TestClient) -> None:
    for address in ("/docs", "/v1/health", "/v1/nothing"):
        policy = client.get(address).headers["content-security-policy"]
        assert "default-src 'self'" in policy and "http" not in policy
    assert client.get("/v1/health").headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in client.get("/v1/health", headers={"origin": HERE}).headers


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"host": "0.0.0.0"}, {"anything.example": 200}),
        ({"host": "0.0.0.0", "allow_hosts": ("studio.lan",)}, {"studio.lan": 200, "evil.example": 403}),
        ({"host": "localhost"}, {"localhost": 200, "evil.example": 403}),
    ],
)
def test_beyond_this_machine_names_are_as_told(
    tmp_path: Path, model: Path, changes: dict, names: dict[str, int]
) -> None:
    with TestClient(create_app(settings_of(tmp_path, model, **changes)), base_url=HERE) as client:
        for name, status in names.items():
            assert client.get("/v1/health", headers={"host": name}).status_code == status
