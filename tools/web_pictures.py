"""Take the pictures of docs/web.md: synthesised songs under known chains, the shipped model, headless Chromium.

    python tools/web_pictures.py -o docs/images

Needs `pip install 'fxlens[web]' playwright` and a Chromium of the system.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from fxlens.audio import io
from fxlens.data.synthesis.synthetic import write_song
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder

SECONDS = 42.0
WIDTH, MOST_PIXELS = 1180, 1500
TASKS = ("describe", "compare", "search", "match")
CHAINS: dict[str, tuple[Effect, ...]] = {
    "dry": (),
    "hall": (Effect("reverb", parameters={"wet": 0.35, "decay_seconds": 2.6}),),
    "slap": (Effect("delay", parameters={"time_ms": 120.0, "wet": 0.35, "feedback": 0.2}),),
    "crushed": (
        Effect("distortion", parameters={"drive_db": 14.0}),
        Effect("limiter", parameters={"threshold_db": -16.0}),
    ),
}


def make_library(root: Path) -> None:
    """Three songs under four chains, and an index of them, whole and for drums."""
    music = root / "music"
    music.mkdir(parents=True)
    for seed in range(3):
        folder = write_song(root / f"stems{seed}", seed, SECONDS, instruments=("drums", "bass", "keys", "vocals"))
        stems = [io.read(path) for path in sorted(folder.glob("*.flac"))]
        rate = stems[0][1]
        mix = sum((np.broadcast_to(audio, (2, audio.shape[1])) for audio, _ in stems), np.zeros(1))
        mix = (0.5 / np.abs(mix).max() * mix).astype(np.float32)
        for name, effects in CHAINS.items():
            wet = EffectChain(effects).apply(mix, rate)
            io.write(music / f"song {seed + 1}, {name}.flac", wet / max(1.0, float(np.abs(wet).max())), rate)
    encoder = FxEncoder.from_pretrained()
    with FxIndex.create(root / "index", encoder) as index:
        index.add(music, encoder, query="drums", jobs=1)


class Photographer:
    """Clicks through the page, and takes a picture where there is something to see."""

    def __init__(self, page: Any, root: Path, output: Path) -> None:
        self.page, self.root, self.output = page, root, output
        page.set_default_timeout(900_000)

    def tab(self, name: str, *files: str) -> Any:
        """Open a tab and drop files on it, relative to the library."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        panel = self.page.get_by_role("tabpanel").filter(visible=True)
        panel.get_by_role("button", name=name, exact=True).wait_for()
        for count, file in enumerate(files, start=1):
            panel.locator("input[type=file]").first.set_input_files(str(self.root / file))
            panel.locator("#waveform").nth(count - 1).wait_for()
        return panel

    def take(self, name: str) -> None:
        """Write ``web-NAME.png``."""
        self.page.add_style_tag(content=".fx-path { display: none; }")  # of this machine, nobody's business
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(500)
        high = min(self.page.evaluate("document.documentElement.scrollHeight"), MOST_PIXELS)
        area = {"x": 0, "y": 0, "width": WIDTH, "height": high}
        taken = self.page.screenshot(full_page=True, clip=area)
        picture = Image.open(BytesIO(taken)).convert("RGB").quantize(128)
        picture.save(self.output / f"web-{name}.png", optimize=True)

    def describe(self) -> None:
        """What is on a mix, and on the vocals in it."""
        panel = self.tab("Describe", "music/song 1, hall.flac")
        panel.get_by_label("vocals", exact=True).check()
        panel.get_by_role("button", name="Describe").click()
        panel.get_by_role("region", name="Effects: Vocals").wait_for()
        self.take("describe")

    def compare(self) -> None:
        """One song under two chains."""
        panel = self.tab("Compare", "music/song 1, crushed.flac", "music/song 1, hall.flac")
        panel.get_by_role("button", name="Compare").click()
        panel.get_by_role("region", name="Comparison: Whole mix").wait_for()
        self.take("compare")

    def search(self) -> None:
        """What sounds like a song with a slap echo."""
        panel = self.tab("Search", "music/song 2, slap.flac")
        panel.get_by_label("number input for Recordings wanted").fill("5")
        panel.get_by_role("button", name="Search").click()
        panel.get_by_role("list", name="Recordings found").wait_for()
        self.take("search")

    def match(self) -> None:
        """A dry voice, and another song in a hall."""
        vocal = next(path.name for path in sorted((self.root / "stems0").glob("*vocal*")))
        panel = self.tab("Match", f"stems0/{vocal}", "music/song 2, hall.flac")
        panel.get_by_label("quick").check()
        panel.get_by_role("button", name="Match", exact=True).click()
        panel.get_by_role("region", name="Result of the match").wait_for()
        self.take("match")


def serve(index: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a server; return it with its address once it answers."""
    command = [sys.executable, "-m", "fxlens.cli", "serve", "--port", "0", "--index", str(index)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"ready at (http://\S+)", line)
        if found:
            return process, found.group(1)
    raise SystemExit(f"the server ended with {process.wait()}")


def main() -> None:
    """Make songs, serve, click, take pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", nargs="+", choices=TASKS, default=TASKS, help="which pictures; all if not given")
    parser.add_argument("--library", type=Path, help="where the songs are, or are to be; kept if given")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("there is no Chromium here; install it, e.g. apt-get install chromium")
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = (options.library or Path(scratch) / "library").resolve()
        if not (root / "index").is_dir():
            make_library(root)
        process, address = serve(root / "index")
        try:
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": WIDTH, "height": 860})
                page.goto(address)
                photographer = Photographer(page, root, options.output)
                for task in options.only:
                    getattr(photographer, task)()
                browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
