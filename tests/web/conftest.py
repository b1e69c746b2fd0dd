"""A served tiny model, with and without an index."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
from tiny_serving import HERE, noise, settings_of, wav, write_model

from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from fxlens.web.service import Service

if any(importlib.util.find_spec(module) is None for module in ("fastapi", "uvicorn", "python_multipart")):
    collect_ignore_glob = ["test_*.py"]  # the extra "web" is not installed


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("web_model") / "tiny")


@pytest.fixture(scope="session")
def encoder(model: Path) -> FxEncoder:
    return FxEncoder.from_pretrained(model)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, encoder: FxEncoder, model: Path) -> Path:
    """An index of four recordings, whole and for drums; one of them cannot be played by browsers."""
    root = tmp_path_factory.mktemp("web_library")
    (root / "songs").mkdir()
    for seed in range(4):
        path = root / "songs" / f"song {seed}.wav"
        path.write_bytes(wav(noise(3.0, seed)))
    soundfile.write(root / "songs" / "song 3.aiff", noise(3.0, 3), 8000)
    (root / "songs" / "song 3.wav").unlink()
    with FxIndex.create(root / "index", encoder, model=str(model)) as index:
        index.add(root / "songs", encoder, query="drums", tags={"genre": "noise"}, jobs=1)
    return root / "index"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, model: Path, library: Path) -> Iterator[TestClient]:
    """A server with an index, for this file's tests."""
    from fastapi.testclient import TestClient

    from fxlens.web.app import create_app

    settings = settings_of(tmp_path_factory.mktemp("web_uploads"), model, index=library)
    with TestClient(create_app(settings), base_url=HERE) as client:
        yield client


@pytest.fixture
def service(client: TestClient) -> Service:
    from fxlens.web.app import service_of

    return service_of(client.app)  # type: ignore[arg-type]
