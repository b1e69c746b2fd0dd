from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fxlens.audio.loudness import integrated_loudness
from fxlens.data.adapters.folder import prepare
from fxlens.data.manifest import load_manifest, stems_of
from fxlens.data.synthetic import write_song
from fxlens.errors import DataError
from fxlens.evaluation.baselines import HandMadeFeatures, WithinClassWhitening
from fxlens.evaluation.benchmark import Benchmark, BenchmarkSettings, build_benchmark
from fxlens.evaluation.retrieval import score

SETTINGS = BenchmarkSettings(("bass", "drums"), styles=12, seconds=2.0, effects=(2, 4), company=1)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    for seed in range(2):
        write_song(root / f"song{seed}", seed=seed, seconds=10.0, instruments=("drums", "bass"))
    prepare(root, root / "m.jsonl", jobs=1)
    return root / "m.jsonl"


@pytest.fixture(scope="module")
def bench(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return build_benchmark(stems_of(load_manifest(manifest)), SETTINGS, tmp_path_factory.mktemp("cache"), jobs=1)


def test_query_and_target_are_of_different_songs(bench: Benchmark) -> None:
    for songs in bench.songs.values():
        assert all(a != b for a, b in songs)


def test_a_benchmark_does_not_depend_on_the_number_of_processes(
    bench: Benchmark, manifest: Path, tmp_path: Path
) -> None:
    again = build_benchmark(stems_of(load_manifest(manifest)), SETTINGS, tmp_path, jobs=2)
    for side in (0, 1):
        for a, b in zip(bench.mixture(side), again.mixture(side), strict=True):
            np.testing.assert_array_equal(a, b)


def test_clips_have_one_loudness(bench: Benchmark) -> None:
    for clips in (bench.stem("drums", 0), bench.mixture(1), bench.extraction("bass", 0)):
        values = [float(integrated_loudness(c, 44100)) for c in clips]
        assert values == pytest.approx([-18.0] * 12, abs=0.3)


def test_controlled_extraction_shares_only_the_target(bench: Benchmark) -> None:
    """An oracle that hears the company only is at chance; one that hears the target is perfect."""
    company: list[list[int]] = [[], []]
    original = bench._mix

    def spy(tracks: list[tuple[str, int]], side: int, levels: np.ndarray) -> np.ndarray:
        company[side].append(tracks[1][1])
        assert tracks[0] == ("bass", len(company[side]) - 1)
        assert tracks[1][1] != tracks[0][1]
        return original(tracks, side, levels)

    bench._mix = spy  # type: ignore[method-assign]
    try:
        for side in (0, 1):
            list(bench.extraction("bass", side))
    finally:
        bench._mix = original  # type: ignore[method-assign]
    assert company[0] != company[1]


def test_one_song_is_refused(manifest: Path, tmp_path: Path) -> None:
    stems = [s for s in stems_of(load_manifest(manifest)) if s.song.endswith("song0")]
    with pytest.raises(DataError, match="at least 2"):
        build_benchmark(stems, SETTINGS, tmp_path, jobs=1)


def test_hand_made_features_hear_effects(bench: Benchmark) -> None:
    hand = HandMadeFeatures()
    query, target = (hand.embed(np.stack(list(bench.stem("drums", side)))) for side in (0, 1))
    assert query.shape == (12, 140)
    assert np.isfinite(query).all()
    same = score(*HandMadeFeatures.standardize(query, query))
    other = score(*HandMadeFeatures.standardize(query, target))
    assert same.recall[1] == 100.0
    assert other.recall[5] > other.chance(5)


def test_whitening_shrinks_what_differs_within_a_style() -> None:
    rng = np.random.default_rng(0)
    style = rng.normal(size=(300, 6))
    noise = np.zeros((2, 300, 6))
    noise[:, :, 0] = rng.normal(size=(2, 300)) * 5  # column 0 is all content, no style
    style[:, 0] = 0
    first, second = style + noise[0], style + noise[1] + 1e-3 * rng.normal(size=(300, 6))
    whiten = WithinClassWhitening(first, second)
    assert score(whiten(first), whiten(second)).recall[1] > score(first, second).recall[1] + 20
