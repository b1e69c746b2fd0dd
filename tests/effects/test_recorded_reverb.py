"""Chains in recorded rooms: named in presets, found in folders, the same in every face, and never forgotten."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from fxlens.effects.amount import at_amount
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.fractional_pulse import delayed
from fxlens.effects.recorded_reverb import RecordedReverb
from fxlens.effects.recorded_rooms import RecordedRooms, load_folder
from fxlens.effects.rendering import render_chains
from fxlens.effects.sampling import RoomDraw, draw_chain, draw_effect, hard_negative, settings_distance
from fxlens.effects.streaming import measure, open_stream
from fxlens.errors import AudioSilentError, DataError, PresetError

RATE = 44_100
RESPONSES = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[3] / "shared" / "data")) / "impulse_responses"


def decaying(rate: int, channels: int, seconds: float = 0.3, seed: int = 0) -> np.ndarray:
    """A direct sound and a tail: ``[C, N]``."""
    length = int(seconds * rate)
    tail = 0.05 * np.random.default_rng(seed).standard_normal((channels, length))
    tail *= np.exp(-7.0 * np.arange(length) / length)
    tail[:, 0] = 0.7
    return tail


def music(rate: int = RATE, seconds: float = 0.8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    tones = np.stack([np.sin(2 * np.pi * f * t) for f in (220.0, 331.0)]) * np.exp(-4.0 * (t * 3.0 % 1.0))
    return (0.2 * tones + 0.02 * rng.standard_normal((2, t.size))).astype(np.float32)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> RecordedRooms:
    folder = tmp_path_factory.mktemp("rooms")
    (folder / "halls").mkdir()
    (folder / "churches").mkdir()
    for seed, (name, rate, channels) in enumerate(
        [
            ("mono 22.flac", 22_050, 1), ("stereo 44.wav", 44_100, 2), ("halls/stage.left.wav", 48_000, 2),
            ("halls/big.wav", 96_000, 1), ("churches/big.wav", 44_100, 2),
        ]
    ):  # fmt: skip
        soundfile.write(folder / name, decaying(rate, channels, seed=seed).T, rate, subtype="PCM_16")
    return load_folder(folder)


def reverb(ir: str = "stereo 44.wav", rooms: RecordedRooms | None = None, **values: float) -> EffectChain:
    chain = EffectChain((Effect("reverb", True, {"wet": 0.4, **values}, ir),))
    return chain if rooms is None else chain.with_rooms(rooms)


def four_ways(chain: EffectChain, audio: np.ndarray, rate: int, block: int = 9_001) -> dict[str, np.ndarray]:
    blocks = [audio[:, start : start + block] for start in range(0, audio.shape[1], block)]
    stream = open_stream(chain, rate, measure(chain, rate, lambda: blocks))
    return {
        "reference": chain.apply(audio, rate),
        "streamed": np.concatenate([*(stream.process(b) for b in blocks), stream.finish()], axis=1),
        "fast": chain.render(audio[None], rate)[0],
        "differentiable": chain.forward(torch.from_numpy(audio)[None], rate)[0].numpy(),
    }


# --- what it does


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("ir", ["mono 22.flac", "stereo 44.wav", "halls/big.wav"])
def test_every_way_of_processing_is_the_convolution(rooms: RecordedRooms, ir: str, rate: int) -> None:
    """Whole samples of pre-delay, so that SciPy can say what is right without our interpolator."""
    chain = reverb(ir, rooms, predelay_ms=12.5 if rate % 80 == 0 else 1e3 * 441 / rate)
    late = round(chain.effects[0].parameters["predelay_ms"] * 1e-3 * rate)
    audio = music(rate)
    response = np.pad(rooms.response(ir, rate), ((0, 0), (late, 0)))
    wanted = 0.6 * audio + 0.4 * fftconvolve(audio.astype(np.float64), response, axes=1)[:, : audio.shape[1]]
    assert np.abs(wanted - audio).max() > 0.05
    for way, result in four_ways(chain, audio, rate).items():
        budget = 1e-6 if way in ("reference", "streamed") else 3e-6
        assert result.dtype == np.float32 and np.abs(result - wanted).max() <= budget, way


@settings(max_examples=25, deadline=None)
@given(
    ir=st.sampled_from(["mono 22", "stereo 44", "halls/big"]),
    predelay_ms=st.floats(0.0, 80.0),
    wet=st.floats(0.0, 1.0),
    samples=st.integers(1, 9_000),
    rate=st.sampled_from([8_000, 22_050, 44_100, 48_000, 192_000]),
    block=st.integers(1, 10_000),
)
def test_all_ways_agree(
    rooms: RecordedRooms, ir: str, predelay_ms: float, wet: float, samples: int, rate: int, block: int
) -> None:
    chain = reverb(ir, rooms, predelay_ms=predelay_ms, wet=wet)
    ways = four_ways(chain, music()[:, :samples], rate, max(block, samples // 20))
    for way, result in ways.items():
        assert np.abs(result - ways["reference"]).max() <= (1e-6 if way == "streamed" else 3e-6), way


@pytest.mark.parametrize("delay_samples", [0.0, 40.0, 40.25, 123.9])
def test_a_delay_turns_phases_and_nothing_else(delay_samples: float) -> None:
    click = np.zeros((1, 64))
    click[0, 0] = 1.0
    spectrum = np.fft.rfft(delayed(click, delay_samples)[0], 4_096)
    bins = np.arange(spectrum.size)[: int(0.85 * spectrum.size)]
    expected = np.exp(-2j * np.pi * bins * delay_samples / 4_096)
    assert np.abs(spectrum[: bins.size] - expected).max() < 2e-4


def test_gradients_are_slopes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "r.wav", decaying(8_000, 2, 0.003).T, 8_000, subtype="DOUBLE")
    processor = RecordedReverb("r", load_folder(tmp_path))
    audio = torch.from_numpy(music(8_000)[:, :20].astype(np.float64))[None].requires_grad_()
    predelay_ms, wet = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (0.93, 0.3))

    def run(audio: torch.Tensor, predelay_ms: torch.Tensor, wet: torch.Tensor) -> torch.Tensor:
        return processor.forward(audio, 8_000, {"predelay_ms": predelay_ms, "wet": wet})

    assert torch.autograd.gradcheck(run, (audio, predelay_ms, wet))


def test_the_unit_vector_has_what_a_recording_leaves_open(rooms: RecordedRooms) -> None:
    chain = reverb(rooms=rooms, predelay_ms=20.0)
    assert chain.parameter_names() == ["0.reverb.predelay_ms", "0.reverb.wet"]
    unit = chain.unit().requires_grad_()
    chain.forward(torch.from_numpy(music())[None], RATE, unit).square().sum().backward()
    assert unit.grad is not None and (unit.grad.abs() > 0.0).all()
    moved = chain.with_unit(torch.tensor([0.5, 0.9]))
    assert moved.effects[0].parameters == pytest.approx({"predelay_ms": 40.0, "wet": 0.9})
    assert moved.effects[0].ir == "stereo 44.wav" and moved.apply(music(), RATE).shape == music().shape


def test_a_batch_of_chains_in_different_rooms(rooms: RecordedRooms) -> None:
    chains = [reverb("mono 22", rooms), reverb("stereo 44", rooms, predelay_ms=7.3), EffectChain()]
    batch = np.stack([music(seed=seed) for seed in range(3)])
    out = render_chains(chains, batch, RATE, threads=2)
    for chain, audio, rendered in zip(chains, batch, out, strict=True):
        assert np.abs(rendered - chain.apply(audio, RATE)).max() <= 3e-6
    assert np.array_equal(out, render_chains(chains, batch, RATE, threads=1))


def test_amount_moves_the_wet_share_and_stays_in_the_room(rooms: RecordedRooms) -> None:
    half = at_amount(reverb(rooms=rooms), 0.5)
    assert half.effects[0].parameters["wet"] == pytest.approx(0.2) and half.effects[0].ir == "stereo 44.wav"
    difference = half.apply(music(), RATE) - music()
    assert np.abs(difference - 0.5 * (reverb(rooms=rooms).apply(music(), RATE) - music())).max() < 1e-6
    assert reverb().effects[0].amount() == pytest.approx(0.4)


def test_equal_chains_and_chains_for_other_processes(rooms: RecordedRooms) -> None:
    """Where the rooms are is no part of what a chain is."""
    assert reverb() == reverb(rooms=rooms) and hash(reverb()) == hash(reverb(rooms=rooms))
    assert reverb() != reverb("mono 22.flac") and reverb() != EffectChain((Effect("reverb", True, {"wet": 0.4}),))
    elsewhere = pickle.loads(pickle.dumps(reverb(rooms=rooms)))
    assert np.array_equal(elsewhere.apply(music(), RATE), reverb(rooms=rooms).apply(music(), RATE))


# --- presets


def test_presets_hold_the_name(rooms: RecordedRooms, tmp_path: Path) -> None:
    chain = reverb("halls/stage.left.wav", rooms, predelay_ms=3.5)
    assert '"parameters": {\n        "ir": "halls/stage.left.wav",' in chain.to_json()
    assert str(rooms.folder) not in chain.to_json()
    chain.save(tmp_path / "c.json")
    loaded = EffectChain.load(tmp_path / "c.json", rooms.folder)
    assert loaded == chain == EffectChain.load(tmp_path / "c.json") == EffectChain.from_json(chain.to_json())
    assert np.array_equal(loaded.apply(music(), RATE), chain.apply(music(), RATE))


def test_presets_without_rooms_are_what_they_were() -> None:
    text = '{"format": "fxlens.chain/1", "processors": [{"type": "reverb", "parameters": {"seed": 7, "wet": 0.3}}]}'
    chain = EffectChain.from_json(text)
    assert chain.effects[0].ir is None and "ir" not in chain.to_json()
    assert chain.effects[0].parameters["seed"] == 7.0
    assert chain.apply(music(), RATE).shape == music().shape


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        ('{"type": "gain", "parameters": {"ir": "hall"}}', "gain has no recorded room"),
        ('{"type": "reverb", "parameters": {"ir": "  "}}', "must be the name"),
        ('{"type": "reverb", "parameters": {"ir": 3}}', "must be the name"),
        ('{"type": "reverb", "parameters": {"ir": null}}', "leave it out"),
        ('{"type": "reverb", "parameters": {"ir": "hall", "seed": 1, "damping": 0.1}}', "its own damping, seed"),
        ('{"type": "reverb", "parameters": {"ir": "hall", "size": 1}}', "it has: predelay_ms, wet"),
        ('{"type": "reverb", "parameters": {"ir": "hall", "wet": 2}}', "between 0 and 1"),
        ('{"type": "reverb", "ir": "hall"}', "unknown keys: ir"),
    ],
)
def test_what_a_preset_may_not_say(effect: str, words: str) -> None:
    with pytest.raises(PresetError, match=words):
        EffectChain.from_json(f'{{"format": "fxlens.chain/1", "processors": [{effect}]}}')


# --- where rooms are


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mono 22.flac", "mono 22.flac"), ("mono 22", "mono 22.flac"), ("halls/big", "halls/big.wav"),
        ("stage.left", "halls/stage.left.wav"), ("stage.left.wav", "halls/stage.left.wav"),
    ],
)  # fmt: skip
def test_rooms_are_found_by_what_is_unique(rooms: RecordedRooms, name: str, file: str) -> None:
    assert rooms.path(name) == rooms.folder / file
    assert np.array_equal(rooms.response(name, RATE), rooms.response(file, RATE))


def test_a_name_for_two_rooms_is_refused(rooms: RecordedRooms) -> None:
    with pytest.raises(DataError, match=r"'big' may be churches/big.wav, halls/big.wav"):
        rooms.path("big")
    for name in ("stage", "../rooms/mono 22.flac", "halls", ""):
        with pytest.raises(DataError, match="no impulse response"):
            rooms.path(name)


def test_a_forgotten_folder_cannot_go_unheard(rooms: RecordedRooms) -> None:
    chain = reverb("stereo 44", wet=0.3)
    for process in (
        lambda: chain.apply(music(), RATE),
        lambda: chain.render(music()[None], RATE),
        lambda: chain.forward(torch.from_numpy(music())[None], RATE),
        lambda: open_stream(chain, RATE),
        lambda: at_amount(chain, 0.0001).render(music()[None], RATE),
        chain.require_rooms,
    ):
        with pytest.raises(PresetError, match=r"'stereo 44', and no folder of rooms was given.*--rooms FOLDER"):
            process()
    off = EffectChain((Effect("reverb", False, {"wet": 0.4}, "nowhere"),))
    assert np.array_equal(off.apply(music(), RATE), music())
    assert np.array_equal(off.with_rooms(rooms).apply(music(), RATE), music())


def test_a_room_that_is_not_there_is_named_with_its_folder(rooms: RecordedRooms, tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"'cellar': .*rooms.*no impulse response .* there are 5.*--rooms FOLDER"):
        reverb("cellar", rooms)
    with pytest.raises(DataError, match="not a folder"):
        reverb("cellar").with_rooms(tmp_path / "none")
    soundfile.write(tmp_path / "silent.wav", np.zeros((100, 2)), RATE)
    with pytest.raises(AudioSilentError, match=r"silent\.wav"):
        reverb("silent").with_rooms(tmp_path).apply(music(), RATE)


# --- drawing


def test_drawn_reverbs_have_their_share_of_recorded_rooms(rooms: RecordedRooms) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_effect(rng, "reverb", rooms=RoomDraw(rooms, 0.4)) for _ in range(300)]
    recorded = [effect for effect in drawn if effect.ir is not None]
    assert 90 <= len(recorded) <= 150 and {effect.ir for effect in recorded} == set(rooms.names)
    assert all(0.1 <= effect.parameters["wet"] <= 0.7 for effect in drawn)
    assert all(e.ir is None for e in (draw_effect(rng, "reverb", rooms=RoomDraw(rooms, 0.0)) for _ in range(20)))
    again = np.random.default_rng(0)
    assert [draw_effect(again, "reverb", rooms=RoomDraw(rooms, 0.4)) for _ in range(300)] == drawn


@pytest.mark.parametrize("grade", ["other", "effect", "parameter", "order"])
def test_hard_negatives_of_chains_in_recorded_rooms(rooms: RecordedRooms, grade: str) -> None:
    kept = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        draw = RoomDraw(rooms, 0.7)
        chain = draw_chain(rng, 3, types=("reverb", "delay", "distortion", "limiter"), rooms=draw)
        negative = hard_negative(chain, rng, grade, types=("reverb", "delay", "distortion", "gain"), rooms=draw)  # type: ignore[arg-type]
        assert negative != chain
        assert negative.audible_count() == len(negative.effects)
        kept += any(e.ir is not None and e in chain.effects for e in negative.effects)
        negative.require_rooms()
    assert grade == "other" or kept > 0  # what a negative keeps of a chain, it keeps in its room


def test_distance_of_a_recorded_room_from_one_of_the_bank() -> None:
    bank = Effect("reverb", True, {"wet": 0.5, "predelay_ms": 40.0, "decay_seconds": 3.0})
    recorded = Effect("reverb", True, {"wet": 0.1, "predelay_ms": 40.0}, "hall")
    assert settings_distance(bank, recorded) == pytest.approx(0.2)
    assert settings_distance(recorded, Effect("reverb", True, recorded.parameters, "cellar")) == 0.0


# --- recordings


@pytest.mark.skipif(not RESPONSES.is_dir(), reason="no impulse responses: FXLENS_DATA names the folder that has them")
@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_real_rooms_the_four_ways(rate: int) -> None:
    found = load_folder(RESPONSES)
    for name in found.names[:: max(1, len(found) // 4)]:
        ways = four_ways(reverb(name, found, predelay_ms=9.99), music(rate), rate)
        assert np.abs(ways["reference"] - music(rate)).max() > 0.01, name
        for way, result in ways.items():
            assert np.abs(result - ways["reference"]).max() <= (1e-6 if way == "streamed" else 5e-6), (name, way)
