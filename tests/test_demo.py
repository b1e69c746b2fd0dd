"""The demonstration with an untrained model: what is written, what is measured, what is refused."""

from __future__ import annotations

import builtins
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fxlens.demo as demo
from fxlens.audio import io
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.demo.chain_words import chain_words
from fxlens.demo.movement import Embedded, cosine_distance, embed, moved, yardstick
from fxlens.demo.scene import LEAST_STRONG, Scene, draw_strong_chain, song_scene
from fxlens.demo.stem_files import _busiest_start, instruments_of, stem_scene
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.registry import PROCESSORS
from fxlens.errors import (
    AudioMissingError,
    AudioSilentError,
    ModelUnavailableError,
    OutputError,
    UsageError,
)
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig
from fxlens.models.instrument_query import load_query_encoder

RATE = 44100
PNG = b"\x89PNG\r\n\x1a\n"
INSTRUMENTS = ("vocals", "drums", "bass", "electric piano", "synth")


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    torch.manual_seed(1)
    encoder = FxEncoder(
        FxEncoderConfig(
            name="tiny",
            frontend=FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=16000.0, channels="lrms"),
            backbone=BackboneConfig(name="resnet", width=8),
            projection_dims=(32, 16),
            extractor=ExtractorConfig(name="mask", query_dropout=(0.0, 0.3)),
            query_encoder="offline",
            query_dim=64,
            window_seconds=1.0,
        )
    )
    assert encoder.extractor is not None
    with torch.no_grad():  # so that queries matter although nothing was trained
        for parameter in encoder.extractor.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    encoder.attach_query_encoder(load_query_encoder("offline"))
    return encoder.eval()


@pytest.fixture(scope="module")
def model(encoder: FxEncoder, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    encoder.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stems")
    song = synthesize_song(2, 5.0, RATE, ["drums", "bass", "keys", "pad"])
    names = {"drums": "01_Drums.wav", "bass": "Bass DI.wav", "keys": "rhodes.wav", "pad": "other.wav"}
    for name, file in names.items():
        io.write(folder / file, song[name], RATE)
    return {name: folder / file for name, file in names.items()}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return song_scene(0, RATE, seconds=5.0)


@pytest.fixture(autouse=True)
def short_song(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "song_scene", partial(song_scene, seconds=5.0))


def test_the_song(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = demo.run(tmp_path / "new" / "out", model=model, seed=0)
    assert result.instruments == result.rows == INSTRUMENTS
    assert result.distances.shape == (5, 6) and result.yardstick.shape == (6,)
    assert np.isfinite(result.distances).all() and (result.distances > 1e-6).any(axis=0).all()
    assert np.ptp(result.distances[:, 1:], axis=1).max() > 1e-6  # the columns are not one number
    assert (result.yardstick > 0.0).all() and result.windows == 9 and result.pairs == 28
    # Nothing is written but what the result names, and no half a file.
    there = {path for path in result.output.rglob("*") if path.is_file()}
    assert there == {*result.files.values(), result.output / "result.json"}
    assert result.files["picture"].read_bytes()[:8] == PNG

    chains = {name: EffectChain.load(result.output / "chains" / f"{name}.json") for name in ("drums", "vocals")}
    assert chains["drums"] == EffectChain()
    assert [effect.type for effect in chains["vocals"].effects] == ["compressor", "delay"]
    assert len(EffectChain.load(result.output / "chains" / "drums-changed.json").effects) == 3

    said = json.loads((result.output / "result.json").read_text())
    assert np.allclose(said["distances"], result.distances)
    assert said["rows_right"] == sum(a == b for a, b in said["moved_most"].items()) == result.rows_right
    printed = capsys.readouterr()
    assert f"moved most in {result.rows_right} of 5 rows" in printed.out and "Embedding" not in printed.out
    assert "Embedding mixture.wav (1 of 6)" in printed.err
    table = [line for line in printed.out.splitlines() if "*" in line and "0." in line and "x" in line]
    assert len(table) == 5 and len({len(line.rstrip()) for line in table}) <= 2  # aligned

    # The numbers come again from what was written.
    with np.load(result.files["embeddings"]) as stored:
        rows = {key: stored[key] for key in stored.files}
    assert rows["embedding"].shape == (6 * 9 * 6, 16) and str(rows["model"]) == result.model_id

    def of(path: str, query: str) -> np.ndarray:
        return rows["embedding"][(rows["path"] == path) & (rows["query"] == query)]

    bass = cosine_distance(of("mixture.wav", "drums"), of("mixture-bass-changed.wav", "drums")).mean()
    assert bass == pytest.approx(result.distances[2, 2], abs=1e-9)


def test_the_same_seed_gives_the_same(model: str, stems: dict[str, Path], tmp_path: Path) -> None:
    files = [stems["drums"], stems["bass"]]
    one, two, other = (demo.run(tmp_path / str(i), files, model, seed) for i, seed in enumerate((3, 3, 4)))
    assert np.array_equal(one.distances, two.distances) and one.words == two.words
    assert np.array_equal(io.read(one.files["mixture"])[0], io.read(two.files["mixture"])[0])
    assert one.words != other.words and not np.allclose(one.distances, other.distances)


def test_only_the_changed_instrument_changes(scene: Scene) -> None:
    wet = scene.wet()
    chain = draw_strong_chain(np.random.default_rng(0), stereo=False)
    part = scene.parts[2]
    before = scene.mixture(wet)
    after = scene.mixture(wet | {part.instrument: part.wet(RATE, chain)})
    # Both are the same other tracks and one that differs, at a common gain: take it out by least squares.
    silent = wet | {part.instrument: np.zeros_like(part.dry)}
    rest = scene.mixture(silent).ravel().astype(np.float64)
    alone = [w.ravel().astype(np.float64) for w in (wet[part.instrument], part.wet(RATE, chain))]
    for mixture, own in zip((before, after), alone, strict=True):
        basis = np.stack((rest, own), axis=1)
        solution, *_ = np.linalg.lstsq(basis, mixture.ravel().astype(np.float64), rcond=None)
        error = mixture.ravel() - basis @ solution
        assert np.square(error).mean() < 1e-9 * np.square(mixture).mean()


def test_an_unchanged_mixture_does_not_move(encoder: FxEncoder, scene: Scene) -> None:
    first, again = (embed(encoder, scene.mixture(scene.wet()), RATE, ["bass", "drums"], 0.5) for _ in range(2))
    assert np.abs(moved(first, again)).max() < 1e-6
    lengths, pairs = yardstick(first)
    assert pairs == 28 and (lengths > 1e-4).all()


def test_moved_and_yardstick_by_hand() -> None:
    def embedded(angles: list[float], starts: list[float]) -> Embedded:
        vectors = np.array([[[np.cos(a), np.sin(a)]] for a in angles], dtype=np.float32)
        return Embedded(vectors, np.array([[start, start + 1.0] for start in starts]))

    before = embedded([0.0, 0.3, 1.0], [0.0, 0.5, 1.0])
    after = embedded([0.5, 1.4], [0.0, 1.0])  # the window at 0.5 s is silent here
    expected = (2.0 - np.cos(0.5) - np.cos(0.4)) / 2.0
    assert moved(before, after) == pytest.approx([expected], abs=1e-6)
    assert yardstick(before) == (pytest.approx([1.0 - np.cos(1.0)], abs=1e-6), 1)  # the others overlap
    assert np.isnan(moved(before, embedded([0.0], [7.0]))).all()


def test_stems_from_files(model: str, stems: dict[str, Path], tmp_path: Path) -> None:
    result = demo.run(tmp_path, list(stems.values()), model)
    assert result.instruments == ("drums", "bass", "electric piano")  # other stays, unasked
    assert result.distances.shape == (3, 4)
    assert {was for was, _ in result.words.values()} == {"as recorded"}
    # Levels and effects are those of the files: the mixture is their sum at another gain.
    total = sum(io.read(path)[0].astype(np.float64) for path in stems.values())
    mixture = io.read(result.files["mixture"])[0].astype(np.float64)
    assert np.corrcoef(mixture.ravel(), total.ravel())[0, 1] > 1 - 1e-6


def test_stems_of_one_class_become_one(stems: dict[str, Path], tmp_path: Path) -> None:
    snare = tmp_path / "snare.wav"
    audio, _ = io.read(stems["keys"])
    io.write(snare, audio[:1, :RATE], RATE)  # shorter and mono
    scene = stem_scene([stems["drums"], snare, stems["bass"]], RATE)
    drums = scene.parts[0]
    assert drums.sources == ("01_Drums.wav", "snare.wav") and drums.dry.shape == (2, 5 * RATE)
    kit, _ = io.read(stems["drums"])
    assert np.allclose(drums.dry[:, :RATE] - kit[:, :RATE], audio[0, :RATE], atol=1e-6)
    assert np.array_equal(drums.dry[:, RATE:], kit[:, RATE:])


def test_the_busiest_excerpt() -> None:
    masks = [np.zeros(60, dtype=bool), np.ones(50, dtype=bool)]
    masks[0][20:40] = True
    assert _busiest_start(masks, 20) == 20
    assert _busiest_start(masks, 60) == 0


def test_one_mixture(model: str, stems: dict[str, Path], tmp_path: Path) -> None:
    result = demo.run(tmp_path, [stems["drums"]], model)
    assert result.mode == "mixture" and result.instruments == demo.QUERIES
    n = 1 + len(demo.QUERIES)
    assert result.distances.shape == (n, n) and np.allclose(result.distances, result.distances.T)
    assert (np.diag(result.distances) == 0.0).all() and np.ptp(result.distances) > 1e-6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.png", "embeddings.npz", "result.json"]
    assert result.report().endswith(f"Written to {tmp_path}") and "of 30 distances" in result.verdict()


def test_shorter_than_two_windows(model: str, stems: dict[str, Path], tmp_path: Path) -> None:
    short = []
    for name in ("drums", "bass"):
        short.append(tmp_path / f"{name}.wav")
        io.write(short[-1], io.read(stems[name])[0][:, : int(1.2 * RATE)], RATE)
    result = demo.run(tmp_path / "stems", short, model)
    assert result.pairs == 0 and np.isnan(result.yardstick).all() and np.isfinite(result.distances).all()
    assert result.rows_right_in_yardsticks is None and "none, the recording is" in result.report()
    assert json.loads((tmp_path / "stems" / "result.json").read_text())["yardstick"] == [None] * 3
    assert "no yardstick" in demo.run(tmp_path / "mixture", short[:1], model).verdict()


def test_without_matplotlib(
    model: str,
    stems: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    result = demo.run(tmp_path, [stems["drums"], stems["bass"]], model)
    assert "picture" not in result.files and (tmp_path / "result.json").is_file()
    assert "pip install 'fxlens[plot]'" in capsys.readouterr().err


def test_what_is_refused(model: str, stems: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(AudioMissingError, match=r"gone\.wav.*no such file"):
        demo.run(tmp_path, [stems["drums"], tmp_path / "gone.wav"], model)
    with pytest.raises(ModelUnavailableError, match="nowhere"):
        demo.run(tmp_path, [], str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="seed"):
        demo.run(tmp_path, [], model, seed=-1)
    with pytest.raises(UsageError, match=r"xyzzy\.wav: its name says no instrument"):
        instruments_of([Path("drums.wav"), Path("xyzzy.wav")])
    with pytest.raises(UsageError, match=r"1 instrument \(drums\)"):
        instruments_of([Path("drums.wav"), Path("snare.wav")])
    silent = tmp_path / "vocals.wav"
    io.write(silent, np.zeros((2, RATE), dtype=np.float32), RATE)
    with pytest.raises(AudioSilentError, match=r"vocals\.wav"):
        demo.run(tmp_path, [stems["drums"], silent], model)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        demo.run(tmp_path / "file", [stems["drums"]], model)


def test_strong_chains_are_strong_and_leave_mono_alone() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        chain = draw_strong_chain(rng, stereo=False)
        types = [effect.type for effect in chain.effects]
        assert len(set(types)) == 3 and "stereo_imager" not in types
        assert min(effect.amount() for effect in chain.effects) >= LEAST_STRONG
    types = {effect.type for effect in draw_strong_chain(rng, stereo=True, present={"delay", "reverb"}).effects}
    assert types == {"equalizer", "distortion", "stereo_imager"}
    assert any(
        effect.type == "stereo_imager" for _ in range(20) for effect in draw_strong_chain(rng, stereo=True).effects
    )


def test_stereo_is_noticed(scene: Scene) -> None:
    assert {part.instrument: part.is_stereo for part in scene.parts} == {
        "vocals": False,
        "drums": True,
        "bass": False,
        "electric piano": True,
        "synth": False,
    }


def test_every_effect_has_words() -> None:
    for name in PROCESSORS:
        assert chain_words(EffectChain((Effect(name),))) != ""
    equalizer = Effect("equalizer", parameters={"band0_gain_db": 6.0, "band0_cutoff_hz": 400.0})
    delay = Effect("delay", parameters={"time_ms": 120.0, "wet": 0.3})
    assert chain_words(EffectChain((equalizer, delay))) == "EQ +6 dB at 400 Hz, delay 120 ms (30 % wet)"
    assert chain_words(EffectChain((Effect("delay", enabled=False),)), "dry") == "dry"
