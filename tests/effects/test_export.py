"""Chains on sheets and from the command line: what a reader would dial in is what the chain says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from fxlens.audio import io
from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_DBFS, Distortion
from fxlens.effects.effect import Effect
from fxlens.effects.export.formats import FORMATS, export
from fxlens.effects.export.note_values import nearest_note
from fxlens.effects.export.rooms import write_room
from fxlens.effects.export.saturation import typical_makeup_db
from fxlens.effects.export.sheet import decibels, duration, frequency
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.sampling import TRAINING_TYPES, draw_chain
from fxlens.errors import OutputError, PresetError, UsageError


def sheet(*effects: Effect, tempo_bpm: float | None = None) -> str:
    return export(EffectChain(effects), "sheet", tempo_bpm=tempo_bpm).text


@pytest.mark.parametrize(
    ("hz", "text"),
    [(20.0, "20 Hz"), (82.41, "82.4 Hz"), (100.0, "100 Hz"), (440.4, "440 Hz"), (999.7, "1 kHz"), (12_000.0, "12 kHz")],
)
def test_frequency(hz: float, text: str) -> None:
    assert frequency(hz) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0.0, "0 ms"), (0.1, "0.1 ms"), (12.34, "12.3 ms"), (120.0, "120 ms"), (1250.0, "1.25 s")]
)
def test_duration(ms: float, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(("db", "text"), [(3.0, "+3.0 dB"), (-7.25, "−7.2 dB"), (-0.04, "0 dB"), (0.0, "0 dB")])
def test_decibels(db: float, text: str) -> None:
    assert decibels(db) == text


@pytest.mark.parametrize("seed", range(3))
def test_sheet_gives_every_setting_of_the_equaliser_back(seed: int) -> None:
    effect = Effect("equalizer", parameters=PROCESSORS["equalizer"].draw(np.random.default_rng(seed)))
    rows = re.findall(r"\| [a-z ]+ \| ([\d.]+) (k?)Hz \| ([+−][\d.]+) dB \| ([\d.]+) \|", sheet(effect))
    bands = ["low_shelf", "band0", "band1", "band2", "band3", "high_shelf"]
    assert len(rows) == len(bands)
    for band, (hz, kilo, gain, q) in zip(bands, rows, strict=True):
        v = effect.parameters
        assert float(hz) * (1000.0 if kilo else 1.0) == pytest.approx(v[f"{band}_cutoff_hz"], rel=5.1e-3)
        assert float(gain.replace("−", "-")) == pytest.approx(v[f"{band}_gain_db"], abs=0.051)
        assert float(q) == pytest.approx(v[f"{band}_q"], abs=0.0051)


def test_sheet_says_settings_in_the_words_of_plug_ins() -> None:
    text = sheet(
        Effect("stereo_imager", parameters={"width": 1.4}),
        Effect("delay", parameters={"time_ms": 374.0, "feedback": 0.25, "wet": 0.3}),
        Effect("compressor", parameters={"threshold_db": -20.0, "ratio": 4.0, "attack_ms": 12.0}),
        Effect("multiband_compressor", parameters={"mix": 0.5, "low_ratio": 3.0, "high_expander_ratio": 0.5}),
        Effect("reverb", parameters={"wet": 0.5, "decay_seconds": 1.8, "predelay_ms": 20.0}),
        tempo_bpm=120.0,
    )
    assert "| width | 140 % |" in text and "side +2.9 dB" in text
    assert "374 ms (1 ms shorter than 1/8 dotted at 120 BPM)" in text
    assert "| feedback | 25 % |" in text and "| mix | 30 % |" in text
    assert "| ratio | 4.0:1 |" in text and "| threshold | −20.0 dBFS |" in text and "| attack | 12 ms |" in text
    assert "3.0:1" in text and "1:2.0 below −60.0 dBFS" in text and "Mix 50 %" in text
    assert "| decay | 1.8 s |" in text and "| pre-delay | 20 ms |" in text
    assert "on a send: dry full, return at 0 dB" in text  # an even mix


def test_sheet_strikes_what_is_off_and_speaks_of_level_only_where_it_matters() -> None:
    text = sheet(Effect("limiter", False, {"threshold_db": -6.0}), Effect("gain", parameters={"gain_db": 3.0}))
    assert "## 1. ~~Limiter~~ (off)" in text and "## 2. Gain" in text
    assert "−6.0" not in text and "LUFS" not in text
    assert "LUFS" in sheet(Effect("limiter", parameters={"threshold_db": -6.0}))


@pytest.mark.parametrize("type", PROCESSORS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_effect_has_a_place_in_every_format(type: str, format: str) -> None:
    """Written, or said not to be: never dropped in silence."""
    processor = PROCESSORS[type]
    chain = EffectChain((Effect(type, parameters=processor.draw(np.random.default_rng(2))),))
    exported = export(chain, format)
    if format == "json":
        assert EffectChain.from_json(exported.text) == chain
        return
    written = exported.text not in ("anull\n", "# Effect chain\n")
    assert written or any(type in note for note in exported.notes)
    export(EffectChain((Effect(type),)), format)  # at its neutral setting


def test_musical_lengths() -> None:
    assert nearest_note(500.0, 120.0) == ("1/4", 500.0)
    assert nearest_note(333.0, 120.0) == ("1/4 triplet", pytest.approx(1000.0 / 3.0))
    assert nearest_note(181.0, 125.0) == ("1/16 dotted", 180.0)


@pytest.mark.parametrize(("drive_db", "hardness"), [(3.0, 0.0), (12.0, 0.0), (24.0, 0.5), (36.0, 1.0)])
def test_typical_makeup_is_what_the_distortion_does_to_noise(drive_db: float, hardness: float) -> None:
    noise = np.random.default_rng(0).standard_normal((2, 50_000))
    noise *= 10.0 ** (CALIBRATION_DBFS / 20.0) / np.sqrt(np.mean(noise**2))
    out = Distortion().reference(noise, 44_100, drive_db=drive_db, hardness=hardness, bias=0.0)
    small = np.argsort(np.abs(noise[0]))[:500]  # there the curve's slope is 1 before the make-up
    gain = np.sum(out[0][small] * noise[0][small]) / np.sum(noise[0][small] ** 2)
    # 2 % of linear range are left at 36 dB: 0.1 dB
    assert 20.0 * np.log10(gain) == pytest.approx(typical_makeup_db(drive_db, hardness), abs=0.1)


def test_room_file_is_the_room(tmp_path: Path) -> None:
    effect = Effect("reverb", parameters={"seed": 4.0, "decay_seconds": 0.4, "wet": 1.0, "predelay_ms": 5.0})
    path = write_room(effect, 3, tmp_path / "new", 22_050)
    response, rate = io.read(path)
    click = np.zeros((2, response.shape[1]))
    click[:, 0] = 1.0
    assert rate == 22_050
    assert np.abs(EffectChain((effect,)).apply(click, rate) - response).max() < 1e-6
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        write_room(effect, 3, tmp_path / "file" / "below", 22_050)


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    """A folder with one recorded room, ``hall|1.wav``."""
    (tmp_path / "rooms").mkdir()
    noise = np.random.default_rng(0).standard_normal((2, 9_000)) * np.exp(-np.arange(9_000) / 1_500.0)
    io.write(tmp_path / "rooms" / "hall|1.wav", (0.1 * noise).astype(np.float32), 44_100)
    return tmp_path / "rooms"


def test_a_recorded_room_is_named_in_every_format(hall: Path) -> None:
    chain = EffectChain((Effect("reverb", True, {"wet": 0.5, "predelay_ms": 12.0}, "hall|1"),))
    text = export(chain, "sheet").text
    assert r"| room | `hall\|1` |" in text and "| pre-delay | 12 ms |" in text and "| mix | 50 % |" in text
    assert "decay |" not in text and "number" not in text
    assert json.loads(export(chain, "json").text)["processors"][0]["parameters"]["ir"] == "hall|1"
    code = export(chain, "pedalboard").text
    assert "# Left out: the recorded room 'hall|1'" in code and "--rooms" in code and "Convolution" not in code
    line, notes = export(chain, "ffmpeg")
    assert line == "anull\n" and "'hall|1'" in notes[0] and "--write-rooms" in notes[0]
    as_it_is = export(chain.with_rooms(hall), "pedalboard").text
    assert f"Convolution('{hall.as_posix()}/hall|1.wav'" in as_it_is and "pre-delay of 12.0 ms is left out" in as_it_is


def test_a_room_cannot_be_written_that_is_not_there(hall: Path, tmp_path: Path) -> None:
    chain = EffectChain((Effect("reverb", True, {"wet": 0.5}, "hall|1"),))
    for format in ("pedalboard", "ffmpeg"):
        with pytest.raises(PresetError, match="no folder of rooms was given"):
            export(chain, format, write_rooms=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="gain has no room"):
        write_room(Effect("gain"), 1, tmp_path, 44_100)


def test_command_writes_recorded_rooms(hall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = EffectChain((Effect("reverb", True, {"wet": 0.5, "predelay_ms": 12.0}, "hall|1"),))
    chain.save(tmp_path / "c.json")
    rooms = ["--rooms", str(hall), "--write-rooms", str(tmp_path / "out")]
    assert main(["export", str(tmp_path / "c.json"), "-f", "pedalboard", *rooms, "--sample-rate", "32000"]) == 0
    assert f"Convolution('{tmp_path.as_posix()}/out/room-1-32000hz.wav'" in capsys.readouterr().out
    written, rate = io.read(tmp_path / "out" / "room-1-32000hz.wav")
    late = np.abs(written).max(axis=0)
    assert rate == 32_000 and np.argmax(late > 0.1 * late.max()) == pytest.approx(0.012 * rate, abs=20)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "vst"}, "there are: sheet, pedalboard, ffmpeg, json"),
        ({"format": "sheet", "tempo_bpm": 0.0}, "tempo"),
        ({"format": "ffmpeg", "sample_rate": 0}, "sample rate"),
    ],
)
def test_refusals(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        export(EffectChain(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", FORMATS)
def test_command(format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = draw_chain(np.random.default_rng(0), len(TRAINING_TYPES))
    chain.save(tmp_path / "chain.json")
    assert main(["export", str(tmp_path / "chain.json"), "--format", format]) == 0
    printed = capsys.readouterr()
    expected = export(chain, format)
    assert printed.out == expected.text
    assert printed.err.count("\n") == len(expected.notes)
    assert main(["export", str(tmp_path / "chain.json"), "-f", format, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == expected.text


def test_command_takes_an_amount_and_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chain.json"
    EffectChain((Effect("gain", parameters={"gain_db": 6.0}),)).save(path)
    assert main(["export", str(path), "-f", "json", "--amount", "0.5"]) == 0
    assert json.loads(capsys.readouterr().out)["processors"][0]["parameters"]["gain_db"] == 3.0
    assert main(["export", str(path), "-f", "vst"]) == 2
    assert "sheet" in capsys.readouterr().err
    assert main(["export", str(path), "-o", str(tmp_path / "missing" / "out.md")]) == 1
    assert "cannot be written" in capsys.readouterr().err
