"""What holds for every data set: recognised, measured, read back sample by sample, damage named, work kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dataset_trees import RATE, TREES, Expected

from fxlens.audio.loudness import integrated_loudness
from fxlens.data import analysis_job
from fxlens.data.adapters.preparation import KINDS, Kind, kind_of, prepare
from fxlens.data.adapters.scan import Scan, SplitWish
from fxlens.data.excerpts import Excerpt, load_excerpt
from fxlens.data.manifest import Multitrack, load_manifest, manifest_hash
from fxlens.data.stem_audio import read_stem
from fxlens.errors import DataError, FxLensError, OutputError, UsageError


@pytest.fixture(scope="session", params=list(TREES))
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, music: dict[str, np.ndarray]
) -> tuple[Kind, Expected]:
    """The tree as built once; tests that change it take ``tree``, a copy."""
    kind, build = TREES[request.param]
    return KINDS[kind], build(tmp_path_factory.mktemp(request.param).resolve() / "root", music)


@pytest.fixture(scope="session")
def prepared(original: tuple[Kind, Expected], tmp_path_factory: pytest.TempPathFactory) -> list[Multitrack]:
    kind, expected = original
    output = tmp_path_factory.mktemp("prepared") / "m.jsonl"
    result = prepare(expected.root, output, kind)
    assert result.left_out == {}
    return load_manifest(output)


@pytest.fixture
def tree(original: tuple[Kind, Expected], tmp_path: Path) -> tuple[Kind, Expected]:
    kind, expected = original
    root = tmp_path / "copy"
    shutil.copytree(expected.root, root)
    moved = root / expected.one_file.relative_to(expected.root)
    return kind, Expected(**{**vars(expected), "root": root, "one_file": moved})


def names(result: Scan) -> set[tuple[str, str]]:
    return {(m.song, s.name) for m in result.multitracks for s in m.stems}


def error_db(result: np.ndarray, expected: np.ndarray) -> float:
    return float(10 * np.log10(np.square(result - expected).mean() / np.square(expected).mean() + 1e-20))


def test_the_layout_is_recognised(original: tuple[Kind, Expected], tmp_path: Path) -> None:
    kind, expected = original
    assert kind_of(expected.root).name == kind.name.removesuffix("-raw")
    assert kind_of(tmp_path).name == "folder"
    with pytest.raises((DataError, UsageError), match=r"expected|no audio file"):
        prepare(tmp_path, tmp_path / "m.jsonl", kind)
    with pytest.raises(DataError, match="no such folder"):
        prepare(tmp_path / "gone", tmp_path / "m.jsonl", kind)


def test_songs_stems_instruments_and_splits(original: tuple[Kind, Expected], prepared: list[Multitrack]) -> None:
    kind, expected = original
    found = {(m.song, s.name): (s.instrument, s.free_name) for m in prepared for s in m.stems}
    assert found == {key: (instrument, free) for key, (instrument, free, _) in expected.stems.items()}
    if kind.own_splits:
        assert {m.song: m.split for m in prepared} == expected.splits
    assert all(s.split == m.split for m in prepared for s in m.stems)
    assert all(s.dry == (kind.name == "medleydb-raw") for m in prepared for s in m.stems)
    assert all(m.artist for m in prepared) or kind.name in ("folder", "musdb")


def test_stems_read_as_they_were_written(original: tuple[Kind, Expected], prepared: list[Multitrack]) -> None:
    _, expected = original
    for multitrack in prepared:
        for stem in multitrack.stems:
            wanted = expected.stems[multitrack.song, stem.name][2]
            wanted = np.repeat(wanted, 2, axis=0) if wanted.shape[0] == 1 else wanted
            audio, rate = read_stem(stem)
            assert rate == stem.sample_rate == RATE
            assert audio.shape == wanted.shape
            assert stem.duration_seconds == pytest.approx(wanted.shape[1] / RATE, abs=1e-6)
            assert error_db(audio, wanted) < expected.budget_db
            heard = wanted[:, : wanted.shape[1] - round(stem.silence_seconds * RATE)]
            assert stem.loudness_lufs == pytest.approx(float(integrated_loudness(heard, RATE)), abs=0.2)
            assert stem.active_seconds > 0.6 * heard.shape[1] / RATE


def test_excerpts_are_parts_of_the_whole(prepared: list[Multitrack]) -> None:
    for stem in prepared[0].stems:
        whole = read_stem(stem)[0]
        for start, seconds in ((0.0, 1.0), (1.234, 0.5), (1.9, 1.1), (2.6, 0.4)):
            begin = round(start * RATE)
            part = load_excerpt(Excerpt(stem, start, seconds), RATE)
            assert part.shape == (2, round(seconds * RATE))
            np.testing.assert_allclose(part, whole[:, begin : begin + part.shape[1]], atol=1e-6)


def test_stems_sum_up_to_the_mixture(original: tuple[Kind, Expected], prepared: list[Multitrack]) -> None:
    _, expected = original
    if not expected.mixtures:
        pytest.skip("this layout promises no such sum")
    for multitrack in prepared:
        total = np.sum([read_stem(stem)[0] for stem in multitrack.stems], axis=0)
        assert error_db(total, expected.mixtures[multitrack.song]) < expected.budget_db


def test_content_is_named_by_bytes_not_by_place(tree: tuple[Kind, Expected], prepared: list[Multitrack]) -> None:
    kind, expected = tree
    result = prepare(expected.root, expected.root.parent / "m.jsonl", kind)
    assert manifest_hash(result.multitracks) == manifest_hash(prepared)
    assert all(len({s.sha256 for s in m.stems}) == len(m.stems) for m in prepared)


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_text(path: Path) -> None:
    path.write_text("404 Not Found")


def damage_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_nan(path: Path) -> None:
    if path.suffix != ".wav":
        pytest.skip("AAC cannot hold NaN")
    audio = soundfile.read(path)[0]
    audio[1000] = np.nan
    soundfile.write(path, audio, RATE, subtype="FLOAT")


@pytest.mark.parametrize("damage", [damage_missing, damage_empty, damage_text, damage_half, damage_nan])
def test_damage_is_named_and_costs_only_what_it_must(
    damage: Callable[[Path], None], tree: tuple[Kind, Expected]
) -> None:
    kind, expected = tree
    damage(expected.one_file)
    result = prepare(expected.root, expected.root.parent / "m.jsonl", kind)
    assert names(result) == set(expected.stems) - expected.costs
    if damage is damage_missing and (kind.name == "folder" or expected.one_file.suffix == ".mp4"):
        assert result.left_out == {}  # a layout of mere files cannot know what is missing
        return
    assert list(result.left_out) == [expected.one_file]
    assert result.left_out[expected.one_file].startswith(f"{expected.one_file}: ")


def test_nothing_usable_is_an_error_and_writes_nothing(tree: tuple[Kind, Expected]) -> None:
    kind, expected = tree
    output = expected.root.parent / "m.jsonl"
    for path in expected.root.rglob("*"):
        if path.suffix in (".wav", ".mp4"):
            path.write_text("404 Not Found")
    with pytest.raises(DataError, match=r"none of its \d+ audio files can be used; the first: .*not audio"):
        prepare(expected.root, output, kind)
    assert not output.exists()


def test_work_is_kept_and_any_number_of_jobs_writes_the_same(
    tree: tuple[Kind, Expected], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, expected = tree
    output = expected.root.parent / "m.jsonl"

    def interrupt(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(expected.root, output, kind, jobs=1, progress=interrupt)
    assert not output.exists()
    steps: list[tuple[int, int]] = []
    prepare(expected.root, output, kind, jobs=3, progress=lambda done, total: steps.append((done, total)))
    first, total = output.read_bytes(), len(expected.stems)
    assert steps[0][0] >= 2 and steps[-1] == (total, total)
    monkeypatch.setattr(analysis_job, "analyse_together", None)  # whatever is measured again fails
    prepare(expected.root, output, kind, jobs=1)
    assert output.read_bytes() == first
    monkeypatch.undo()
    output.with_name("m.jsonl.cache").unlink()
    prepare(expected.root, output, kind, jobs=1)
    assert output.read_bytes() == first
    assert {p.name for p in output.parent.iterdir()} == {"copy", "m.jsonl", "m.jsonl.cache"}


def test_a_manifest_that_cannot_be_written(original: tuple[Kind, Expected], tmp_path: Path) -> None:
    kind, expected = original
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        prepare(expected.root, tmp_path / "file" / "m.jsonl", kind)
    if os.geteuid() == 0:
        return  # nothing is read-only for root
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="read-only"):
        prepare(expected.root, tmp_path / "closed" / "m.jsonl", kind)


def test_splits_are_the_sets_own_or_by_artist(tree: tuple[Kind, Expected]) -> None:
    kind, expected = tree
    output = expected.root.parent / "m.jsonl"
    if kind.own_splits:
        with pytest.raises(UsageError, match="splits of its own"):
            prepare(expected.root, output, kind, split=SplitWish(evaluation_share=0.5))
        return
    for seed in range(3):
        result = prepare(expected.root, output, kind, split=SplitWish(evaluation_share=0.4, seed=seed))
        sides: dict[str, set[str]] = {}
        for multitrack in result.multitracks:
            sides.setdefault(multitrack.artist or multitrack.song, set()).add(multitrack.split)
        assert all(len(splits) == 1 for splits in sides.values())
        assert {m.split for m in result.multitracks} == {"train", "evaluation"}


def test_other_options_are_refused(original: tuple[Kind, Expected], tmp_path: Path) -> None:
    kind, expected = original
    if kind.takes_metadata:
        pytest.skip("this kind has them")
    with pytest.raises(FxLensError, match="leave --metadata away"):
        prepare(expected.root, tmp_path / "m.jsonl", kind, metadata=tmp_path)
