"""Loss curves as tables and pictures."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fxlens.effects.chain import EffectChain
from fxlens.errors import OutputError, UsageError
from fxlens.matching.loss_curve import require_curve, write_curve
from fxlens.matching.optimise import Optimised

CURVES = ((0.5, 0.4, 0.25), (0.6, 0.3, math.nan))
SEARCH = Optimised(EffectChain(), 0.25, 0.5, 0, CURVES, "gradient")


def test_a_table_has_every_step(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", SEARCH)
    lines = (tmp_path / "curve.csv").read_text().splitlines()
    assert lines[0] == "restart,step,loss"
    assert lines[1:] == ["1,0,0.500000", "1,1,0.400000", "1,2,0.250000", "2,0,0.600000", "2,1,0.300000"]


@pytest.mark.parametrize(("name", "head"), [("curve.svg", b"<?xml"), ("curve.PNG", b"\x89PNG")])
def test_pictures(tmp_path: Path, name: str, head: bytes) -> None:
    pytest.importorskip("matplotlib")
    write_curve(tmp_path / name, SEARCH)
    assert (tmp_path / name).read_bytes().startswith(head)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_cannot_be_written_is_told_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.svg, \.png"):
        require_curve(tmp_path / "curve.pdf")
    with pytest.raises(OutputError, match="does not exist"):
        require_curve(tmp_path / "none" / "curve.csv")
