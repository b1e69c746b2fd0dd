"""The page in a real browser: all four tasks by clicking, at two widths, and nothing asked of anybody outside.

Screenshots go to the folder FXLENS_SCREENSHOTS if that is set.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from server_process import Server, served
from tiny_serving import noise, wav

pytest.importorskip("gradio", reason="pip install 'fxlens[web]'")
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"),
]
WAIT_MS = 600_000
_SHOTS = os.environ.get("FXLENS_SCREENSHOTS")


class Visitor:
    """Somebody at the page, and everything their browser has asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda m: self.complaints.append(f"{m.text} {m.location}") if m.type == "error" else None)

    def open(self, tab: str) -> Any:
        """Choose a tab; return what belongs to it."""
        self.page.get_by_role("tab", name=tab, exact=True).click()
        panel = self.page.get_by_role("tabpanel").filter(visible=True)
        panel.get_by_role("button", name=tab, exact=True).wait_for()
        return panel

    def drop(self, panel: Any, number: int, file: Path) -> None:
        """Give a file to the next empty place for recordings, which then shows a player."""
        before = panel.locator("audio, #waveform, [data-testid^=waveform]").count()
        panel.locator("input[type=file]").first.set_input_files(str(file))
        self.page.wait_for_function(
            "count => [...document.querySelectorAll('audio, #waveform, [data-testid^=waveform]')]"
            ".filter(e => e.closest('[role=tabpanel]')?.offsetParent !== null).length > count",
            arg=before,
        )

    def shot(self, name: str) -> None:
        if _SHOTS:
            Path(_SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(_SHOTS) / f"web-{name}.png"), full_page=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Path, library: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("web_browser")
    with served(folder / "serve", "-m", str(model), "--index", str(library)) as server:
        server.wait_until_ready()
        yield server
        assert server.stop() == 0
        assert server.left() == []
        assert server.outside() == [], "the server has tried to reach somebody"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visitor(server: Server, browser: Any) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    visitor = Visitor(context.new_page())
    visitor.page.goto(server.address + "/")
    visitor.page.get_by_role("tab", name="Describe").wait_for()
    yield visitor
    outside = [url for url in visitor.asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")]
    assert outside and {urlsplit(url).hostname for url in outside} == {"127.0.0.1"}
    assert visitor.complaints == []
    context.close()


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("web_songs")
    for seed in range(3):
        (folder / f"song {seed}.wav").write_bytes(wav(noise(4.0, seed)))
    return sorted(folder.iterdir())


def test_describe(visitor: Visitor, songs: list[Path]) -> None:
    panel = visitor.open("Describe")
    panel.get_by_role("button", name="Describe").click()
    panel.get_by_text("Drop a recording first.").wait_for()
    visitor.drop(panel, 0, songs[1])
    panel.get_by_label("drums", exact=True).check()
    panel.get_by_role("button", name="Describe").click()
    whole = panel.get_by_role("region", name="Effects: Whole mix")
    whole.wait_for()
    drums = panel.get_by_role("region", name="Effects: Drums")
    for card in (whole, drums):
        assert card.get_by_role("rowheader").count() == 7
        assert card.locator("svg.fx-strip").count() == 7
    player = panel.locator("audio#fx-described")
    card_cell = whole.locator("svg.fx-strip").first.locator("rect").nth(2)
    card_cell.click()
    visitor.page.wait_for_function("() => document.getElementById('fx-described').currentTime >= 2")
    assert player.evaluate("e => e.duration") == pytest.approx(4.0, abs=0.05)
    visitor.shot("describe")


def test_compare(visitor: Visitor, songs: list[Path]) -> None:
    panel = visitor.open("Compare")
    visitor.drop(panel, 0, songs[0])
    visitor.drop(panel, 1, songs[2])
    panel.get_by_label("vocals", exact=True).check()
    panel.get_by_role("button", name="Compare").click()
    for name in ("Comparison: Whole mix", "Comparison: Vocals"):
        card = panel.get_by_role("region", name=name)
        card.wait_for()
        assert "Similarity of the embeddings" in card.inner_text() and card.get_by_role("rowheader").count() == 7
    visitor.shot("compare")


def test_search(visitor: Visitor, songs: list[Path]) -> None:
    panel = visitor.open("Search")
    visitor.drop(panel, 0, songs[1])
    panel.get_by_label("Only the moment at").fill("0:01")
    panel.get_by_role("button", name="Search").click()
    hits = panel.get_by_role("list", name="Recordings found").get_by_role("listitem")
    hits.first.wait_for()
    assert hits.count() == 4 and "song 1" in hits.first.inner_text()
    audio = hits.first.locator("audio")
    start = float(audio.get_attribute("src").rpartition("#t=")[2])
    audio.evaluate("e => e.play()")
    visitor.page.wait_for_function("start => document.querySelector('.fx-hits audio').currentTime >= start", arg=start)
    visitor.shot("search")
    panel.get_by_label("Only the moment at").fill("soon")
    panel.get_by_role("button", name="Search").click()
    panel.get_by_role("alert").get_by_text("is no moment").wait_for()


def test_match(visitor: Visitor, songs: list[Path], tmp_path: Path) -> None:
    panel = visitor.open("Match")
    visitor.drop(panel, 0, songs[0])
    visitor.drop(panel, 1, songs[2])
    panel.get_by_label("quick").check()
    panel.get_by_role("button", name="Match", exact=True).click()
    panel.get_by_role("progressbar", name="Match").wait_for()
    result = panel.get_by_role("region", name="Result of the match")
    result.wait_for()
    assert result.locator("audio").count() == 3
    first, second = result.locator("audio").nth(0), result.locator("audio").nth(1)
    first.evaluate("async e => { e.currentTime = 1.5; await e.play(); }")
    second.evaluate("async e => { await e.play(); }")
    assert first.evaluate("e => e.paused") and second.evaluate("e => e.currentTime") >= 1.5
    with visitor.page.expect_download() as download:
        result.get_by_role("link", name="preset.json").click()
    download.value.save_as(tmp_path / "preset.json")
    from fxlens.effects.chain import EffectChain

    assert [effect.type for effect in EffectChain.load(tmp_path / "preset.json").effects][-1:] != []
    assert "Equaliser" in panel.locator("#match-sheet").inner_text()
    visitor.shot("match")
    panel.get_by_label("thorough").check()
    panel.get_by_role("button", name="Match", exact=True).click()
    panel.locator("svg.fx-curve").wait_for()
    visitor.shot("match-running")
    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_text("Cancelled.").wait_for()


def test_narrow_and_by_keyboard(visitor: Visitor, songs: list[Path]) -> None:
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.page.emulate_media(color_scheme="dark")
    visitor.page.reload()
    panel = visitor.open("Describe")
    visitor.drop(panel, 0, songs[1])
    panel.get_by_role("button", name="Describe").focus()
    visitor.page.keyboard.press("Enter")
    panel.get_by_role("region", name="Effects: Whole mix").wait_for()
    wide = visitor.page.evaluate("document.documentElement.scrollWidth")
    visitor.shot("narrow")
    assert wide <= 390, "nothing is cut off"
    unnamed = visitor.page.evaluate(
        "[...document.querySelectorAll('[role=tabpanel]:not([style*=none]) :is(button, input, textarea, audio)')]"
        ".filter(e => e.offsetParent && !(e.ariaLabel || e.labels?.length || e.innerText?.trim() || e.title))"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert unnamed == []


def test_what_was_dropped_goes_with_the_page(server: Server, browser: Any, songs: list[Path], tmp_path: Path) -> None:
    context = browser.new_context()
    visitor = Visitor(context.new_page())
    visitor.page.goto(server.address + "/")
    own = tmp_path / "only mine.wav"
    own.write_bytes(wav(noise(2.0, 9)))
    panel = visitor.open("Describe")
    visitor.drop(panel, 0, own)
    panel.get_by_role("button", name="Describe").click()
    panel.get_by_role("region", name="Effects: Whole mix").wait_for()
    assert any(path.name == "only mine.wav" for path in server.left())
    context.close()
    for _ in range(300):
        if not any(path.name == "only mine.wav" for path in server.left()):
            return
        time.sleep(0.2)
    raise AssertionError(server.left())
