"""What the page draws: complete, well-formed, readable without colours, and safe against names that are code."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fxlens.describing import Description, Finding, Setting
from fxlens.index.ranking import Hit, Moment
from fxlens.web.library import Library
from fxlens.web.match_job import JobTable, MatchJob, MatchRequest
from fxlens.web.page.comparison_drawing import comparison_card, difference
from fxlens.web.page.findings_drawing import description_card
from fxlens.web.page.hits_drawing import hits_list
from fxlens.web.page.match_drawing import curve, progress
from fxlens.web.page.notices import refused
from fxlens.web.page.visits import Visits
from fxlens.web.recordings import Recording
from fxlens.web.refusals import BusyError

EVIL = '<img src=x onerror="alert(1)">'
_VOID = {"img", "br", "input", "rect", "polyline", "meta"}


class Page(HTMLParser):
    """Checks that tags nest, and collects text and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def finding(effect: str, probability: float, verdict: str, strength: float | None = None) -> Finding:
    settings = (Setting("time_ms", "time", "ms", 120.0, 110.0, 140.0, 0.8),) if effect == "delay" else ()
    return Finding(effect, probability, verdict, strength, settings)  # type: ignore[arg-type]


def description(**changes: tuple[float, str, float | None]) -> Description:
    facts = {
        "delay": (0.83, "likely", 0.5),
        "reverb": (0.5, "not sure", None),
        "limiter": (0.02, "no", None),
        **changes,
    }
    effects = tuple(facts)
    return Description(
        EVIL, tuple(finding(effect, *facts[effect]) for effect in effects), np.array([0.0, 10.0, 15.0]),
        np.array([[0.9, 0.5, 0.0], [0.7, 0.5, 0.1], [0.8, 0.4, 0.0]]), effects, np.array([10.0, 20.0, 25.0]),
    )  # fmt: skip


def test_a_description_is_drawn_in_words_and_bars() -> None:
    page = Page(description_card(description(), 25.0, "player"))
    for words in ("delay: likely, moderate, 110–140 ms", "not sure: reverb", "not heard: limiting", "83 %", "moderate"):
        assert words in page.text
    assert EVIL in page.text and not any(tag == "img" for tag, _ in page.tags)
    cells = [attributes for tag, attributes in page.tags if tag == "rect"]
    assert len(cells) == 9 and [cell["data-seek"] for cell in cells[:3]] == ["0.00", "10.00", "15.00"]
    widths = [float(cell["width"] or 0) for cell in cells[:3]]
    assert widths == pytest.approx([39.85, 19.85, 39.85]), "windows that overlap do not hide one another"
    strips = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert strips[0]["role"] == "img" and "surest at 0:00, 90 %" in (strips[0]["aria-label"] or "")
    widths = [
        attributes["style"] for tag, attributes in page.tags if (attributes.get("class") or "").startswith("fx-likely")
    ]
    assert widths == ["width:83.0%"]


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ((0.9, "yes", 0.9), (0.8, "likely", 0.2), "stronger in A"),
        ((0.9, "yes", 0.3), (0.8, "likely", 0.4), "in both"),
        ((0.9, "yes", None), (0.8, "likely", 0.4), "in both"),
        ((0.9, "yes", 0.3), (0.05, "no", None), "only in A"),
        ((0.2, "unlikely", None), (0.8, "likely", 0.4), "only in B"),
        ((0.5, "not sure", None), (0.9, "yes", 0.4), "not sure"),
        ((0.2, "unlikely", None), (0.0, "no", None), "in neither"),
    ],
)
def test_differences_are_told(one: tuple, other: tuple, words: str) -> None:
    assert difference(finding("delay", *one), finding("delay", *other)) == words


def test_a_comparison_puts_the_largest_difference_first() -> None:
    pair = (description(), description(limiter=(0.95, "yes", 0.9)))
    page = Page(comparison_card("vocals", 0.734, pair))
    assert "Vocals" in page.text and "0.73" in page.text and "only in B" in page.text
    assert page.text.index("limiting") < page.text.index("delay")
    alone = Page(comparison_card(None, 0.734, None, refused(BusyError("no heads; train some"))))
    assert "no heads." in alone.text and "train some." in alone.text and "Whole mix" in alone.text


def test_hits_begin_where_they_sound_alike(tmp_path: Path) -> None:
    hits = [
        Hit("/music/a & b.flac", EVIL, 0.93, (Moment("", 72.5, 82.5, 0.93),), {"genre": "jazz"}),
        Hit("/music/c.aiff", "", 0.5, (Moment("drums", 5.0, 15.0, 0.5),), {}),
    ]
    page = Page(hits_list(hits, Library()))
    players = [attributes for tag, attributes in page.tags if tag == "audio"]
    assert (players[0]["src"] or "").endswith("#t=72.50") and (players[1]["src"] or "").endswith(
        "?start=5.00&seconds=30"
    )
    assert "drums, from 0:05" in page.text and "genre: jazz" in page.text and "0.930" in page.text
    assert all(player["aria-label"] for player in players)
    assert not any(tag == "img" for tag, _ in page.tags)
    assert "Nothing was found" in Page(hits_list([], Library())).text


def test_the_loss_curve_falls_from_left_to_right() -> None:
    points = next(a for t, a in Page(curve([0.4, float("nan"), 0.3, 0.1])).tags if t == "polyline")["points"] or ""
    pairs = [tuple(map(float, point.split(","))) for point in points.split()]
    assert [x for x, _ in pairs] == [0.0, 50.0, 100.0]
    assert [y for _, y in pairs] == sorted(y for _, y in pairs)
    assert curve([0.4]) == ""


def test_progress_tells_steps_and_time(tmp_path: Path) -> None:
    one = Recording(tmp_path / "a.wav", "a.wav", 1.0, 8000, 2)
    job = MatchJob(MatchRequest(one, [one]), tmp_path)
    assert "2 before it" in Page(progress(job, 2)).text
    job.state, job.done, job.total, job.seconds_left = "running", 30, 120, 75.0
    page = Page(progress(job, 0))
    bar = next(attributes for _, attributes in page.tags if attributes.get("role") == "progressbar")
    assert "Step 30 of 120, about 1:15 left" in page.text and bar["aria-valuenow"] == "25"


def test_a_closed_page_takes_its_files_and_its_match_along(tmp_path: Path) -> None:
    folder, table = tmp_path / "page", JobTable(60.0)
    folder.mkdir()
    mine, shared, foreign = folder / "mine.wav", folder / "shared.wav", tmp_path / "foreign.wav"
    for path in (mine, shared, foreign):
        path.touch()
    visits = Visits(table, folder)
    for session, path in (("a", mine), ("a", shared), ("b", shared), ("a", foreign)):
        assert visits.upload(session, str(path)).name == path.name
    one = Recording(mine, "mine.wav", 1.0, 8000, 2)
    (tmp_path / "job").mkdir()
    job = MatchJob(MatchRequest(one, [one]), tmp_path / "job")
    table.add(job)
    visits.started("a", job.id)
    visits.ended("a")
    assert job.state == "cancelled" and table.get(job.id) is None
    assert not mine.exists() and shared.exists() and foreign.exists()
    visits.ended("b")
    assert not shared.exists()
    visits.ended("never seen")
