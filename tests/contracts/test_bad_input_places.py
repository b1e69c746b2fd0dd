"""Outputs that cannot be written, at every door: said in one line, and what was there before stays as it was."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_input_cases import left, noise, write
from bad_places import full_disk, open_folder, read_only
from tiny_serving import HERE, settings_of, write_model

from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.streaming_file import render_file
from fxlens.embedding.collect import collect
from fxlens.embedding.job import embed_files
from fxlens.errors import OutputError
from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder

CHAIN = EffectChain((Effect("delay", parameters={"wet": 0.3}),))
QUICK = ["--steps", "1", "--restarts", "1", "--seconds", "0.5", "--chain", "eq,gain"]


class Place:
    """A model, songs and an index in a folder that every user may read, and a folder for what is made."""

    def __init__(self, root: Path) -> None:
        self.root, self.out, self.library = root, root / "out", root / "library"
        self.model, self.songs, self.preset = write_model(root / "tiny"), root / "songs", root / "preset.json"
        self.songs.mkdir()
        for number in range(3):
            write(self.songs / f"{number}.wav", noise(2.0 + number, seed=number))
        CHAIN.save(self.preset)
        self.encoder = FxEncoder.from_pretrained(self.model)
        with FxIndex.create(self.library, self.encoder, model=str(self.model)) as index:
            index.add(self.songs / "0.wav", self.encoder)
        self.out.mkdir()


@pytest.fixture(scope="module")
def made() -> Iterator[Place]:
    with open_folder() as root:
        yield Place(root)


@pytest.fixture
def place(made: Place) -> Iterator[Place]:
    """With an empty ``out``, and the index as it was."""
    yield made
    clear(made.out)


def clear(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def embed(p: Place) -> list[object]:
    return ["embed", p.songs, "-o", p.out / "e.npz", "-m", p.model]


def new_index(p: Place) -> list[object]:
    return ["index", "add", p.out / "new", p.songs, "-m", p.model]


def export(p: Place) -> list[object]:
    return ["index", "export", p.library, "-o", p.out / "e.csv"]


def describe(p: Place) -> list[object]:
    return ["describe", p.songs / "0.wav", "-m", p.model, "--timeline", p.out / "t.svg"]


def match(p: Place) -> list[object]:
    return ["match", p.songs / "0.wav", "-r", p.songs / "1.wav", "-o", p.out / "m.wav", "-m", p.model, *QUICK]


def apply(p: Place) -> list[object]:
    return ["apply", p.preset, p.songs / "0.wav", "-o", p.out / "a.wav"]


DOORS: tuple[Callable[[Place], list[object]], ...] = (embed, new_index, export, describe, match, apply)


def needs(door: Callable[[Place], list[object]]) -> None:
    if door is describe:
        pytest.importorskip("matplotlib", reason="pictures need fxlens[plot]")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_read_only_folder(
    door: Callable[[Place], list[object]], place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    needs(door)
    arguments = [str(word) for word in door(place)]
    assert main(arguments) == 0  # who steps down may not be able to import what a command imports as it goes
    clear(place.out)
    capsys.readouterr()
    with read_only(place.root):
        assert main(arguments) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err and str(place.out) in err, err
    lines = [line for line in err.splitlines() if "cannot be" in line and ("ermission" in line or "read-only" in line)]
    assert lines and ";" in lines[0], err
    assert ("read-only" in lines[0]) == (door is match), err  # which is said before the search
    assert left(place.out) == []


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_full_disk(door: Callable[[Place], list[object]], place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What is kept on purpose (a journal, an index) goes on once there is room; nothing else is left."""
    needs(door)
    arguments = [str(word) for word in door(place)]
    with full_disk(100 if door is export else 700):
        assert main(arguments) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err and str(place.out) in err, err
    assert any("cannot be written" in line and ";" in line for line in err.splitlines()), err
    kept = {"e.npz.partial/journal.jsonl"} if door is embed else set()
    if door is new_index:
        kept = {"new/index.json", "new/catalogue.sqlite", "new/catalogue.sqlite-journal", "new/mixture.f16"}
    assert set(left(place.out)) <= kept, left(place.out)
    again = [*arguments, "--resume"] if door is embed else arguments
    assert main(again) == 0
    assert left(place.out)


def test_an_index_that_fills_the_disk_keeps_what_it_had(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    loud = place.out / "more"
    loud.mkdir()
    for number in range(12):
        write(loud / f"{number:02}.wav", noise(1.0, seed=100 + number))
    library = place.out / "library"
    assert main(["index", "add", str(library), str(place.songs), "-m", str(place.model)]) == 0
    with FxIndex.open(library) as index:
        before = index.info()["files"], index.search(place.songs / "1.wav", place.encoder, k=3)
    room = (library / "catalogue.sqlite").stat().st_size
    with full_disk(room):
        assert main(["index", "add", str(library), str(loud), "-m", str(place.model)]) == 1
    assert "cannot be written" in capsys.readouterr().err
    with FxIndex.open(library) as index:
        files = index.info()["files"]
        assert before[0] <= files < before[0] + 12
        hits = index.search(place.songs / "1.wav", place.encoder, k=50)
        assert len(hits) == files and hits[0] == before[1][0]
    assert main(["index", "add", str(library), str(loud), "-m", str(place.model)]) == 0
    with FxIndex.open(library) as index:
        assert index.info()["files"] == before[0] + 12
    straight = place.out / "straight"
    assert main(["index", "add", str(straight), str(place.songs), str(loud), "-m", str(place.model)]) == 0
    assert (library / "mixture.f16").read_bytes() == (straight / "mixture.f16").read_bytes()


def test_a_read_only_index_can_be_searched_and_not_added_to(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    library, model = str(place.library), str(place.model)
    assert main(["search", library, str(place.songs / "0.wav"), "-m", model]) == 0
    with read_only(place.root):
        assert main(["search", library, str(place.songs / "0.wav"), "-m", model]) == 0
        assert main(["index", "info", library]) == 0
        capsys.readouterr()
        assert main(["index", "add", library, str(place.songs), "-m", model]) == 1
        added = capsys.readouterr().err
        assert main(["index", "remove", library, str(place.songs / "0.wav")]) == 1
        removed = capsys.readouterr().err
    for err in (added, removed):
        assert "cannot be written" in err and library in err and "check permissions" in err, err
    with FxIndex.open(place.library) as index:
        assert index.info()["files"] == 1


def test_the_same_from_python(place: Place) -> None:
    files, encoder = collect([place.songs]), place.encoder
    render_file(CHAIN, files[0], place.out / "a.wav")
    embed_files(encoder, files, place.out / "e.npz")
    clear(place.out)
    with read_only(place.root):
        with pytest.raises(OutputError, match="check permissions"):
            embed_files(encoder, files, place.out / "e.npz")
        with pytest.raises(OutputError, match="check permissions"):
            FxIndex.create(place.out / "new", encoder)
        with pytest.raises(OutputError, match="check permissions"), FxIndex.open(place.library) as index:
            index.add(files, encoder)
        with pytest.raises(OutputError, match=r"read-only|check permissions"):
            render_file(CHAIN, files[0], place.out / "a.wav")
    assert left(place.out) == []


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "python_multipart")),
    reason="pip install 'fxlens[web]'",
)
def test_a_server_on_a_full_disk(place: Place, tmp_path: Path) -> None:
    from fastapi.testclient import TestClient

    from fxlens.web.app import create_app, service_of

    with TestClient(create_app(settings_of(tmp_path, place.model, index=place.library)), base_url=HERE) as client:
        folder = service_of(client.app).storage.folder  # type: ignore[arg-type]
        song = (place.songs / "0.wav").read_bytes()
        for door in ("embed", "search", "describe", "match"):
            names = ("dry", "reference") if door == "match" else ("file",)
            with full_disk(10_000):
                answer = client.post(f"/v1/{door}", files=[(name, ("Stück.wav", song)) for name in names])
            assert answer.status_code == 507, answer.text
            error = answer.json()["error"]
            assert "cannot keep the upload" in error["message"] and error["next_step"] == "try again later"
            assert int(answer.headers["retry-after"]) > 0 and str(folder) not in answer.text
            assert not list(folder.glob("request-*"))
        assert client.post("/v1/embed", files={"file": ("Stück.wav", song)}).status_code == 200
