"""The statistics file: what is written is what is read, and what does not fit is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fxlens.errors import DataError
from fxlens.fxnorm.dynamics import Peaks
from fxlens.fxnorm.panning import BINS
from fxlens.fxnorm.spectrum import POINTS
from fxlens.fxnorm.statistics import ClassStatistics, Statistics, load_statistics


def average(seed: int, songs: int = 3) -> ClassStatistics:
    rng = np.random.default_rng(seed)
    return ClassStatistics(
        songs, 2 * songs, rng.uniform(0, 1e-3, POINTS).astype(np.float32), Peaks(-12.345678, 1.2345678),
        rng.uniform(0, 1, BINS).astype(np.float32), -28.7654321,
    ).rounded()  # fmt: skip


@pytest.fixture
def statistics() -> Statistics:
    return Statistics({"drums": average(0), "electric guitar": average(1)}, average(2), 5, "ab" * 32)


def test_round_trip(statistics: Statistics, tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    path.write_text(statistics.to_json())
    assert path.stat().st_size < 120_000
    again = load_statistics(path)
    assert again.to_json() == statistics.to_json()
    assert (again.songs, again.manifest_sha256) == (5, "ab" * 32)
    for name, own in statistics.classes.items():
        assert again.of(name).digest() == own.digest()
        np.testing.assert_array_equal(again.of(name).spectrum, own.spectrum)
    assert again.fallback.digest() == statistics.fallback.digest()


def test_instruments_are_found_by_what_they_are_called(statistics: Statistics) -> None:
    assert statistics.of("drums") is statistics.classes["drums"]
    assert statistics.of("02_LeadGuitar_dbl") is statistics.classes["electric guitar"]
    for missing in ("vocals", "xyzzy"):
        assert statistics.of(missing) is statistics.fallback


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "something"}, "holds no statistics"),
        ({"version": 9}, "version 9"),
        ({"sample_rate": 48000}, "48000 Hz"),
        ({"classes": {"drums": {}}}, "incomplete or damaged"),
        ({"fallback": None}, "incomplete or damaged"),
        ({"songs": "many"}, "incomplete or damaged"),
    ],
)
def test_what_does_not_fit_is_named(change: dict, message: str, statistics: Statistics, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(json.loads(statistics.to_json()) | change))
    with pytest.raises(DataError, match=rf"s\.json.*{message}"):
        load_statistics(path)


@pytest.mark.parametrize(
    ("field", "value"), [("spectrum", [1.0]), ("panning", [-1.0] * BINS), ("loudness_lufs", "nan")]
)
def test_values_are_checked(field: str, value: object, statistics: Statistics, tmp_path: Path) -> None:
    entry = json.loads(statistics.to_json())
    entry["classes"]["drums"][field] = value
    path = tmp_path / "s.json"
    path.write_text(json.dumps(entry))
    with pytest.raises(DataError, match="incomplete or damaged"):
        load_statistics(path)


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such statistics"):
        load_statistics(tmp_path / "gone.json")
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        load_statistics(tmp_path / "s.json")
