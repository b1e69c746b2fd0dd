"""Chains: order and bypass, unit vectors, presets on disk, and faults that must be named."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch

from fxlens.audio.loudness import integrated_loudness
from fxlens.effects.chain import EffectChain, calibrate
from fxlens.effects.delay import Delay
from fxlens.effects.effect import Effect
from fxlens.effects.gain import Gain
from fxlens.effects.registry import LINEAR, PROCESSORS, SWITCHES
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioError,
    AudioNotFiniteError,
    OutputError,
    PresetError,
    UsageError,
)

RATE = 44_100
EQ = Effect("equalizer", True, {"low_shelf_gain_db": 5.0, "band1_gain_db": -7.0})
DELAY = Effect("delay", True, {"time_ms": 40.0, "feedback": 0.3, "wet": 0.4})
DRIVE = Effect("distortion", True, {"drive_db": 20.0})
WIDE = Effect("stereo_imager", True, {"width": 1.6})
UP = Effect("gain", True, {"gain_db": 6.0})
LIMITER = Effect("limiter", True, {"threshold_db": -12.0})


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((2, 12_000))).astype(np.float32)


def off(effect: Effect) -> Effect:
    return Effect(effect.type, False, effect.parameters)


def test_effects_follow_one_another_in_order(audio):
    expected = DRIVE.processor.reference(
        EQ.processor.reference(audio.astype(np.float64), RATE, **EQ.parameters), RATE, **DRIVE.parameters
    )
    out = EffectChain((EQ, DRIVE)).apply(audio, RATE)
    assert out.dtype == np.float32 and np.abs(out - expected).max() < 1e-7
    assert np.abs(out - EffectChain((DRIVE, EQ)).apply(audio, RATE)).max() > 1e-2


@pytest.mark.parametrize("effect", [EQ, DELAY, DRIVE, WIDE, UP], ids=lambda e: e.type)
def test_disabled_means_untouched_and_enabled_means_only_processed(effect, audio):
    """No polarity flip, no residue of the dry signal: a mask chooses, it does not mix."""
    assert np.array_equal(EffectChain((off(effect),)).apply(audio, RATE), audio)
    batch = torch.tensor(audio)[None]
    assert torch.equal(EffectChain((off(effect),)).forward(batch, RATE), batch)
    alone = effect.processor.reference(audio.astype(np.float64), RATE, **effect.parameters)
    masked = EffectChain((off(WIDE), effect, off(EQ)))
    assert np.abs(masked.apply(audio, RATE) - alone).max() < 1e-6
    assert np.abs(masked.forward(batch, RATE)[0].numpy() - alone).max() < 1e-5
    assert np.vdot(alone, audio) > 0.0


def test_neutral_effects_are_the_identity(audio):
    chain = EffectChain(tuple(Effect(name) for name in ("equalizer", "distortion", "gain", "delay")))
    assert np.abs(chain.apply(audio, RATE) - audio).max() < 1e-6
    assert chain.audible_count() == 0


def test_both_faces_agree(audio):
    chain = EffectChain((EQ, DRIVE, WIDE, DELAY, UP))
    out = chain.forward(torch.tensor(audio)[None].repeat(2, 1, 1), RATE)
    for item in out:
        assert np.abs(item.numpy() - chain.apply(audio, RATE)).max() < 1e-5


def test_unit_vector_is_in_order_and_comes_back():
    chain = EffectChain((DELAY, off(WIDE), EQ))
    unit = chain.unit()
    names = chain.parameter_names()
    assert unit.shape == (len(names),) == (3 + 1 + 18,)
    assert names[:5] == [
        "0.delay.time_ms",
        "0.delay.feedback",
        "0.delay.wet",
        "1.stereo_imager.width",
        "2.equalizer.low_shelf_gain_db",
    ]
    assert unit[:4].tolist() == pytest.approx([30 / 590, 0.5, 4 / 7, 0.8])
    back = chain.with_unit(unit)
    assert [e.enabled for e in back.effects] == [True, False, True]
    for one, other in zip(chain.effects, back.effects, strict=True):
        assert dict(other.parameters) == pytest.approx(dict(one.parameters), rel=1e-5, abs=1e-5)


def test_what_cannot_move_is_not_in_the_unit_vector():
    chain = EffectChain((DELAY, Effect("reverb", True, {"seed": 7, "wet": 0.3})))
    assert not any(name.endswith(".seed") for name in chain.parameter_names())
    # The paper's delay has no feedback; its range has no width to map onto 0-1.
    assert chain.parameter_names("paper")[:2] == ["0.delay.time_ms", "0.delay.wet"]
    back = chain.with_unit(chain.unit("paper"), "paper")
    assert back.effects[0].parameters["feedback"] == 0.3 and back.effects[1].parameters["seed"] == 7


def test_unit_settings_process_and_learn(audio):
    chain = EffectChain((EQ, DELAY, UP))
    batch = torch.tensor(audio)[None].repeat(2, 1, 1)
    own = chain.forward(batch, RATE)
    # A unit in float32 places the echo to a ten-thousandth of a sample.
    assert (chain.forward(batch, RATE, chain.unit()) - own).abs().max() < 1e-4
    point = torch.full_like(chain.unit(), 0.6)
    point[chain.parameter_names().index("1.delay.time_ms")] = 0.1  # an echo later than the clip moves nothing
    unit = point.repeat(2, 1).requires_grad_()
    out = chain.forward(batch, RATE, unit)
    set_so = chain.with_unit(point)
    assert np.abs(out[1].detach().numpy() - set_so.apply(audio, RATE)).max() < 1e-4
    (out - own).square().mean().backward()
    assert unit.grad is not None and torch.isfinite(unit.grad).all() and (unit.grad != 0).all()


def test_settings_of_disabled_effects_have_no_influence(audio):
    chain = EffectChain((off(EQ), UP))
    unit = chain.unit().requires_grad_()
    chain.forward(torch.tensor(audio)[None], RATE, unit).square().sum().backward()
    assert unit.grad is not None and not unit.grad[:-1].any() and unit.grad[-1] != 0


def test_shapes_are_checked(audio):
    chain = EffectChain((UP,))
    with pytest.raises(AudioChannelsError):
        chain.apply(audio[:1], RATE)
    with pytest.raises(AudioChannelsError):
        chain.forward(torch.tensor(audio), RATE)
    with pytest.raises(AudioEmptyError):
        chain.apply(audio[:, :0], RATE)
    with pytest.raises(AudioError, match="int16"):
        chain.apply(np.ones((2, 4), dtype=np.int16), RATE)
    with pytest.raises(UsageError, match=r"\[1\]"):
        chain.forward(torch.tensor(audio)[None], RATE, torch.zeros(3))
    with pytest.raises(UsageError, match=r"\[1\]"):
        chain.with_unit(torch.zeros(2))


def test_broken_input_is_refused_and_a_broken_effect_is_named(audio, monkeypatch):
    broken = audio.copy()
    broken[1, 5] = np.nan
    for run in (
        lambda: EffectChain((UP,)).apply(broken, RATE),
        lambda: EffectChain((UP,)).forward(torch.tensor(broken)[None], RATE),
    ):
        with pytest.raises(AudioNotFiniteError, match="input"):
            run()

    class Bursting(Gain):
        def reference(self, audio, sample_rate, **values):
            return audio / 0.0 if values["gain_db"] else audio

        def forward(self, audio, sample_rate, values):
            return audio / 0.0

    monkeypatch.setitem(PROCESSORS, "gain", Bursting())
    chain = EffectChain((EQ, UP, DELAY))
    with (
        np.errstate(all="ignore"),
        pytest.raises(AudioNotFiniteError, match=r"gain \(effect 2 of 3\).*gain_db 6"),
    ):
        chain.apply(audio, RATE)
    with pytest.raises(AudioNotFiniteError, match=r"gain \(effect 2 of 3\)"):
        chain.forward(torch.tensor(audio)[None], RATE)


def test_a_gain_counts_only_before_something_that_reacts_to_level():
    def count(*effects: Effect) -> int:
        return EffectChain(effects).audible_count()

    assert count(UP) == 0
    assert count(EQ, UP, DELAY) == 2
    assert count(UP, LIMITER) == 2
    assert count(UP, EQ, LIMITER) == 3
    assert count(LIMITER, UP) == 1
    assert count(UP, off(LIMITER)) == 0
    assert count(UP, Effect("limiter")) == 0  # neutral
    assert count(UP, DRIVE) == 1  # calibrates its own input
    assert EffectChain((UP, EQ, UP)).audible_positions() == [1]


def test_audible_is_what_moves_the_sound():
    assert Effect("equalizer", True, {"band0_cutoff_hz": 500.0, "band0_q": 4.0}).amount() == 0.0
    assert Effect("delay", True, {"time_ms": 300.0, "feedback": 0.5}).amount() == 0.0
    assert Effect("delay", True, {"wet": 0.35}).amount() == pytest.approx(0.5)
    assert Effect("multiband_compressor", True, {"mix": 0.5}).amount() == 0.0  # every ratio is 1
    assert Effect("multiband_compressor", True, {"mix": 0.5, "mid_ratio": 4.0}).amount() > 0.0
    assert Effect("compressor", True, {"ratio": 4.0}).amount() == 0.0  # at a threshold of 0 dB
    assert Effect("compressor", True, {"makeup_db": 6.0}).amount() > 0.0
    assert EQ.amount() > 0.0 == off(EQ).amount()


def test_registry_knows_every_processor():
    assert set(SWITCHES) == set(PROCESSORS) and set(PROCESSORS) > LINEAR
    for name, processor in PROCESSORS.items():
        assert processor.type == name
        known = {p.name for p in processor.parameters}
        assert all(set(group) <= known for group in SWITCHES[name])
        assert Effect(name).amount() == 0.0


def test_preset_comes_back_exactly(tmp_path):
    drawn = Effect("delay", False, Delay.draw(np.random.default_rng(0)))
    chain = EffectChain((EQ, drawn, Effect("reverb", True, {"seed": 7, "wet": 0.25})))
    assert EffectChain.from_json(chain.to_json()) == chain
    path = tmp_path / "drums ü.json"
    path.write_text("old", encoding="utf-8")
    chain.save(path)
    assert EffectChain.load(path) == chain == EffectChain.load(str(path))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["format"] == "fxlens.chain/1"
    assert document["processors"][1] == {
        "type": "delay",
        "enabled": False,
        "parameters": dict(drawn.parameters),
    }


def test_what_a_preset_leaves_out_is_neutral():
    text = '{"format": "fxlens.chain/1", "processors": [{"type": "delay", "parameters": {"wet": 1e-1}}]}'
    (effect,) = EffectChain.from_json(text).effects
    assert effect.enabled and effect.parameters == {"time_ms": 200.0, "feedback": 0.0, "wet": 0.1}


def preset(processor: str) -> str:
    return '{"format": "fxlens.chain/1", "processors": [{"type": "gain"}, ' + processor + "]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "fxlens.chain/1"),
        ('{"format": "fxlens.chain/2", "processors": []}', "not 'fxlens.chain/2'"),
        ('{"format": "fxlens.chain/1"}', "list"),
        ('{"format": "fxlens.chain/1", "processors": [], "name": "x"}', "unknown keys: name"),
        (preset('{"type": "flanger"}'), r"processor 2.*'flanger'.*equalizer.*reverb"),
        (preset('{"type": ["gain"]}'), "processor 2.*no effect"),
        (preset("3"), 'processor 2 must be an object with a "type"'),
        (preset('{"type": "delay", "mix": 1}'), "processor 2 has unknown keys: mix"),
        (preset('{"type": "delay", "parameters": {"time": 1}}'), "no parameter 'time'.*time_ms"),
        (preset('{"type": "delay", "parameters": [1]}'), "names with values"),
        (preset('{"type": "delay", "enabled": 1}'), "true or false"),
        (preset('{"type": "delay", "parameters": {"wet": NaN}}'), "finite"),
        (preset('{"type": "delay", "parameters": {"wet": 1' + "0" * 400 + "}}"), "finite"),
        (preset('{"type": "delay", "parameters": {"wet": "0.3"}}'), "finite number"),
        (preset('{"type": "delay", "parameters": {"feedback": 1.0}}'), r"delay\.feedback.*0 and 0\.6, not 1"),
        (preset('{"type": "delay", "parameters": {"wet": 0.1, "wet": 0.2}}'), "'wet' twice"),
    ],
)
def test_wrong_presets_say_what_is_wrong(text, message):
    with pytest.raises(PresetError, match=message):
        EffectChain.from_json(text)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(PresetError, match=r"none\.json.*cannot be read"):
        EffectChain.load(tmp_path / "none.json")
    (tmp_path / "wave.json").write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(PresetError, match=r"wave\.json.*UTF-8"):
        EffectChain.load(tmp_path / "wave.json")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(PresetError, match=r"bad\.json.*not JSON"):
        EffectChain.load(tmp_path / "bad.json")
    with pytest.raises(OutputError, match=r"chain\.json: cannot be written \(.*bad\.json is no folder\)"):
        EffectChain().save(tmp_path / "bad.json" / "chain.json")


def test_chains_are_values():
    chain = EffectChain((EQ, DELAY))
    assert pickle.loads(pickle.dumps(chain)) == chain == copy.deepcopy(chain)
    assert len({chain, EffectChain((EQ, DELAY)), EffectChain((DELAY, EQ))}) == 2
    settings = {"wet": 0.5}
    effect = Effect("delay", True, settings)
    settings["wet"] = 0.1
    assert effect.parameters["wet"] == 0.5


def test_empty_chain_and_single_samples(audio):
    assert np.array_equal(EffectChain().apply(audio, RATE), audio)
    assert EffectChain().unit().shape == (0,)
    batch = torch.tensor(audio)[None]
    assert torch.equal(EffectChain().forward(batch, RATE), batch)
    chain = EffectChain((EQ, DELAY, WIDE, UP))
    out = chain.forward(batch[..., :1], RATE)[0].numpy()
    assert out == pytest.approx(chain.apply(audio[:, :1], RATE), abs=1e-6)


def test_calibration_sets_the_level(audio):
    loud = calibrate(np.tile(audio, 4), RATE)
    assert integrated_loudness(loud, RATE) == pytest.approx(-18.0, abs=0.01)
