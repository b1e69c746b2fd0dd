"""An exported graph in onnxruntime against torch: other batches and lengths than those it was made with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import RATE, make

from fxlens.audio.loudness import normalize_loudness
from fxlens.errors import MissingExtraError, OutputError, UsageError
from fxlens.models import onnx_export
from fxlens.models.backbone import BackboneConfig
from fxlens.models.clip_reader import ClipReader
from fxlens.models.frontend import FrontendConfig, LogMel
from fxlens.models.frontend_products import LogMelProducts
from fxlens.models.fx_encoder import FxEncoder

PARITY = 1e-4


@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(),
        FrontendConfig(n_mels=128, f_min_hz=30.0, f_max_hz=20000.0, channels="lrms", hop_length=1024),
        FrontendConfig(n_fft=1000, hop_length=300, n_mels=20, f_max_hz=22050.0),
        FrontendConfig(n_fft=1023, hop_length=441, n_mels=20),
        FrontendConfig(n_mels=128, f_max_hz=20000.0, channels="lrms", hop_length=1024, wave=True),
    ],
    ids=["paper", "rich", "even", "odd", "wave"],
)
@pytest.mark.parametrize("samples", [2048, 44100, 51234])
def test_the_spectrogram_as_products(config: FrontendConfig, samples: int) -> None:
    audio = 0.1 * torch.randn(2, 2, samples, generator=torch.Generator().manual_seed(0))
    audio[1] *= 1e-3
    products, exact = LogMelProducts(config)(audio), LogMel(config)(audio)
    assert products.shape == exact.shape
    assert float((products - exact).abs().max()) < 2e-5  # 0.001 dB


def session(path: Path) -> tuple[object, dict[str, str]]:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return opened, opened.get_modelmeta().custom_metadata_map


def compare(encoder: FxEncoder, path: Path, with_query: bool) -> None:
    opened, _ = session(path)
    shortest = onnx_export.shortest_samples(encoder)
    g = torch.Generator().manual_seed(1)
    for batch, samples in ((1, shortest), (2, 3 * shortest + 1), (5, shortest + 777)):
        audio = 0.2 * torch.randn(batch, 2, samples, generator=g)
        query = torch.nn.functional.normalize(torch.randn(batch, encoder.config.query_dim, generator=g), dim=1)
        feed = {"audio": audio.numpy()} | ({"query": query.numpy()} if with_query else {})
        (found,) = opened.run(None, feed)  # type: ignore[attr-defined]
        with torch.no_grad():
            expected = encoder(audio, query if with_query else None).numpy()
        assert found.shape == (batch, encoder.embedding_dim)
        np.testing.assert_allclose(found, expected, rtol=0, atol=PARITY)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("extractor", "backbone", "instrument"),
    [
        ("mask", "resnet", True),
        pytest.param("measured", "resnet", False, marks=pytest.mark.slow),
        pytest.param("mask", "resnet", False, marks=pytest.mark.slow),
        pytest.param("mlp", "cnn14", True, marks=pytest.mark.slow),
        pytest.param("attention", "resnet", True, marks=pytest.mark.slow),
    ],
)
def test_parity(extractor: str, backbone: str, instrument: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra [onnx]")
    # Wider than the tiny one: a group normalisation over two channels blows rounding up a hundred times.
    torch.manual_seed(0)
    config = dataclasses.replace(
        make("mask" if extractor == "measured" else extractor).config,
        backbone=BackboneConfig(backbone, 8),  # type: ignore[arg-type]
        statistics=extractor in ("mask", "measured"),
    )
    if extractor == "measured":
        config = dataclasses.replace(config, frontend=dataclasses.replace(config.frontend, wave=True))
    encoder = FxEncoder(config).eval()
    for module in encoder.modules():
        if isinstance(module, ClipReader):  # a fresh one says nothing
            torch.nn.init.normal_(module.net[-1].weight, std=0.3)
    encoder.metadata = {"license": "apache-2.0"}
    path = encoder.export_onnx(tmp_path / "deep" / "fx.onnx", instrument=instrument)
    assert [file.name for file in path.parent.iterdir()] == ["fx.onnx"]
    compare(encoder, path, instrument)
    _, facts = session(path)
    assert facts["model_id"] == encoder.model_id and facts["sample_rate"] == str(RATE)
    assert facts["licence"] == "apache-2.0" and facts["window_seconds"] == "1"
    assert facts["embeds"] == ("instrument" if instrument else "mixture")


@pytest.mark.slow
def test_the_shipped_model_with_a_fixed_query_gives_the_numbers_of_encode(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra [onnx]")
    encoder = FxEncoder.from_pretrained()
    path = encoder.export_onnx(tmp_path / "drums.onnx", query="drums")
    opened, facts = session(path)
    assert facts["query"] == "drums" and [one.name for one in opened.get_inputs()] == ["audio"]  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    clip = (np.exp(-(np.arange(441000) % 22050) / 4000) * rng.standard_normal((2, 441000))).astype(np.float32)
    level = float(facts["input_lufs"])
    audio = np.asarray(normalize_loudness(clip, 44100, level)[0], np.float32)
    (found,) = opened.run(None, {"audio": audio[None]})  # type: ignore[attr-defined]
    np.testing.assert_allclose(found[0], encoder.encode(clip, 44100, query="drums"), rtol=0, atol=PARITY)


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    onnx = pytest.importorskip("onnx")
    wrong = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[N, 2, T] audio) => (float[N, 16] embedding)'
        " { shape = Shape<start = 0, end = 1>(audio) dim = Constant<value = int64[1] {16}>()"
        " both = Concat<axis = 0>(shape, dim) embedding = ConstantOfShape(both) }"
    )
    encoder = make("none")
    monkeypatch.setattr(onnx_export, "_packages", lambda: (onnx, runtime))
    monkeypatch.setattr(onnx_export, "_exported", lambda *_: wrong)
    with pytest.raises(OutputError, match=r"differs from torch by .*nothing was written"):
        encoder.export_onnx(tmp_path / "fx.onnx")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not both"):
        make().export_onnx(tmp_path / "x.onnx", instrument=True, query="drums")
    monkeypatch.setattr(onnx_export, "_packages", lambda: (None, None))
    with pytest.raises(UsageError, match="no extractor"):
        make("none").export_onnx(tmp_path / "x.onnx", instrument=True)
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"fxlens\[onnx\]"):
        make().export_onnx(tmp_path / "x.onnx")
