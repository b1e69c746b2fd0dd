"""Short calls of ``apply``, ``info``, ``models``, ``data`` and ``import-official``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from short_files import write

import fxlens
from fxlens.audio import io
from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.models.fx_encoder import FxEncoder


@pytest.mark.parametrize(
    ("source", "subtype", "target", "expected"),
    [
        ("in.wav", "PCM_16", "out.wav", "PCM_16"),
        ("in.wav", "PCM_24", "out.flac", "PCM_24"),
        ("in.wav", "FLOAT", "out.wav", "FLOAT"),
        ("in.wav", "FLOAT", "out.flac", "PCM_24"),
        ("in.ogg", "VORBIS", "out.wav", "FLOAT"),
        ("in.flac", "PCM_16", "out.ogg", "VORBIS"),
    ],
)
def test_apply_keeps_rate_and_sample_format(
    tmp_path: Path, source: str, subtype: str, target: str, expected: str
) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 440.0 * np.arange(22050) / 22050)
    soundfile.write(tmp_path / source, np.stack([tone, -tone], axis=1), 22050, subtype=subtype)
    chain = EffectChain((Effect("gain", parameters={"gain_db": -6.0}),))
    chain.save(tmp_path / "chain.json")
    call = ["apply", str(tmp_path / "chain.json"), str(tmp_path / source), "-o", str(tmp_path / target)]
    assert main(call) == 0
    found = io.probe(tmp_path / target)
    assert (found.sample_rate, found.channels, found.subtype) == (22050, 2, expected)
    dry, wet = io.read(tmp_path / source)[0], io.read(tmp_path / target)[0]
    ratio = np.sqrt(np.mean(wet**2) / np.mean(dry**2))
    assert 20 * np.log10(ratio) == pytest.approx(-6.0, abs=0.1)


def test_apply_warns_of_mono_and_clipping_in_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.wav", channels=1)
    EffectChain((Effect("gain", parameters={"gain_db": 12.0}),)).save(tmp_path / "chain.json")
    call = ["apply", str(tmp_path / "chain.json"), str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
    assert main(call) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "in.wav: mono" in lines[0] and "out.wav: peaks of" in lines[1]


def test_apply_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.wav")
    (tmp_path / "chain.json").write_text("{}")
    EffectChain().save(tmp_path / "good.json")

    def call(chain: str, source: str, target: str) -> int:
        return main(["apply", str(tmp_path / chain), str(tmp_path / source), "-o", str(tmp_path / target)])

    assert call("chain.json", "in.wav", "out.wav") == 2
    assert call("no.json", "in.wav", "out.wav") == 2
    assert call("good.json", "no.wav", "out.wav") == 1
    assert call("good.json", "in.wav", "out.txt") == 2
    assert call("good.json", "in.wav", "no/out.wav") == 1
    assert all(line.startswith("fxlens: ") for line in capsys.readouterr().err.splitlines())


def test_info(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["fxlens"] == fxlens.__version__ and facts["torch"] == torch.__version__
    assert main(["info", model]) == 0
    assert FxEncoder.from_pretrained(model).model_id in capsys.readouterr().out
    EffectChain((Effect("gain", parameters={"gain_db": -6.0}),)).save(tmp_path / "chain.json")
    assert main(["info", str(tmp_path / "chain.json")]) == 0
    assert "gain_db -6" in capsys.readouterr().out
    assert main(["info", str(write(tmp_path / "in.wav"))]) == 0
    assert "WAV PCM_16" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "no.wav")]) == 1
    assert main(["info", str(tmp_path / "no-model")]) == 4


def test_models(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", str(Path(model).parent)]) == 0
    assert f"{model}\ttiny\tqueries: offline" in capsys.readouterr().out
    assert main(["models", model + "-not"]) == 4


def test_prepare_lists_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs, manifest = tmp_path / "songs", tmp_path / "manifest.jsonl"
    for song in ("one", "two"):
        (songs / song).mkdir(parents=True)
        write(songs / song / "bass.wav", seconds=4.0)
    (songs / "one" / "broken.wav").write_text("no audio")
    call = ["data", "prepare", str(songs), "-o", str(manifest), "--validation-share", "0.5"]
    assert main(call) == 3
    streams = capsys.readouterr()
    assert "2 songs (1 train, 1 validation)" in streams.out and "broken.wav" in streams.err
    assert len(manifest.read_text().splitlines()) == 2
    listed = tmp_path / "manifest.jsonl.errors.jsonl"
    assert json.loads(listed.read_text())["path"].endswith("broken.wav")
    (songs / "one" / "broken.wav").unlink()
    assert main(call) == 0 and not listed.exists()


def test_midi_wants_a_soundfont_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["data", "midi", str(tmp_path), "-o", str(tmp_path / "out"), "--soundfont", "none.sf2"]
    assert main(call) == 1
    assert capsys.readouterr().err.startswith("fxlens: ")


def test_import_official_wants_that_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-official", str(tmp_path / "x.pt"), "-o", str(tmp_path / "model")]) == 4
    assert "x.pt: no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_synthesised_songs_can_be_prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs, manifest = tmp_path / "songs", tmp_path / "manifest.jsonl"
    assert main(["data", "synth", "-o", str(songs), "--songs", "2", "--seconds", "4"]) == 0
    assert main(["data", "prepare", str(songs), "-o", str(manifest)]) == 0
    assert "2 songs (2 train), 14 stems" in capsys.readouterr().out
