"""docs/bad-input.md says what fxlens says."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input_page import PAGE, page
from tiny_serving import write_model

from fxlens.models.fx_encoder import FxEncoder


@pytest.mark.skipif(not PAGE.parent.is_dir(), reason="there are no docs here")
@pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")
def test_the_page_is_that_of_the_cases(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    written = page(FxEncoder.from_pretrained(write_model(tmp_path / "tiny")), tmp_path / "songs")
    assert PAGE.read_text(encoding="utf-8") == written, "write it again: python tests/contracts/bad_input_page.py"
