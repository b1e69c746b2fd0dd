"""What the drummer of a synthetic song plays: patterns for each section, ghost notes, fills, crashes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxlens.data.synthesis.song import STEPS_PER_BAR, Section, Song, pick

PIECES = (
    "kick",
    "snare",
    "ghost",
    "closed_hat",
    "open_hat",
    "ride",
    "crash",
    "high_tom",
    "mid_tom",
    "low_tom",
)


@dataclass(frozen=True)
class Hit:
    """One stroke: when, on which of :data:`PIECES`, how hard (velocity 0..1)."""

    start_seconds: float
    piece: str
    velocity: float


def drum_part(song: Song, rng: np.random.Generator) -> list[Hit]:
    """The drum part of ``song``, sorted by time.

    The kick and snare follow the song's groove; hats open up with the energy of the section; every section
    ends in a fill and the louder ones begin with a crash. Strokes are a few milliseconds off and never
    equally hard.
    """
    drummer = _Drummer(song, rng)
    for section in song.sections_of("drums"):
        for bar in range(section.first_bar, section.end_bar):
            drummer.play_bar(section, bar)
    last = song.sections[-1]
    if "drums" in last.stems:
        step = last.end_bar * STEPS_PER_BAR
        drummer.strike(step, "kick", 0.95)
        drummer.strike(step, "crash", 0.9)
    return sorted(drummer.hits, key=lambda hit: hit.start_seconds)


class _Drummer:
    def __init__(self, song: Song, rng: np.random.Generator) -> None:
        self.song, self.rng = song, rng
        self.hits: list[Hit] = []
        self.tightness_seconds = rng.uniform(0.002, 0.008)
        self.lag_seconds = rng.uniform(0.0, 0.008)  # the snare of a laid-back drummer comes late
        self.rides = bool(rng.random() < 0.35)
        self.open_steps = pick(rng, ((14,), (2, 6, 10, 14), (6, 14), (7,)))
        if song.groove.style == "four":
            self.open_steps = (2, 6, 10, 14)

    def strike(self, step: float, piece: str, velocity: float) -> None:
        late = self.lag_seconds if piece in ("snare", "ghost") else 0.0
        start = self.song.time(step) + late + self.rng.normal(0.0, self.tightness_seconds)
        loudness = float(np.clip(velocity + self.rng.normal(0.0, 0.05), 0.08, 1.0))
        self.hits.append(Hit(max(start, 0.0), piece, loudness))

    def play_bar(self, section: Section, bar: int) -> None:
        groove, rng, first = self.song.groove, self.rng, bar * STEPS_PER_BAR
        loud = section.energy > 0.7
        light = section.energy < 0.45
        last_bar = bar == section.end_bar - 1
        fill_from = int(pick(rng, (8, 12, 12, 10))) if last_bar and section.bars > 1 else STEPS_PER_BAR
        if bar == section.first_bar and not light:
            self.strike(first, "crash", 0.75 + 0.2 * section.energy)
        for step in groove.kick_busy if loud else groove.kick:
            if step < fill_from and not (light and step % 8):
                self.strike(first + step, "kick", 0.85 if step % 4 == 0 else 0.68)
        for step in groove.snare:
            if step < fill_from and not light:
                self.strike(first + step, "snare", 0.78 + 0.15 * section.energy)
        self._hats(section, first, fill_from)
        if not light:
            for step in (1, 3, 6, 7, 9, 11, 15):
                if step < fill_from and step not in groove.snare and rng.random() < groove.ghosts * 0.45:
                    self.strike(first + step, "ghost", float(rng.uniform(0.12, 0.3)))
        if fill_from < STEPS_PER_BAR:
            self._fill(first, fill_from, section.energy)

    def _hats(self, section: Section, first: int, until: int) -> None:
        groove, loud = self.song.groove, section.energy > 0.7
        for step in range(0, until, groove.hat_every):
            accent = 0.72 if step % 4 == 0 else (0.55 if step % 2 == 0 else 0.38)
            if loud and self.rides:
                self.strike(first + step, "ride", accent)
            elif loud and step in self.open_steps:
                self.strike(first + step, "open_hat", accent + 0.1)
            else:
                self.strike(first + step, "closed_hat", accent)

    def _fill(self, first: int, start: int, energy: float) -> None:
        if energy < 0.45:
            self.strike(first + 14, "open_hat", 0.6)
            return
        every = 1 if self.rng.random() < 0.6 and self.song.tempo_bpm < 125 else 2
        steps = list(range(start, STEPS_PER_BAR, every))
        drums = pick(self.rng, (("snare", "high_tom", "mid_tom", "low_tom"), ("snare",), ("high_tom", "low_tom")))
        for number, step in enumerate(steps):
            if self.rng.random() < 0.12:
                continue
            drum = drums[number * len(drums) // len(steps)]
            self.strike(first + step, drum, 0.55 + 0.35 * number / len(steps))
            if step % 4 == 0:
                self.strike(first + step, "kick", 0.7)
