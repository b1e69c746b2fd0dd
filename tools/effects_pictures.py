"""Draw what each processor does, from running its reference: small SVGs, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from fxlens.dsp.crossover import split_bands
from fxlens.effects.equalizer import BANDS
from fxlens.effects.registry import PROCESSORS

RATE = 48_000
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "fxlens",
    "svg.fonttype": "none",
    "path.simplify": True,
    "font.size": 8.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(name: str, path: Path) -> None:
    """Draw one processor's picture.

    Args:
        name: its type; one with a picture.
        path: of the SVG (or of another kind that matplotlib writes), overwritten.
    """
    one_panel = name in ("equalizer", "stereo_imager", "delay", "reverb")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 2.6), layout="constrained", facecolor="white")
        axes = figure.subplots(1, 1 if one_panel else 2)
        _DRAWINGS[name](axes)
        figure.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)


def run(name: str, audio: np.ndarray, **values: float) -> np.ndarray:
    """Process ``[2, T]`` at 48 kHz; what is left out is neutral."""
    processor = PROCESSORS[name]
    return processor.reference(audio, RATE, **processor.complete(values))


def both(mono: np.ndarray) -> np.ndarray:
    return np.stack([mono, mono]).astype(np.float64)


def click(seconds: float) -> np.ndarray:
    audio = np.zeros((2, int(seconds * RATE)))
    audio[:, 0] = 1.0
    return audio


def decibels(linear: Any) -> np.ndarray:
    return 20.0 * np.log10(np.maximum(np.abs(linear), 1e-9))


def _frequency_axis(ax: Any) -> None:
    ax.set_xscale("log")
    ax.set_xlim(20.0, 20_000.0)
    ax.set_xticks([20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000])
    ax.set_xticklabels(["20", "50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k"])
    ax.minorticks_off()
    ax.set_xlabel("Hz")
    ax.set_ylabel("dB")


def _bins(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Some 200 frequencies of an FFT, evenly spread in their logarithm: numbers of bins, and Hz."""
    index = np.unique(np.round(np.geomspace(20.0, 20_000.0, 220) * length / RATE).astype(int))
    return index, index * RATE / length


def _equalizer(ax: Any) -> None:
    audio = click(1.0)
    index, hz = _bins(audio.shape[1])
    for number, (name, *_) in enumerate(BANDS):
        for gain_db in (-12.0, -6.0, 6.0, 12.0):
            answer = run("equalizer", audio, **{f"{name}_gain_db": gain_db})[0]
            label = name.replace("_", " ") if gain_db == 12.0 else None
            width = 1.2 if abs(gain_db) == 12.0 else 0.6
            ax.plot(hz, decibels(np.fft.rfft(answer)[index]), color=f"C{number}", label=label, linewidth=width)
    _frequency_axis(ax)
    ax.set_yticks(range(-12, 13, 6))
    ax.legend(ncols=6, loc="upper center", bbox_to_anchor=(0.5, 1.16), frameon=False, handlelength=1.2)


def _distortion(axes: Any) -> None:
    periods, length = 480, 48_000
    period = length // periods
    sine = np.sin(2.0 * np.pi * periods * np.arange(length) / length)
    sine *= 10.0 ** (-12.0 / 20.0) / np.std(sine)
    rising = slice(length - 5 * period // 4, length - 3 * period // 4 + 1)  # from a trough to a crest
    settings = {
        "6 dB": {"drive_db": 6.0},
        "18 dB": {"drive_db": 18.0},
        "18 dB, hardness 1": {"drive_db": 18.0, "hardness": 1.0},
        "18 dB, bias 0.4": {"drive_db": 18.0, "bias": 0.4},
    }
    harmonics = np.arange(1, 10)
    for number, (label, values) in enumerate(settings.items()):
        out = run("distortion", both(sine), **values)[0]
        axes[0].plot(sine[rising], out[rising], color=f"C{number}", label=label)
        if number:
            partials = decibels(np.fft.rfft(out)[harmonics * periods])
            axes[1].bar(
                harmonics + 0.25 * (number - 2),
                np.maximum(partials - partials[0], -80.0) + 80.0,
                0.22,
                bottom=-80.0,
                color=f"C{number}",
            )
    axes[0].set_xlabel("input")
    axes[0].set_ylabel("output")
    axes[0].legend(frameon=False, loc="upper left")
    axes[1].set_xlabel("harmonic")
    axes[1].set_ylabel("dB")
    axes[1].set_xticks(harmonics)


def _static(name: str, levels_db: np.ndarray, **values: float) -> np.ndarray:
    """Output level in dB of steady input at each level."""
    steady = [np.full((2, RATE), 10.0 ** (db / 20.0)) for db in levels_db]
    return np.array([decibels(run(name, audio, **values)[0, -1]) for audio in steady])


def _static_axis(ax: Any, low: float) -> None:
    ax.plot([low, 0.0], [low, 0.0], color="0.6", linewidth=0.8, linestyle=":")
    ax.set_xlabel("input, dB")
    ax.set_ylabel("output, dB")
    ax.set_xlim(low, 0.0)


def _multiband(axes: Any) -> None:
    audio = click(1.0)
    centre = np.roll(audio, RATE // 2, axis=1)
    index, hz = _bins(audio.shape[1])
    bands = split_bands(centre, 150.0, 4_000.0, RATE)
    for name, band in zip(("low", "mid", "high"), bands, strict=True):
        axes[0].plot(hz, decibels(np.fft.rfft(band[0])[index]), label=name)
    axes[0].plot(
        hz, decibels(np.fft.rfft(sum(band[0] for band in bands))[index]), color="k", label="sum", linewidth=0.8
    )
    _frequency_axis(axes[0])
    axes[0].set_xticks([20, 100, 1000, 10_000], labels=["20", "100", "1k", "10k"])
    axes[0].set_ylim(-60.0, 6.0)
    axes[0].legend(frameon=False, ncols=2, loc="lower center")
    settings: dict[str, float] = {}
    for band_name in ("low", "mid", "high"):
        settings |= {f"{band_name}_threshold_db": -20.0, f"{band_name}_ratio": 4.0}
        settings |= {f"{band_name}_expander_threshold_db": -40.0, f"{band_name}_expander_ratio": 0.5}
    levels = np.arange(-60.0, 0.1, 2.5)
    for mix, style in ((0.7, "-"), (1.0, "--")):
        # A steady level is all in the low band.
        axes[1].plot(levels, _static("multiband_compressor", levels, **settings, mix=mix), style, color="C0")
    _static_axis(axes[1], -60.0)


def _gain_over_time(ax: Any, name: str, low_db: float, high_db: float, settings: dict[str, dict[str, float]]) -> None:
    length = int(0.8 * RATE)
    level = np.full(length, 10.0 ** (low_db / 20.0))
    level[int(0.1 * RATE) : int(0.4 * RATE)] = 10.0 ** (high_db / 20.0)
    shown = slice(0, None, 96)
    for label, values in settings.items():
        gain = decibels(run(name, both(level), **values)[0] / level)
        ax.plot(1e3 * np.arange(length)[shown] / RATE, gain[shown], label=label)
    ax.axvspan(100.0, 400.0, color="0.93", zorder=0)
    ax.set_xlabel("ms")
    ax.set_ylabel("gain, dB")
    ax.legend(frameon=False, loc="lower right")


def _compressor(axes: Any) -> None:
    levels = np.arange(-60.0, 0.1, 1.0)
    for knee in (0.0, 12.0):
        values = {"threshold_db": -24.0, "ratio": 4.0, "knee_db": knee}
        axes[0].plot(levels, _static("compressor", levels, **values), label=f"knee {knee:g} dB")
    _static_axis(axes[0], -60.0)
    axes[0].legend(frameon=False, loc="upper left")
    times = {
        f"{a:g} / {r:g} ms": {"attack_ms": a, "release_ms": r} for a, r in ((1.0, 50.0), (20.0, 50.0), (20.0, 200.0))
    }
    settings = {label: {"threshold_db": -24.0, "ratio": 4.0} | values for label, values in times.items()}
    _gain_over_time(axes[1], "compressor", -30.0, -6.0, settings)


def _limiter(axes: Any) -> None:
    levels = np.arange(-30.0, 0.1, 1.0)
    axes[0].plot(levels, _static("limiter", levels, threshold_db=-10.0))
    _static_axis(axes[0], -30.0)
    length = int(0.5 * RATE)
    t = np.arange(length) / RATE
    tone = np.where((t > 0.1) & (t < 0.3), 10.0 ** (-2.0 / 20.0), 0.1) * np.sin(2.0 * np.pi * 1000.0 * t)
    for attack in (0.3, 5.0):
        out = run("limiter", both(tone), threshold_db=-10.0, attack_ms=attack, release_ms=60.0)[0]
        peaks = np.abs(out).reshape(-1, RATE // 1000).max(axis=1)
        axes[1].plot(np.arange(len(peaks)), decibels(peaks), label=f"attack {attack:g} ms")
    axes[1].axhline(-10.0, color="0.6", linewidth=0.8, linestyle=":")
    axes[1].set_xlabel("ms")
    axes[1].set_ylabel("peaks, dB")
    axes[1].legend(frameon=False, loc="upper right")


def _stereo_imager(ax: Any) -> None:
    widths = np.linspace(0.0, 2.0, 101)
    left_only = np.array([[1.0], [0.0]])
    mid, side = [], []
    for width in widths:
        left, right = run("stereo_imager", left_only, width=float(width))[:, 0]
        mid.append(left + right)
        side.append(left - right)
    ax.plot(widths, decibels(mid), label="mid")
    ax.plot(widths, decibels(side), label="side")
    ax.set_ylim(-30.0, 8.0)
    ax.set_xlabel("width")
    ax.set_ylabel("dB")
    ax.legend(frameon=False)


def _delay(ax: Any) -> None:
    for number, feedback in enumerate((0.0, 0.3, 0.6)):
        out = run("delay", click(1.3), time_ms=150.0, feedback=feedback, wet=0.5)[0]
        at = np.flatnonzero(np.abs(out) > 1e-3)
        shift = 12.0 * (number - 1)
        ax.vlines(
            1e3 * at / RATE + shift, 0.0, out[at], color=f"C{number}", label=f"feedback {feedback:g}", linewidth=2.0
        )
    ax.set_xlabel("ms (bars of one echo drawn side by side)")
    ax.set_ylabel("amplitude")
    ax.set_ylim(0.0)
    ax.legend(frameon=False)


def _reverb(ax: Any) -> None:
    seconds = 2.5
    hz = np.fft.rfftfreq(int(seconds * RATE), 1.0 / RATE)
    for damping, style in ((0.0, "--"), (0.5, "-")):
        answer = run("reverb", click(seconds), seed=1.0, decay_seconds=2.0, damping=damping, predelay_ms=40.0, wet=1.0)[
            0
        ]
        spectrum = np.fft.rfft(answer)
        for number, centre in enumerate((250.0, 2_000.0, 8_000.0)):
            octaves = np.log2(np.maximum(hz, 1.0) / centre)
            # Smooth edges: the ringing of sharp ones would outlast the room.
            band = np.fft.irfft(spectrum * np.exp(-0.5 * (octaves / 0.25) ** 2), len(answer))
            left = np.cumsum(band[::-1] ** 2)[::-1]
            label = f"{centre:g} Hz" if style == "-" else None
            t = np.arange(len(left))[::480] / RATE
            ax.plot(t, 10.0 * np.log10(left[::480] / left[0] + 1e-12), style, color=f"C{number}", label=label)
    ax.set_ylim(-60.0, 2.0)
    ax.set_xlim(0.0, 2.0)
    ax.set_xlabel("s")
    ax.set_ylabel("energy left, dB")
    ax.legend(frameon=False, loc="upper right")


_DRAWINGS: dict[str, Callable[[Any], None]] = {
    "equalizer": _equalizer,
    "distortion": _distortion,
    "multiband_compressor": _multiband,
    "compressor": _compressor,
    "limiter": _limiter,
    "stereo_imager": _stereo_imager,
    "delay": _delay,
    "reverb": _reverb,
}
