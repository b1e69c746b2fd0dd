"""CLAP as a system, through its real loading code, with a tiny random checkpoint that the test saves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_systems import RATE, alive, clips

from fxlens.evaluation.systems.registry import open_system
from fxlens.evaluation.systems.system import DifferentiableSystem

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models

    place = tmp_path_factory.mktemp("clap")
    words = {word: index for index, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])}
    tokens = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(place)
    audio = dict(
        spec_size=256, num_mel_bins=64, window_size=8, depths=[1, 1], num_attention_heads=[2, 2],
        patch_embeds_hidden_size=16, hidden_size=32,
    )  # fmt: skip
    text = dict(
        vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=100, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.ClapModel(transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24))
    alive(model)
    model.save_pretrained(place)
    return place


def test_it_embeds_as_the_library_does(folder: Path) -> None:
    system = open_system(f"clap:{folder}")
    at_48k = np.resize(clips(), (2, 2, 480000))
    found = system.embed(at_48k, 48000)
    extractor = transformers.ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")
    inputs = extractor(list(at_48k.mean(axis=1)), sampling_rate=48000, return_tensors="pt")
    model = transformers.ClapModel.from_pretrained(folder).eval()
    with torch.no_grad():
        made = model.get_audio_features(input_features=inputs["input_features"], is_longer=inputs["is_longer"])
    made = torch.nn.functional.normalize(getattr(made, "pooler_output", made), dim=-1).numpy()
    assert ((found * made).sum(axis=1) > 0.9999).all()


def test_effects_can_be_matched_by_it(folder: Path) -> None:
    system = open_system(f"clap:{folder}")
    assert isinstance(system, DifferentiableSystem)
    sound = torch.from_numpy(clips()[:1]).requires_grad_()
    found = system.embed_tensor(sound, RATE)
    np.testing.assert_allclose(found.detach().numpy(), system.embed(clips()[:1], RATE), atol=1e-5)
    (gradient,) = torch.autograd.grad(found[0, 0], sound)
    assert bool(torch.isfinite(gradient).all()) and float(gradient.norm()) > 0.0
