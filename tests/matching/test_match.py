"""``match`` from files and arrays to a folder: levels, locks, amounts, references, and a preset that repeats it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_hearing import RATE, noise

from fxlens.audio.io import probe, read
from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.output import write
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.errors import AudioSilentError, OutputError, UsageError
from fxlens.matching.match import match
from fxlens.matching.settings import MatchSettings, Progress
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

FAST = MatchSettings(steps=4, learning_rate=0.2, restarts=1, candidates=4)
EQ = EffectChain((Effect("equalizer", parameters={"low_shelf_gain_db": -11.0, "high_shelf_gain_db": 11.0}),))


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    """Fresh weights hear spectra, which is enough to match an equaliser."""
    torch.manual_seed(0)
    front = FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=16000.0, floor_db=-60.0, ceiling_db=20.0)
    return FxEncoder(
        FxEncoderConfig(
            name="tiny", frontend=front, backbone=BackboneConfig("resnet", 4), projection_dims=(16,),
            extractor=ExtractorConfig("none"), query_dim=8, window_seconds=1.0, input_lufs=-18.0,
        )
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def dry() -> np.ndarray:
    return np.asarray(0.1 * noise(1.5, 0)[0].numpy())  # -40 dBFS: it must be raised before the chain


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return EQ.apply(noise(1.5, 7)[0].numpy(), RATE)


def test_the_preset_repeats_the_result(
    tmp_path: Path, encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray
) -> None:
    for name, audio in (("dry", dry), ("reference", reference)):
        write(tmp_path / f"{name}.wav", audio, RATE)
    settings = MatchSettings(steps=25, learning_rate=0.2, restarts=1, candidates=8)
    found = match(
        tmp_path / "dry.wav", tmp_path / "reference.wav", encoder, chain=["eq", "limiter"], seconds=0.5,
        settings=settings,
    )  # fmt: skip
    assert found.distance_after < 0.5 * found.distance_before
    assert found.result_lufs == pytest.approx(found.dry_lufs, abs=0.05)
    assert float(integrated_loudness(found.audio, RATE)) == pytest.approx(found.dry_lufs, abs=0.05)
    found.save(tmp_path / "out")
    audio, rate = read(tmp_path / "out" / "match.wav")
    assert rate == RATE
    assert np.abs(audio - found.audio).max() < 1e-6
    again = EffectChain.load(tmp_path / "out" / "preset.json").apply(dry, RATE)
    assert np.abs(again - audio).max() < 1e-5
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["model"] == encoder.model_id
    assert told["distance_after"] < told["distance_before"]


def test_an_output_is_written_without_holding_it(
    tmp_path: Path, encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray
) -> None:
    write(tmp_path / "dry.wav", dry, RATE, "PCM_24")
    seconds: list[float] = []
    found = match(
        tmp_path / "dry.wav", reference, encoder, sample_rate=RATE, chain=["eq"], settings=FAST, seconds=0.5,
        output=tmp_path / "wet.wav", advance=seconds.append,
    )  # fmt: skip
    assert found.held is None
    assert probe(tmp_path / "wet.wav").subtype == "PCM_24"  # as fxlens apply has it
    audio, _ = read(tmp_path / "wet.wav")
    assert np.abs(audio - found.audio).max() < 2.0**-22
    embedding = encoder.encode(tmp_path / "wet.wav").astype(np.float64)
    assert found.distance_after == pytest.approx(1.0 - embedding @ found.target.embedding, abs=1e-6)
    assert sum(seconds) == pytest.approx(2 * 1.5)  # measured, then written


def test_stopping_keeps_the_best_so_far(encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray) -> None:
    told: list[Progress] = []
    settings = replace(FAST, steps=50, restarts=3)
    found = match(
        dry, reference, encoder, sample_rate=RATE, chain=["eq"], settings=settings, seconds=0.5,
        report=told.append, stop=lambda: len(told) > 4,
    )  # fmt: skip
    assert found.search.interrupted
    assert found.figures()["interrupted"]
    assert len(found.search.curves) == 1
    assert 3 < sum(np.isfinite(found.search.curves[0])) < 10
    assert found.search.loss < found.search.dry_loss


def test_arrays_repeat_and_other_rates_are_fine(encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray) -> None:
    twice = [match(dry, reference, encoder, sample_rate=RATE, chain=["eq"], settings=FAST, seconds=0.5) for _ in "ab"]
    assert np.array_equal(twice[0].audio, twice[1].audio)
    low = match(dry[:, ::2], reference[:, ::2], encoder, sample_rate=22_050, chain=["eq"], settings=FAST, seconds=0.5)
    assert low.audio.shape == dry[:, ::2].shape
    assert low.sample_rate == 22_050


def test_levels_are_safe(encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray) -> None:
    def at(level: object) -> tuple[float, float, float]:
        found = match(
            dry, reference, encoder, sample_rate=RATE, chain=["eq"], settings=FAST, seconds=0.5, level=level,  # type: ignore[arg-type]
        )  # fmt: skip
        return found.result_lufs, found.lowered_db, float(np.abs(found.audio).max())

    expected = float(integrated_loudness(reference, RATE))
    lufs, lowered, _ = at("reference")
    assert lufs + lowered == pytest.approx(expected, abs=0.2)
    lufs, lowered, peak = at(0.0)  # noise at 0 LUFS would peak far above full scale
    assert lowered > 1.0
    assert lufs == pytest.approx(-lowered, abs=0.05)
    assert peak == pytest.approx(10 ** (-1 / 20), rel=1e-3)
    with pytest.raises(UsageError, match="level"):
        at("loud")


def test_amounts_and_locks(encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray) -> None:
    first = EffectChain((Effect("equalizer"), Effect("delay", parameters={"time_ms": 33.0, "wet": 0.2})))
    found = match(dry, reference, encoder, sample_rate=RATE, chain=first, locks=["delay"], settings=FAST, seconds=0.5)
    assert found.matched.effects[1].parameters == pytest.approx(first.effects[1].parameters, abs=1e-6)
    assert found.matched.effects[0] != first.effects[0]
    none = match(dry, reference, encoder, sample_rate=RATE, chain=["eq"], settings=FAST, seconds=0.5, amount=0.0)
    assert np.abs(none.audio - dry).max() < 1e-4 * np.abs(dry).max()
    with pytest.raises(UsageError, match="no part of this chain"):
        match(dry, reference, encoder, sample_rate=RATE, chain=["eq"], locks=["delay"], settings=FAST)


def test_references_are_weighed(encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray) -> None:
    def target(*weights: float) -> np.ndarray:
        found = match(
            dry, [reference, dry], encoder, sample_rate=RATE, chain=["eq"], settings=FAST, seconds=0.5, weights=weights
        )
        return found.target.embedding.astype(np.float64)

    one, other = (encoder.encode(x, RATE).astype(np.float64) for x in (reference, dry))
    mean = 0.75 * one + 0.25 * other
    assert target(3.0, 1.0) == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    for wrong in ((1.0,), (1.0, 0.0), (1.0, float("nan"))):
        with pytest.raises(UsageError, match="weights"):
            target(*wrong)


def test_what_cannot_be_matched_is_told(
    tmp_path: Path, encoder: FxEncoder, dry: np.ndarray, reference: np.ndarray
) -> None:
    with pytest.raises(AudioSilentError):
        match(np.zeros_like(dry), reference, encoder, sample_rate=RATE)
    with pytest.raises(UsageError, match="sample_rate"):
        match(dry, reference, encoder)
    with pytest.raises(UsageError, match="amount"):
        match(dry, reference, encoder, sample_rate=RATE, amount=2.0)
    found = match(dry, reference, encoder, sample_rate=RATE, chain=["eq"], settings=FAST, seconds=0.5)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="another folder"):
        found.save(tmp_path / "file" / "out")
