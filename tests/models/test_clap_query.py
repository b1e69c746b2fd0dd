"""CLAP through its real loading code, with a tiny random checkpoint that the test saves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers")

from fxlens.errors import MissingExtraError, ModelUnavailableError, UsageError  # noqa: E402
from fxlens.models import clap_query  # noqa: E402
from fxlens.models.clap_query import ClapQueryEncoder, prompted  # noqa: E402
from fxlens.models.instrument_query import load_query_encoder  # noqa: E402

RATE = 48000


def save_tokenizer(folder: Path) -> int:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    spoken = "this is the sound of vocals drums lead a man singing softly trumpet"
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *spoken.split(" ")]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        mask_token="<mask>", model_max_length=77,
    )  # fmt: skip
    fast.save_pretrained(folder)
    return len(words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clap")
    size = save_tokenizer(place)
    audio = dict(
        spec_size=256, num_mel_bins=64, window_size=8, depths=[1, 1], num_attention_heads=[2, 2],
        patch_embeds_hidden_size=16, hidden_size=32,
    )  # fmt: skip
    text = dict(
        vocab_size=size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=100, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    transformers.ClapModel(config).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ClapQueryEncoder:
    loaded = load_query_encoder(f"clap:{folder}")
    assert isinstance(loaded, ClapQueryEncoder)
    return loaded


def sound(seconds: float, seed: int) -> torch.Tensor:
    return 0.1 * torch.randn(1, 2, round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def test_text(encoder: ClapQueryEncoder) -> None:
    vectors = encoder.embed_text(["vocals", "drums", "a man singing softly"])
    assert vectors.shape == (3, encoder.dim) == (3, 24)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)
    assert not vectors.requires_grad
    assert torch.equal(vectors[1:2], encoder.embed_text(["drums"])), "no item of a batch may see another"
    assert torch.equal(encoder.embed_text(["this is the sound of vocals"]), vectors[:1])
    with pytest.raises(UsageError):
        encoder.embed_text([""])


def test_text_equals_transformers(encoder: ClapQueryEncoder, folder: Path) -> None:
    model = transformers.ClapModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)("this is the sound of drums", return_tensors="pt")
    with torch.no_grad():
        hidden = model.text_model(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        expected = torch.nn.functional.normalize(model.text_projection(hidden), dim=-1)
    assert torch.allclose(encoder.embed_text(["drums"]), expected, atol=1e-6)


def test_audio_is_the_same_at_every_call(encoder: ClapQueryEncoder) -> None:
    """The feature extractor crops at random beyond ten seconds; ours never lets it."""
    long = sound(23.0, 1)
    first = encoder.embed_audio(long, RATE)
    for _ in range(3):
        assert torch.equal(encoder.embed_audio(long, RATE), first)
    assert first.shape == (1, 24) and float(first.norm()) == pytest.approx(1.0, abs=1e-5)
    both = encoder.embed_audio(torch.cat([long, sound(23.0, 2)]), RATE)
    assert torch.equal(both[:1], first)
    assert not torch.allclose(both[1], both[0], atol=1e-4)


def test_extractor_never_crops(encoder: ClapQueryEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    extractor = encoder._extractor

    def spy(clips, **options):
        seen.extend(len(clip) for clip in clips)
        return extractor(clips, **options)

    monkeypatch.setattr(encoder, "_extractor", spy)
    encoder.embed_audio(sound(12.0, 3)[..., : 12 * 44100], 44100)
    assert seen == [480000, 480000]
    assert extractor.frequency_min == 50 and extractor.truncation == "rand_trunc"


def test_works_in_training_mode_of_its_owner(encoder: ClapQueryEncoder) -> None:
    """Dropout inside CLAP must stay off when the model around it trains."""
    expected = encoder.embed_text(["drums"])
    encoder.train()
    assert torch.equal(encoder.embed_text(["drums"]), expected)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_id_follows_the_weights(encoder: ClapQueryEncoder, folder: Path, tmp_path: Path) -> None:
    assert encoder.query_id == ClapQueryEncoder.load(str(folder)).query_id
    import shutil

    other = tmp_path / folder.name
    shutil.copytree(folder, other)
    model = transformers.ClapModel.from_pretrained(other)
    with torch.no_grad():
        model.logit_scale_a.add_(1.0)
    model.save_pretrained(other)
    assert ClapQueryEncoder.load(str(other)).query_id != encoder.query_id


def test_prompt() -> None:
    assert prompted("vocals") == "this is the sound of vocals"
    assert prompted("Lead_Vocals") == "this is the sound of lead vocals"
    assert prompted("this is the sound of vocals") == "this is the sound of vocals"
    assert prompted("a man singing softly") == "a man singing softly"


def test_offline_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*args: object, **options: object) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModelUnavailableError, match=r"hf download .*clap:clap"):
        load_query_encoder("clap")


def test_hub_name_is_loaded_from_its_snapshot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(folder))
    encoder = ClapQueryEncoder.load("org/tiny")
    assert encoder.query_id.startswith("clap-tiny-")


def test_broken_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match=r"no model\.safetensors; expected"):
        ClapQueryEncoder.load(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelUnavailableError, match=r"could run code.*save_pretrained"):
        ClapQueryEncoder.load(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelUnavailableError, match="not a CLAP checkpoint"):
        ClapQueryEncoder.load(str(tmp_path))


def test_transformers_is_an_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clap_query, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"fxlens\[clap\]"):
        ClapQueryEncoder.load(str(folder))


def test_default_checkpoint_is_the_papers() -> None:
    assert clap_query.DEFAULT_CHECKPOINT == "laion/clap-htsat-unfused"
