"""Equalisers of every make have the gain that is asked for, where it is asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.signal import sosfreqz

from fxlens.data.dialects.equalizing import OtherEqualizer, draw_equalizer
from fxlens.dsp.filters import biquad, section
from fxlens.effects.equalizer import Equalizer

RATE = 44_100
MAKES = [
    OtherEqualizer(width, shelf, way, 1.0, 0.0)
    for width, shelf, way in itertools.product(
        ("half_gain", "constant", "notching", "proportional"),
        ("by_q", "smooth", "first_order"),
        ("bilinear", "analogue", "linear_phase"),
    )
]


def response_db(make: OtherEqualizer, rate: int = RATE, **values: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and gains, from what becomes of a click in the middle of a second."""
    click = np.zeros((2, rate), np.float32)
    click[:, rate // 2] = 1.0
    make(click, rate, Equalizer.neutral() | values)
    return np.fft.rfftfreq(rate, 1.0 / rate), 20.0 * np.log10(np.abs(np.fft.rfft(click[0])) + 1e-9)


def at(curve: tuple[np.ndarray, np.ndarray], frequency_hz: float) -> float:
    return float(np.interp(frequency_hz, *curve))


@pytest.mark.parametrize("make", MAKES, ids=lambda m: f"{m.width}-{m.shelf}-{m.way}")
def test_gains_are_those_of_the_settings(make):
    for gain_db, q in ((9.0, 0.8), (-9.0, 3.0)):
        curve = response_db(make, band1_gain_db=gain_db, band1_cutoff_hz=3000.0, band1_q=q)
        assert at(curve, 3000.0) == pytest.approx(gain_db, abs=0.3)
        assert abs(at(curve, 60.0)) < 0.3 and abs(at(curve, 20_000.0)) < 1.0
        low = response_db(make, low_shelf_gain_db=gain_db, low_shelf_cutoff_hz=800.0, low_shelf_q=0.7)
        assert at(low, 30.0) == pytest.approx(gain_db, abs=0.5)
        assert at(low, 800.0) == pytest.approx(0.5 * gain_db, abs=0.5)
        assert abs(at(low, 12_000.0)) < 0.5
        high = response_db(make, high_shelf_gain_db=gain_db, high_shelf_cutoff_hz=4000.0, high_shelf_q=0.7)
        assert at(high, 20_000.0) == pytest.approx(gain_db, abs=1.0)
        assert abs(at(high, 100.0)) < 0.3


@pytest.mark.parametrize("seed", range(12))
def test_drawn_makes_keep_to_the_settings(seed):
    make = draw_equalizer(np.random.default_rng(seed))
    curve = response_db(make, band2_gain_db=-12.0, band2_cutoff_hz=9000.0, band2_q=1.0)
    assert at(curve, 9000.0) == pytest.approx(-12.0, abs=1.0)
    both = response_db(make, band0_gain_db=6.0, band0_cutoff_hz=200.0, band0_q=4.0, low_shelf_gain_db=0.0)
    assert at(both, 200.0) == pytest.approx(6.0, abs=1.0)


def test_makes_differ_in_what_q_means():
    def width_octaves(make: OtherEqualizer, gain_db: float) -> float:
        frequency, gain = response_db(make, band1_gain_db=gain_db, band1_cutoff_hz=3000.0, band1_q=2.0)
        inside = frequency[np.abs(gain) > 3.0]
        return float(np.log2(inside[-1] / inside[0]))

    widths = {m.width: width_octaves(m, -12.0) for m in MAKES if m.way == "bilinear"}
    assert widths["notching"] < 0.8 * widths["half_gain"] < 0.9 * widths["constant"]
    boost, cut = (width_octaves(MAKES[9], sign * 12.0) for sign in (1, -1))
    assert MAKES[9].width == "constant" and boost == pytest.approx(cut, rel=0.02)


def test_the_cookbook_is_one_of_them():
    """By SciPy's reckoning of the sections of fxlens.dsp.filters."""
    make = next(m for m in MAKES if (m.width, m.shelf, m.way) == ("half_gain", "by_q", "bilinear"))
    frequency, gain = response_db(make, band1_gain_db=7.0, band1_cutoff_hz=2500.0, band1_q=1.4)
    _, expected = sosfreqz(biquad(section("peak", 7.0, 2500.0, 1.4, RATE))[None], worN=frequency, fs=RATE)
    np.testing.assert_allclose(gain, 20.0 * np.log10(np.abs(expected)), atol=0.02)


def test_linear_phase_is_symmetric_in_time_and_the_others_come_after():
    for way in ("analogue", "linear_phase", "bilinear"):
        click = np.zeros((2, 8192), np.float32)
        click[:, 4096] = 1.0
        values = Equalizer.neutral() | {"band0_gain_db": 9.0, "band0_cutoff_hz": 500.0}
        OtherEqualizer("half_gain", "by_q", way, 1.0, 0.0)(click, RATE, values)
        before, after = click[0, 96:4096][::-1], click[0, 4097:8097]
        if way == "linear_phase":
            np.testing.assert_allclose(before, after, atol=1e-5)
        else:
            # The analogue response ends at the Nyquist frequency, and rings there a little.
            assert np.sum(before**2) < 0.01 * np.sum(after**2)
