"""Delays of another make: a delay line read and written sample by sample, as tape, bucket and digital delays are.

What comes out goes back in, so that filters in the loop and the errors of interpolation add up from echo to echo, which
the sum of echoes of :mod:`fxlens.effects.delay` never does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fxlens.data.dialects.blending import LAWS, Law, blend
from fxlens.dsp.kernels import compiled

NEAREST, LINEAR, CUBIC = 0, 1, 2
_TINY = 1e-30


@dataclass(frozen=True)
class OtherDelay:
    """A delay.

    Args:
        summed: share of the mono sum in what enters the line.
        crossing: 0 feeds each side back to itself, 1 to the other; the right side then begins with the second echo.
        darkening_hz: cutoff of the low-pass in the line (first order); None is none.
        thinning_hz: cutoff of the high-pass in the line.
        filters_first: the first echo passes the filters too.
        wow: largest deviation of the time, relative.
        wow_hz: its rate.
        interpolation: ``NEAREST`` sample, ``LINEAR`` or ``CUBIC``.
        law: see :func:`blend`.
    """

    summed: float
    crossing: float
    darkening_hz: float | None
    thinning_hz: float
    filters_first: bool
    wow: float
    wow_hz: float
    interpolation: int
    law: Law

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Add echoes to ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.delay.Delay`."""
        if values["wet"] == 0.0:
            return
        samples = max(values["time_ms"] * 1e-3 * sample_rate, 2.0)
        # Without feedback a crossing delay had one echo, on one side: that is panning.
        crossing = self.crossing if values["feedback"] > 0.0 else 0.0
        wow = self.wow if self.interpolation != NEAREST else 0.0
        echoes = np.empty_like(clip)
        run_line(
            clip,
            samples if wow or self.interpolation != NEAREST else float(round(samples)),
            values["feedback"],
            self.summed,
            crossing,
            1.0 if self.darkening_hz is None else _low_pass(self.darkening_hz, sample_rate),
            _low_pass(self.thinning_hz, sample_rate) if self.thinning_hz > 0.0 else 0.0,
            self.filters_first,
            wow,
            2.0 * math.pi * self.wow_hz / sample_rate,
            self.interpolation,
            echoes,
        )
        blend(clip, echoes, values["wet"], self.law)


def draw_delay(rng: np.random.Generator) -> OtherDelay:
    """Draw a delay."""
    return OtherDelay(
        summed=float(rng.choice([0.0, 0.0, 1.0])),
        crossing=float(rng.uniform(0.5, 1.0)) if rng.random() < 0.25 else 0.0,
        darkening_hz=float(np.exp(rng.uniform(math.log(2500.0), math.log(9000.0)))) if rng.random() < 0.5 else None,
        thinning_hz=float(rng.choice([0.0, 40.0, 150.0])),
        filters_first=bool(rng.random() < 0.5),
        wow=float(rng.uniform(0.0002, 0.001)) if rng.random() < 0.3 else 0.0,
        wow_hz=float(rng.uniform(0.3, 2.0)),
        interpolation=int(rng.integers(3)),
        law=LAWS[int(rng.integers(len(LAWS)))],
    )


def _low_pass(cutoff_hz: float, sample_rate: int) -> float:
    return -math.expm1(-2.0 * math.pi * min(cutoff_hz, 0.45 * sample_rate) / sample_rate)


@compiled
def run_line(
    clip: np.ndarray,
    samples: float,
    feedback: float,
    summed: float,
    crossing: float,
    darken: float,
    thin: float,
    filters_first: bool,
    wow: float,
    wow_step: float,
    interpolation: int,
    echoes: np.ndarray,
) -> None:
    """Run two delay lines over ``float32 [2, T]``.

    Args:
        clip: read.
        samples: delay, at least 2.
        feedback, summed, crossing, filters_first, wow, interpolation: see :class:`OtherDelay`.
        darken: coefficient of the low-pass, 1 passes all.
        thin: coefficient of the low-pass that the high-pass subtracts, 0 passes all.
        wow_step: radians per sample.
        echoes: ``float32 [2, T]``, written.
    """
    size = int(samples * (1.0 + wow)) + 4
    line = np.zeros((size, 2))
    low, slow = np.zeros(2), np.zeros(2)
    sine, cosine = 0.0, 1.0
    turn_sine, turn_cosine = math.sin(wow_step), math.cos(wow_step)
    out = np.zeros(2)
    entry = np.zeros(2)
    at = 0
    for t in range(clip.shape[1]):
        delay = samples * (1.0 + wow * sine)
        if wow > 0.0:
            sine, cosine = sine * turn_cosine + cosine * turn_sine, cosine * turn_cosine - sine * turn_sine
        whole = int(delay)
        share = delay - whole
        place = at - whole
        place += size if place < 0 else 0
        before = place - 1 + (size if place < 1 else 0)
        mono = 0.5 * summed * (float(clip[0, t]) + float(clip[1, t]))
        entry[0] = mono + (1.0 - summed) * float(clip[0, t])
        entry[1] = mono + (1.0 - summed) * float(clip[1, t])
        for c in range(2):
            if interpolation == 0 or share == 0.0:
                x = line[place, c]
            elif interpolation == 1:
                x = (1.0 - share) * line[place, c] + share * line[before, c]
            else:  # Catmull-Rom through four samples; the newest is one sample away at least
                after = place + 1 - (size if place + 1 >= size else 0)
                earlier = before - 1 + (size if before < 1 else 0)
                a, b, e, f = line[after, c], line[place, c], line[before, c], line[earlier, c]
                x = b + 0.5 * share * (
                    e - a + share * (2.0 * a - 5.0 * b + 4.0 * e - f + share * (3.0 * (b - e) + f - a))
                )
            low[c] += darken * (x - low[c])
            slow[c] += thin * (low[c] - slow[c])
            if abs(low[c]) < _TINY:
                low[c] = 0.0
            if abs(slow[c]) < _TINY:
                slow[c] = 0.0
            filtered = low[c] - slow[c]
            echoes[c, t] = filtered if filters_first else x
            out[c] = filtered
        left_in = entry[0] + crossing * (entry[1] - entry[0]) * 0.5
        line[at, 0] = left_in + (feedback * (crossing * out[1] + (1.0 - crossing) * out[0]))
        line[at, 1] = (1.0 - crossing) * entry[1] + feedback * (crossing * out[0] + (1.0 - crossing) * out[1])
        at = at + 1 if at + 1 < size else 0
