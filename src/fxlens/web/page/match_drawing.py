"""A match on the page: how far it is, then what came of it, to listen to and to take away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from fxlens.index.conditions import moment_text
from fxlens.web.match_job import MatchJob

_CURVE_POINTS = 200
_NAMES = {"before": "Before (dry)", "after": "After", "reference": "Reference"}
_FILES = {
    "match.wav": "the matched track (32-bit float wav)",
    "preset.json": "the preset, for fxlens apply",
    "sheet.md": "a sheet to dial in by hand",
    "pedalboard.py": "the preset as pedalboard code",
    "ffmpeg.txt": "the preset as an ffmpeg filter",
    "report.json": "figures and loss curves",
}


def progress(job: MatchJob, before: int) -> str:
    """Where a match stands.

    Args:
        job: the match.
        before: jobs that come first, while it waits.
    """
    if job.state == "waiting":
        first = f", {before} before it" if before else ""
        return f'<div class="fx-notice fx-busy" role="status"><span class="fx-spinner"></span>Waiting{first}.</div>'
    share = 100.0 * job.done / job.total if job.total else 0.0
    left = "" if job.seconds_left is None else f", about {moment_text(job.seconds_left)} left"
    what = f"Step {job.done} of {job.total}{left}" if job.total else "Listening to the reference"
    if job.total and job.done >= job.total:
        what = "Rendering the whole track"
    return (
        f'<div class="fx-notice fx-progress" role="status"><span>{what}</span>'
        f'<div class="fx-track" role="progressbar" aria-label="Match" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}"><span style="width:{share:.1f}%"></span></div>{curve(job.losses)}</div>'
    )


def curve(losses: Sequence[float]) -> str:
    """The loss so far, as a line that falls."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if len(finite) < 2:
        return ""
    shown = finite[:: max(1, len(finite) // _CURVE_POINTS)]
    high, low = max(shown), min(shown)
    span = (high - low) or 1.0
    points = " ".join(
        f"{100.0 * k / (len(shown) - 1):.2f},{28.0 * (high - y) / span + 1.0:.2f}" for k, y in enumerate(shown)
    )
    return (
        f'<svg class="fx-curve" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" '
        f'aria-label="Loss from {finite[0]:.3f} to {finite[-1]:.3f}"><polyline points="{points}"/></svg>'
        f'<small class="fx-quiet">loss {finite[-1]:.4f}, at first {finite[0]:.4f}</small>'
    )


def outcome(job: MatchJob) -> str:
    """What came of a match that is done."""
    facts = job.as_dict()["result"]
    figures = facts["figures"]
    return (
        f'<section class="fx-card" aria-label="Result of the match"><h3>Result</h3>'
        f"<p>Distance to the reference’s embedding: <strong>{figures['distance_before']:.3f}</strong> before, "
        f"<strong>{figures['distance_after']:.3f}</strong> after (0 is the same).</p>"
        f"{_players(facts)}{_downloads(facts['files'])}</section>"
    )


def _players(facts: dict[str, Any]) -> str:
    heard = facts["listening"]
    lufs = f"{heard['lufs']:.1f}".replace("-", "−")
    items = []
    for file in heard["files"]:
        name = file.removesuffix(".wav")
        label = _NAMES.get(name, name.replace("-", " ").capitalize())
        group = ' data-together="take"' if name in ("before", "after") else ""
        items.append(
            f'<div class="fx-listen"><span>{escape(label)}</span><audio controls preload="metadata"{group} '
            f'src="{escape(facts["files"][file])}" aria-label="{escape(label)}"></audio></div>'
        )
    return (
        f'<h4>Listen, all at {lufs} LUFS</h4><p class="fx-quiet">What is louder sounds better, so these '
        "copies are equally loud. Before and after go on where the other stopped.</p>"
        f'<div class="fx-takes">{"".join(items)}</div>'
    )


def _downloads(files: dict[str, str]) -> str:
    links = "".join(
        f'<li><a href="{escape(files[name])}?download=true" download>{escape(name)}</a> '
        f'<span class="fx-quiet">{escape(what)}</span></li>'
        for name, what in _FILES.items()
        if name in files
    )
    return f'<h4>Download</h4><ul class="fx-downloads">{links}</ul>'
