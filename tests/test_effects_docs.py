"""The page on the effects is the one its command writes, and says all there is to say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from fxlens.effects.registry import PROCESSORS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "effects_docs.py"
    if not path.is_file():  # tests run from an sdist, which has no tools
        pytest.skip("tools/effects_docs.py is not here")
    spec = importlib.util.spec_from_file_location("effects_docs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run `python tools/effects_docs.py`"


@pytest.mark.parametrize("type", PROCESSORS)
def test_every_processor_is_described(tool: ModuleType, type: str) -> None:
    section = tool.section(PROCESSORS[type])
    assert "    " in section  # an equation
    for parameter in PROCESSORS[type].parameters:
        assert f"| `{parameter.name}` |" in section


def test_pictures_are_there_small_and_undated(tool: ModuleType) -> None:
    linked = set(re.findall(r"\(effects/([a-z_]+\.svg)\)", tool.page()))
    there = {path.name for path in tool.PICTURES.iterdir()}
    assert linked == there and linked == {f"{type}.svg" for type in PROCESSORS if type != "gain"}
    for name in linked:
        text = (tool.PICTURES / name).read_text(encoding="utf-8")
        assert "<dc:date>" not in text and len(text) < 150_000


def test_pictures_are_the_same_every_time(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from effects_pictures import draw  # type: ignore[import-not-found]

    for name in ("first.svg", "second.svg"):
        draw("stereo_imager", tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
