"""The public checkpoint: names, shapes, arithmetic, and its own code as the judge where it is installed."""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.errors import ModelUnavailableError
from fxlens.models import official
from fxlens.models.backbone import BackboneConfig
from fxlens.models.frontend import LogMel, mel_filterbank
from fxlens.models.fx_encoder import FxEncoder

NORM = ("weight", "bias", "running_mean", "running_var")


def public_shapes(width: int = 64) -> dict[str, list[int]]:
    """Names and shapes in the state dict of the public model (0.1.5), CLAP aside; ``width`` 64 is its own."""
    top = 32 * width
    shapes: dict[str, list[int]] = {"logit_scale_m": [], "logit_scale_t": []}
    shapes["fx_encoder.spectrogram_extractor.stft.conv_real.weight"] = [1025, 1, 2048]
    shapes["fx_encoder.spectrogram_extractor.stft.conv_imag.weight"] = [1025, 1, 2048]
    shapes["fx_encoder.logmel_extractor.melW"] = [1025, 64]
    shapes |= {f"fx_encoder.bn0.{part}": [64] for part in NORM}
    shapes["fx_encoder.bn0.num_batches_tracked"] = []
    widths = [2, *(width * 2**k for k in range(6))]
    for k in range(6):
        block = f"fx_encoder.conv_block{k + 1}"
        shapes[f"{block}.conv1.weight"] = [widths[k + 1], widths[k], 3, 3]
        shapes[f"{block}.conv2.weight"] = [widths[k + 1], widths[k + 1], 3, 3]
        for norm in ("bn1", "bn2"):
            shapes |= {f"{block}.{norm}.{part}": [widths[k + 1]] for part in NORM}
            shapes[f"{block}.{norm}.num_batches_tracked"] = []
    layers = {
        "fx_encoder.fc_1": [top, top],
        "fx_encoder_transform.sequential.0": [128, 128],
        "fx_encoder_transform.sequential.3": [128, 128],
        "fx_encoder_projection.0": [128, top],
        "fx_encoder_projection.2": [128, 128],
        "extractor.fusion.0": [128, 640],
        "extractor.fusion.2": [128, 128],
        "extractor.fusion.4": [128, 128],
    }
    for name, shape in layers.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes


def public_weights(width: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in public_shapes(width).items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif "bn" in name:  # biases above 0, or the few channels would all fall silent
            weights[name] = 0.5 + torch.rand(shape, generator=rng)
        else:
            weights[name] = torch.randn(shape, generator=rng) * (2 / max(1, math.prod(shape[1:]))) ** 0.5
    bank = mel_filterbank(44100, 2048, 64, 50.0, 18000.0)
    weights["fx_encoder.logmel_extractor.melW"] = torch.from_numpy(bank.T).float()
    weights["audio_clap_model.encoder.model.logit_scale_a"] = torch.zeros(())
    weights["text_clap_model.encoder.model.logit_scale_a"] = torch.zeros(())
    return weights


def public_forward(weights: dict[str, Tensor], logmel: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """The public model's arithmetic, time before frequency, from its tensors by their names."""
    x = logmel.transpose(2, 3)
    for k in range(1, 7):
        for half in "12":
            name = f"fx_encoder.conv_block{k}"
            x = F.conv2d(x, weights[f"{name}.conv{half}.weight"], padding=1)
            scale, shift, mean, var = (weights[f"{name}.bn{half}.{part}"] for part in NORM)
            x = F.relu(F.batch_norm(x, mean, var, scale, shift))
        x = F.avg_pool2d(x, 2 if k < 6 else 1)
    x = x.mean(dim=3)
    x = F.relu(linear(weights, "fx_encoder.fc_1", x.amax(dim=2) + x.mean(dim=2)))
    x = linear(weights, "fx_encoder_projection.2", F.relu(linear(weights, "fx_encoder_projection.0", x)))
    mixture = F.normalize(x, dim=-1)
    x = torch.cat([mixture, query], dim=-1)
    for layer in "02":
        x = F.leaky_relu(linear(weights, f"extractor.fusion.{layer}", x), 0.1)
    return mixture, F.normalize(linear(weights, "extractor.fusion.4", x), dim=-1)


def linear(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """A checkpoint with the public names and a thirty-second of the width."""
    slim = dataclasses.replace(official.PAPER, backbone=BackboneConfig("cnn14", 2))
    monkeypatch.setattr(official, "PAPER", slim)
    return public_weights(2)


def clips() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(3)
    audio = torch.randn(3, 2, 44100, generator=rng) * torch.tensor([0.3, 0.01, 0.1])[:, None, None]
    return audio, F.normalize(torch.randn(3, 512, generator=rng), dim=-1)


def test_every_public_tensor_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("xavier_uniform_", "kaiming_uniform_"):  # only shapes matter, and there are 80 M values
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
    model = FxEncoder(official.PAPER)
    theirs = {name: torch.empty(shape, device="meta") for name, shape in public_shapes().items()}
    assert len(theirs) == 98
    ours = official._translated(theirs, model, Path("x.pt"))
    assert {name: t.shape for name, t in ours.items()} == {n: t.shape for n, t in model.state_dict().items()}


@pytest.mark.parametrize("wrapped", [False, True])
def test_import_computes_what_the_public_model_computes(
    narrow: dict[str, Tensor], tmp_path: Path, wrapped: bool
) -> None:
    saved = {f"module.{name}": t for name, t in narrow.items()} if wrapped else narrow
    torch.save({"epoch": 3, "state_dict": saved} if wrapped else saved, tmp_path / "public.pt")
    model = official.import_official(tmp_path / "public.pt", tmp_path / "out")
    audio, query = clips()
    mixture, instrument = public_forward(narrow, LogMel(official.PAPER.frontend)(audio), query)
    assert (mixture[0] - mixture[1]).abs().max() > 1e-3  # the comparison means something
    for encoder in (model, FxEncoder.from_pretrained(tmp_path / "out")):
        with torch.no_grad():
            assert (encoder(audio) - mixture).abs().max() < 1e-5
            assert (encoder(audio, query) - instrument).abs().max() < 1e-5
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: cc-by-nc-4.0" in card and "not for commercial use" in card


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"extractor.fusion.0.weight": None},
            "1 of 84 tensors are missing, e.g. that for extractor.layers.0.weight",
        ),
        ({"strange.weight": torch.zeros(1)}, "tensor strange.weight is not known"),
        ({"fx_encoder.fc_1.bias": torch.zeros(3)}, "fx_encoder.fc_1.bias has shape [3], expected [64]"),
        ({"fx_encoder.logmel_extractor.melW": torch.zeros(1025, 64)}, "another mel filterbank"),
        ({"fx_encoder.fc_1.bias": "text"}, "not a state dict of the public Fx-Encoder++"),
    ],
)
def test_other_checkpoints_are_refused(
    narrow: dict[str, Tensor], tmp_path: Path, change: dict[str, object], words: str
) -> None:
    changed = {name: value for name, value in {**narrow, **change}.items() if value is not None}
    torch.save(changed, tmp_path / "other.pt")
    with pytest.raises(ModelUnavailableError) as caught:
        official.import_official(tmp_path / "other.pt", tmp_path / "out")
    assert words in str(caught.value) and "other.pt" in str(caught.value)
    assert not (tmp_path / "out").exists()


class Payload:
    """Would write a file if it were unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("unpickled"),)


def test_no_code_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(ModelUnavailableError, match="holds more than tensors"):
        official.import_official(tmp_path / "evil.pt", tmp_path / "out")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04half", b"hello"])
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(ModelUnavailableError, match=r"broken.pt"):
        official.import_official(tmp_path / "broken.pt", tmp_path / "out")
    with pytest.raises(ModelUnavailableError, match="no such file"):
        official.import_official(tmp_path / "none.pt", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_against_the_public_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public class itself: ``pip install --no-deps fxencoder-plusplus`` and ``torchlibrosa``, no CLAP."""
    pytest.importorskip("torchlibrosa", reason="torchlibrosa is not installed")
    clap = types.ModuleType("laion_clap")
    monkeypatch.setitem(sys.modules, "laion_clap", clap)
    theirs = pytest.importorskip("fxencoder_plusplus.model", reason="fxencoder-plusplus is not installed")
    torch.manual_seed(0)
    public = theirs.FxEncoderPlusPlus(audio_clap_module=False, text_clap_module=False).eval()
    with torch.no_grad():
        for module in public.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0.0, 0.3)
    assert {name: list(t.shape) for name, t in public.state_dict().items()} == public_shapes()
    torch.save(public.state_dict(), tmp_path / "public.pt")
    model = official.import_official(tmp_path / "public.pt", tmp_path / "out")
    audio, query = clips()
    with torch.no_grad():
        mixture = public.get_fx_embedding(audio)
        instrument = F.normalize(public.extractor(mixture, query), dim=-1)
        assert (model(audio) - mixture).abs().max() < 1e-5
        assert (model(audio, query) - instrument).abs().max() < 1e-5
        features = public.fx_encoder(audio)["embedding"]
        ours = model.backbone(model.frontend(audio))
        assert (ours - features).abs().max() < 1e-5 * features.abs().max()
