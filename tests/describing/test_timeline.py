"""Timelines are drawn, repeatably, and only where they can be."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from fxlens.describing import Description, Finding
from fxlens.describing.quantities import EFFECTS
from fxlens.describing.timeline import clock, draw
from fxlens.errors import OutputError, UsageError

pytest.importorskip("matplotlib")


def description(query: str | None, windows: int = 12) -> Description:
    rng = np.random.default_rng(len(query or ""))
    probabilities = rng.random((windows, len(EFFECTS)))
    findings = tuple(Finding(effect, 0.95, "yes") for effect in EFFECTS)
    starts = 10.0 * np.arange(windows)
    return Description(query, findings, starts, probabilities, EFFECTS, ends=starts + 10.0, source="a b/Lied ü.wav")


def test_svg_is_repeatable_and_names_everything(tmp_path: Path) -> None:
    shown = [description(None), description("lead vocals")]
    one, other = draw(shown, tmp_path / "one.svg"), draw(shown, tmp_path / "other.svg")
    assert one.read_bytes() == other.read_bytes()
    text = "".join(ET.parse(one).getroot().itertext())
    for words in ("whole mixture", "lead vocals", "stereo width", "reverb", "Lied ü.wav", "1:00"):
        assert words in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.svg", "other.svg"]


def test_bars_are_as_high_as_the_probabilities(tmp_path: Path) -> None:
    """A window of 0.9 is nine times as high as one of 0.1."""
    one = description(None, 2)
    one.probabilities[:] = np.array([[0.9], [0.1]])
    text = draw(one, tmp_path / "one.svg").read_text()
    from re import findall

    corners = [
        [float(v) for v in findall(r"[ML] [\d.]+ ([\d.]+)", path)]
        for path in findall(r'<path d="([^"]*z[^"]*)" clip-path', text)
    ]
    heights = [max(c) - min(c) for c in corners if len(c) >= 4 and max(c) > min(c)]
    high, low = max(heights), min(heights)
    assert high / low == pytest.approx(9.0, rel=0.01)


def test_png_and_wrong_files(tmp_path: Path) -> None:
    assert draw(description(None), tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="drawn as"):
        draw(description(None), tmp_path / "a.txt")
    with pytest.raises(UsageError, match="no description"):
        draw([], tmp_path / "a.svg")
    with pytest.raises(OutputError, match=r"cannot be written .*; choose another place"):
        draw(description(None), tmp_path / "a.png" / "a.svg")


def test_clock() -> None:
    assert [clock(s) for s in (0, 65, 600, 3600, 7325)] == ["0:00", "1:05", "10:00", "1:00:00", "2:02:05"]
