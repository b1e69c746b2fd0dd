"""Model folders: what is saved is loaded, to the bit; what does not fit is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fxlens.errors import ModelUnavailableError, OutputError, UsageError
from fxlens.models import checkpoint
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

CONFIG = FxEncoderConfig(
    name="tiny",
    frontend=FrontendConfig(sample_rate=8000, n_fft=512, n_mels=32, f_max_hz=4000.0),
    backbone=BackboneConfig("cnn14", 2, {"dropout": 0.1}),
    projection_dims=(16,),
    extractor=ExtractorConfig("mlp", options={"hidden": 12}),
    query_dim=8,
)


def make(seed: int = 0) -> FxEncoder:
    torch.manual_seed(seed)
    encoder = FxEncoder(CONFIG).eval()
    encoder.query_id, encoder.metadata = "offline-1", {"seed": seed, "license": "apache-2.0"}
    for name, buffer in encoder.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(1e6)  # does not fit float16
    return encoder


def audio() -> torch.Tensor:
    return torch.randn(2, 2, 8000, generator=torch.Generator().manual_seed(1))


def edit(folder: Path, **changes: Any) -> None:
    head = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**head, **changes}))


def test_round_trip(tmp_path: Path) -> None:
    encoder = make()
    encoder.save_pretrained(tmp_path / "a" / "model")
    assert sorted(p.name for p in (tmp_path / "a" / "model").iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    loaded = FxEncoder.from_pretrained(tmp_path / "a" / "model")
    assert loaded.config == CONFIG and not loaded.training
    assert (loaded.query_id, loaded.metadata) == ("offline-1", encoder.metadata)
    assert loaded.model_id == encoder.model_id
    assert torch.equal(loaded(audio()), encoder(audio()))


def test_float16_is_half_as_large_and_loads_as_float32(tmp_path: Path) -> None:
    encoder = make()
    encoder.save_pretrained(tmp_path / "full")
    encoder.save_pretrained(tmp_path / "half", dtype="float16")
    large, small = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half"))
    assert small < 0.65 * large
    loaded = FxEncoder.from_pretrained(tmp_path / "half")
    assert {t.dtype for t in loaded.state_dict().values()} == {torch.float32, torch.int64}
    assert loaded.backbone.blocks[0].bn1.running_var[0] == 1e6  # type: ignore[index, union-attr]
    assert (loaded(audio()) * encoder(audio())).sum(dim=1).min() > 0.9999
    assert loaded.model_id != encoder.model_id
    loaded.save_pretrained(tmp_path / "again", dtype="float16")
    assert FxEncoder.from_pretrained(tmp_path / "again").model_id == loaded.model_id


def test_weights_too_large_for_float16(tmp_path: Path) -> None:
    encoder = make()
    with torch.no_grad():
        encoder.projection[0].weight[0, 0] = 1e5  # type: ignore[index]
    with pytest.raises(UsageError, match=r"projection.0.weight .* float16"):
        encoder.save_pretrained(tmp_path, dtype="float16")


def test_channels_last_weights_are_saved(tmp_path: Path) -> None:
    encoder = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder.save_pretrained(tmp_path)
    assert FxEncoder.from_pretrained(tmp_path).model_id == encoder.model_id == make().model_id


def test_saving_again_replaces_the_model_and_keeps_the_rest(tmp_path: Path) -> None:
    make(0).save_pretrained(tmp_path)
    (tmp_path / "metrics.csv").write_text("step\n")
    (tmp_path / "README.md").write_text("my own words\n")
    make(1).save_pretrained(tmp_path)
    assert FxEncoder.from_pretrained(tmp_path).model_id == make(1).model_id
    assert (tmp_path / "README.md").read_text() == "my own words\n"
    assert len(list(tmp_path.iterdir())) == 4


def test_card_names_the_licence(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: fxlens\n") and "\nlicense: apache-2.0\n---\n# tiny\n" in card


def test_interrupted_save_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(0).save_pretrained(tmp_path)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_text", fail)  # the new weights are there, the new config.json is not
    with pytest.raises(KeyboardInterrupt):
        make(1).save_pretrained(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ModelUnavailableError, match=r"is not the file that config\.json describes"):
        FxEncoder.from_pretrained(tmp_path)


def test_failed_save_keeps_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(0).save_pretrained(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fxlens.whole_files.os.replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        make(1).save_pretrained(tmp_path)
    monkeypatch.undo()
    assert FxEncoder.from_pretrained(tmp_path).model_id == make(0).model_id
    assert len(list(tmp_path.iterdir())) == 3


def test_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "runs" / "x", "./x", "x"):
        with pytest.raises(ModelUnavailableError) as caught:
            FxEncoder.from_pretrained(place)
        assert str(caught.value) == f"No model at {place}: expected config.json and model.safetensors"
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "runs" / "x" / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match=r"safetensors; model.safetensors is missing$"):
        FxEncoder.from_pretrained("runs/x")
    with pytest.raises(ModelUnavailableError, match=r"^No model at runs/y: expected config.json and model.safe"):
        FxEncoder.from_pretrained("runs/y")  # looks like a name on the Hub, but there is a folder runs
    (tmp_path / "a.pt").write_text("")
    with pytest.raises(ModelUnavailableError, match=r"a.pt is a file; .*import-official"):
        FxEncoder.from_pretrained(tmp_path / "a.pt")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 99}, "pip install -U fxlens"),
        ({"format": None}, "pip install -U fxlens"),
        ({"model": None}, "it has no 'model' part"),
        ({"model": {"nam": "x"}}, "did you mean name?"),
        ({"model": {**checkpoint.json.loads("{}"), "backbone": {"name": "vgg"}}}, "cnn14, resnet"),
        ({"weights": {"sha256": "0"}}, "is not the file that config.json describes"),
    ],
)
def test_config_that_does_not_fit(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    make().save_pretrained(tmp_path)
    edit(tmp_path, **changes)
    with pytest.raises(ModelUnavailableError) as caught:
        FxEncoder.from_pretrained(tmp_path)
    assert words in str(caught.value) and str(tmp_path) in str(caught.value)


def test_loading_is_strict(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    head = json.loads((tmp_path / "config.json").read_text())
    edit(tmp_path, model={**head["model"], "projection_dims": [16, 16]})
    with pytest.raises(ModelUnavailableError, match=r"projection.2.weight is missing, projection.2.bias is missing\."):
        FxEncoder.from_pretrained(tmp_path)
    edit(tmp_path, model={**head["model"], "projection_dims": [24], "extractor": {"name": "none"}})
    with pytest.raises(ModelUnavailableError, match=r"extractor.layers.0.bias is unknown, .* and \d+ more"):
        FxEncoder.from_pretrained(tmp_path)
    edit(tmp_path, model={**head["model"], "query_dim": 9})
    with pytest.raises(ModelUnavailableError, match=r"extractor.layers.0.weight is \[12, 24\], not \[12, 25\]"):
        FxEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is broken"),
        (b"\x80\x04pickle", "is broken"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run 'git lfs pull'"),
    ],
)
def test_broken_weights(tmp_path: Path, content: bytes, words: str) -> None:
    make().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelUnavailableError, match=words):
        FxEncoder.from_pretrained(tmp_path)
    make().save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailableError, match="copy or download it again"):
        FxEncoder.from_pretrained(tmp_path)


def test_broken_json(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelUnavailableError, match="cannot be read as JSON"):
        FxEncoder.from_pretrained(tmp_path)


def test_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make().save_pretrained(tmp_path / "cache")
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **arguments: Any) -> str:
        asked.update(name=name, **arguments)
        return str(tmp_path / "cache")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    loaded = FxEncoder.from_pretrained("org/name", revision="v1")
    assert loaded.model_id == make().model_id
    assert asked == {
        "name": "org/name",
        "revision": "v1",
        "allow_patterns": ["config.json", "model.safetensors", "README.md"],
    }


def test_errors_of_the_hub_are_put_into_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RuntimeError("401 Client Error.\nlots of other lines")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ModelUnavailableError, match=r"No model at org/name: .*\(401 Client Error\)$"):
        FxEncoder.from_pretrained("org/name")
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", fail)
    with pytest.raises(OutputError, match=r"org/name: the Hub did not take the model \(401 Client Error\)"):
        make().push_to_hub("org/name")


def test_push_uploads_a_loadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def upload_folder(self: object, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        assert (repo_id, commit_message) == ("org/name", "First")
        found.append(FxEncoder.from_pretrained(folder_path).model_id)

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", lambda *_, **__: "https://hub/org/name")
    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", upload_folder)
    assert make().push_to_hub("org/name", message="First") == "https://hub/org/name"
    assert found == [make().model_id]


def test_hash_sees_names_shapes_and_values() -> None:
    base = {"a": torch.arange(4.0), "b": torch.ones(2, dtype=torch.int64)}
    same = {"b": base["b"], "a": base["a"].half()}
    assert checkpoint.weights_hash(base) == checkpoint.weights_hash(same)
    others = [
        {**base, "a": base["a"].reshape(2, 2)},
        {"c": base["a"], "b": base["b"]},
        {**base, "a": torch.from_numpy(np.nextafter(base["a"].numpy(), np.float32(9)))},
    ]
    assert len({checkpoint.weights_hash(base), *map(checkpoint.weights_hash, others)}) == 4
