"""The page without a browser: it is served whole, from here, and takes no file that was not dropped on it."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tiny_serving import HERE, settings_of

pytest.importorskip("gradio", reason="pip install 'fxlens[web]'")

import gradio as gr

from fxlens.errors import UsageError
from fxlens.web.app import create_app, service_of
from fxlens.web.page import controls, mounting
from fxlens.web.page.dropped_files import only_dropped
from fxlens.web.page.visits import Visits
from fxlens.web.service import Service

# Gradio makes event loops that it does not close.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def page_client(tmp_path_factory: pytest.TempPathFactory, model: Path, library: Path) -> Iterator[TestClient]:
    settings = settings_of(tmp_path_factory.mktemp("page_uploads"), model, index=library, page=True)
    with TestClient(create_app(settings), base_url=HERE) as client:
        yield client
    gc.collect()  # here, where what it complains about is expected


@pytest.fixture
def page_service(page_client: TestClient) -> Service:
    return service_of(page_client.app)  # type: ignore[arg-type]


def test_the_page_loads_nothing_from_elsewhere(page_client: TestClient) -> None:
    assert page_client.get("/", follow_redirects=False).headers["location"] == "/page/"
    html = page_client.get("/page/").text
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']([^\"']+)", html)
    assert loaded and not [url for url in loaded if url.startswith(("http:", "https:", "//"))]
    theme = page_client.get("/page/theme.css").text
    assert "@import" not in theme and "http" not in re.sub(r"http://www\.w3\.org\S*", "", theme)
    config = page_client.get("/page/config").json()
    assert config["analytics_enabled"] is False
    for tab in ("Describe", "Compare", "Search", "Match"):
        assert any(part["props"].get("label") == tab for part in config["components"])


@pytest.mark.parametrize(
    "path", ["file=http://example.org/a.wav", "file=HTTPS://example.org/a", "proxy=https://x.hf.space"]
)
def test_nothing_is_fetched_for_visitors(page_client: TestClient, path: str) -> None:
    assert page_client.get(f"/page/gradio_api/{path}").status_code == 403


def test_uploads_are_limited_and_lie_in_the_servers_folder(page_client: TestClient, page_service: Service) -> None:
    kept = page_client.post("/page/gradio_api/upload", files={"files": ("a.wav", bytes(1000))})
    assert kept.status_code == 200
    path = Path(kept.json()[0])
    assert page_service.storage.page in path.parents and path.read_bytes() == bytes(1000)
    refused = page_client.post("/page/gradio_api/upload", files={"files": ("b.wav", bytes(2_000_001))})
    assert refused.status_code == 413
    assert page_service.storage.sweep_page(-1.0) >= 1 and not path.exists()


def test_uploads_are_refused_when_too_much_lies_there(
    page_client: TestClient, page_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_service.storage, "most_bytes", -1)
    answer = page_client.post("/page/gradio_api/upload", files={"files": ("a.wav", bytes(10))})
    assert answer.status_code == 507 and answer.json()["error"]["type"] == "OutputError"


def test_calls_of_the_page_are_short(page_client: TestClient) -> None:
    for body in (b"x" * 1_000_001, iter([b"{", b"}"])):  # the second is sent in chunks, without a length
        answer = page_client.post("/page/gradio_api/queue/join", content=body)
        assert answer.status_code == 413 and answer.json()["error"]["type"] == "TooLargeError"
    assert page_client.post("/page/gradio_api/queue/join", content=b"{}").status_code == 422


def test_visitors_cannot_name_other_files(page_service: Service, tmp_path: Path) -> None:
    from gradio.processing_utils import async_move_files_to_cache

    page = mounting.built(page_service, Visits(page_service.jobs, page_service.storage.page))
    only_dropped(page, page_service.storage.page)
    secret, dropped = tmp_path / "secret.wav", page_service.storage.page / "dropped.wav"
    secret.touch()
    dropped.touch()

    def take(path: str) -> str:
        data = {"path": path, "meta": {"_type": "gradio.FileData"}}
        audio = next(block for block in page.blocks.values() if isinstance(block, gr.Audio))
        return asyncio.run(async_move_files_to_cache(data, audio, check_in_upload_folder=True))["path"]

    assert take(str(dropped)) == str(dropped.resolve())
    for path in (str(secret), "http://example.org/a.wav", f"{page_service.storage.page}/../lock", "/etc/hostname"):
        with pytest.raises(UsageError, match="dropped on this page"):
            take(path)


def test_page_functions_are_no_interface(page_client: TestClient) -> None:
    assert page_client.get("/page/gradio_api/info").json()["named_endpoints"] == {}


def test_instruments_are_read_as_meant() -> None:
    assert controls.queries_of(["whole mix", "vocals"], "Rhodes, vocals,, ") == [None, "vocals", "Rhodes"]
    assert controls.queries_of(None, None) == []
    assert [controls.query_of(text) for text in ("whole mix", None, " ", "drums ")] == [None, None, None, "drums"]
