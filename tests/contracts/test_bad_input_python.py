"""Bad recordings from Python: the named error, with the file in it, from every function that takes one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_input_cases import CASES, RATE, Case, left, noise, told, write
from tiny_serving import write_model

from fxlens.audio.waveform import MonoWarning
from fxlens.describing.head_files import DescribingHeads, load_heads
from fxlens.describing.reading import describe as describe_recording
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.streaming_file import render_file
from fxlens.embedding.job import embed_files
from fxlens.errors import AudioError, AudioSilentError, FxLensError
from fxlens.index.fx_index import FxIndex
from fxlens.matching.match import match
from fxlens.matching.settings import MatchSettings
from fxlens.models.fx_encoder import FxEncoder

QUICK: dict[str, Any] = {
    "chain": ["eq", "gain"], "seconds": 0.5, "settings": MatchSettings(steps=1, restarts=1),
}  # fmt: skip
CHAIN = EffectChain((Effect("delay", parameters={"wet": 0.3}),))


@dataclass(frozen=True)
class Place:
    """What functions need besides the recording."""

    encoder: FxEncoder
    heads: DescribingHeads
    index: FxIndex
    reference: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("bad_python")
    encoder = FxEncoder.from_pretrained(write_model(root / "tiny"))
    reference = write(root / "reference.wav", noise(2.0, seed=7))
    index = FxIndex.create(root / "library", encoder)
    index.add(reference, encoder)
    return Place(encoder, load_heads(root / "tiny", encoder.model_id), index, reference)


def encode(file: Path, place: Place, out: Path) -> np.ndarray:
    return place.encoder.encode(file)


def encode_list(file: Path, place: Place, out: Path) -> np.ndarray:
    return place.encoder.encode([place.reference, str(file)], query="drums")


def features(file: Path, place: Place, out: Path) -> np.ndarray:
    return place.encoder.features(file)


def as_query(file: Path, place: Place, out: Path) -> np.ndarray:
    return place.encoder.encode(place.reference, query_audio=file)


def embed(file: Path, place: Place, out: Path) -> np.ndarray:
    embed_files(place.encoder, [file], out / "e.npz", fail_fast=True)
    with np.load(out / "e.npz") as table:
        return np.asarray(table["embedding"])


def index_add(file: Path, place: Place, out: Path) -> np.ndarray:
    with FxIndex.create(out / "library", place.encoder) as index:
        index.add(file, place.encoder, fail_fast=True)
        return np.asarray(index.column("").read(index.catalogue.rows("")), np.float32)


def search(file: Path, place: Place, out: Path) -> list[float]:
    return [hit.similarity for hit in place.index.search(file, place.encoder)]


def search_moment(file: Path, place: Place, out: Path) -> list[float]:
    return [hit.similarity for hit in place.index.search(file, place.encoder, at_seconds=0.0)]


def describe(file: Path, place: Place, out: Path) -> list[float]:
    return [finding.probability for finding in describe_recording(file, place.encoder, heads=place.heads).findings]


def match_dry(file: Path, place: Place, out: Path) -> np.ndarray:
    match(file, place.reference, place.encoder, output=out / "m.wav", **QUICK)
    from fxlens.audio.io import read

    return read(out / "m.wav")[0]


def match_reference(file: Path, place: Place, out: Path) -> np.ndarray | None:
    return match(place.reference, file, place.encoder, **QUICK).audio


def render(file: Path, place: Place, out: Path) -> np.ndarray:
    from fxlens.audio.io import read

    render_file(CHAIN, file, out / "a.wav")
    return read(out / "a.wav")[0]


Door = Callable[[Path, Place, Path], Any]
DOORS: tuple[Door, ...] = (
    encode, encode_list, features, as_query, embed, index_add, search, search_moment, describe, match_dry,
    match_reference, render,
)  # fmt: skip
SLOW = {features, match_dry, match_reference}
"""They read as others do: ``features`` as ``encode``, matching as the command line does it."""

ALLOWED_AFTER_FAILURE = {"library/index.json", "library/catalogue.sqlite"}
LISTENS_LITTLE = {"search_moment", "as_query"}
"""Doors for which a file that is broken behind what they read, or silent, may still be good enough."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
@pytest.mark.parametrize(
    "door", [pytest.param(d, id=d.__name__, marks=[pytest.mark.slow] if d in SLOW else []) for d in DOORS]
)
def test_every_recording_at_every_function(door: Door, case: Case, place: Place, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    file = case.make(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MonoWarning)
        refused = case.error is not None and not (case.silence and door in (render, as_query))
        lenient = door.__name__ in LISTENS_LITTLE and case.name in ("NaN samples", "cut off in the middle")
        if refused and not lenient:
            assert case.error is not None
            with pytest.raises(case.error) as caught:
                door(file, place, out)
            assert caught.value.source == str(file)
            told(str(caught.value), file, case)
            assert set(left(out)) <= ALLOWED_AFTER_FAILURE, left(out)
            return
        try:
            made = door(file, place, out)
        except FxLensError as error:
            assert case.doubtful or lenient or case.silence, error
            assert file.name in str(error) or (door is as_query and "audio query" in str(error)), error
            assert isinstance(error, AudioError)
            return
    assert np.size(made) and np.isfinite(np.asarray(made, np.float64)).all()


ARRAYS: dict[str, tuple[np.ndarray, str]] = {
    "no samples": (np.zeros((2, 0), np.float32), "no samples"),
    "silence": (np.zeros((2, RATE), np.float32), "nothing in it is louder"),
    "NaN": (np.full((2, RATE), np.nan, np.float32), "NaN or infinite"),
    "infinite": (np.full(RATE, np.inf), "NaN or infinite"),
    "six channels": (np.zeros((6, RATE), np.float32), "6 channels"),
    "time first": (noise(1.0), "array.T"),
    "four dimensions": (np.zeros((1, 1, 2, 9), np.float32), "shape"),
}


@pytest.mark.parametrize("name", ARRAYS, ids=lambda name: name.replace(" ", "-"))
def test_samples_that_cannot_be_meant(name: str, place: Place) -> None:
    samples, message = ARRAYS[name]
    with pytest.raises(FxLensError, match=message):
        place.encoder.encode(samples, RATE)
    with pytest.raises(FxLensError, match=message):
        place.index.search(samples, place.encoder, sample_rate=RATE)
    with pytest.raises(FxLensError, match=f"{message}|one recording at a time"):
        describe_recording(samples, place.encoder, sample_rate=RATE, heads=place.heads)


def test_silence_is_named_by_what_it_is(place: Place) -> None:
    with pytest.raises(AudioSilentError, match="item 1 of the list"):
        place.encoder.encode([noise(1.0).T, np.zeros((2, RATE))], RATE)
