"""Write docs/effects.md and its pictures: what each processor computes, its parameters, its response.

    python tools/effects_docs.py            # the page and docs/effects/*.svg (needs matplotlib)
    python tools/effects_docs.py --text     # the page alone

Tables come from the processors' declarations and pictures from running them; only the equations are written here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fxlens.effects.processor import Parameter, Processor
from fxlens.effects.registry import PROCESSORS

PAGE = Path(__file__).parents[1] / "docs" / "effects.md"
PICTURES = PAGE.parent / "effects"

INTRODUCTION = """\
# The effects

<!-- Written by tools/effects_docs.py: edit that, not this page. -->

Every processor takes stereo audio and parameters in physical units, and has three faces that agree: a *reference*
for one clip in 64-bit floats, the *differentiable* form for batches on CPU or GPU, with gradients for the audio and
every parameter, and a *fast* compiled one. A neutral setting returns the input. Silence stays silence.

A chain is a JSON file that lists them in order; what it leaves out is neutral:

```json
{"format": "fxlens.chain/1", "processors": [
  {"type": "compressor", "enabled": true, "parameters": {"threshold_db": -20.0, "ratio": 4.0}},
  {"type": "delay", "enabled": true, "parameters": {"time_ms": 375.0, "feedback": 0.3, "wet": 0.25}}]}
```

`fxlens apply` processes files with it, `fxlens export` writes it as a sheet to dial in by hand, as pedalboard code or
as an ffmpeg filter line, and `fxlens.effects.amount.at_amount` gives anything between bypass and all of it.

**Ranges.** Chains are drawn from the *default* range; the *paper* range is that of the published training recipe,
where it differs. In the unit range 0–1 a parameter is spread evenly, or evenly in its logarithm where *log* is said.

**Time constants.** An attack or release of *t* milliseconds means that a smoother has covered 1 − 1/e (63 %) of a
step after *t*: `y[n] = y[n−1] + a (x[n] − y[n−1])` with `a = 1 − exp(−1000 / (t · sample_rate))`.

**Levels.** A threshold is in dB relative to full scale, of peaks. It means something at one loudness only: bring a
clip to −18 LUFS (or another agreed level) before the first effect that reacts to level.
"""

EQUATIONS = {
    "equalizer": """\
A low shelf, four peaks and a high shelf in series, each of second order:

    H_peak(s)  = (s² + s A/Q + 1) / (s² + s/(A Q) + 1)
    H_low(s)   = A (s² + s √A/Q + A) / (A s² + s √A/Q + 1)
    H_high(s)  = A (A s² + s √A/Q + 1) / (s² + s √A/Q + A)          A = 10^(gain_db/40)

made digital by `s = (1 − z⁻¹) / (k (1 + z⁻¹))`, `k = tan(π cutoff_hz / sample_rate)`. Cutoffs are held below 0.49 of
the sample rate. Source: R. Bristow-Johnson, *Cookbook formulae for audio EQ biquad filter coefficients*.""",
    "distortion": """\
With `u` the clip scaled to −12 dBFS RMS, `g = 10^(drive_db/20)` and `k² = g² − 1`:

    s = (1 − hardness) tanh(k u)/k + hardness clip(k u, −1, 1)/k
    y = s / (1 + a s)          a = bias k²/g

then scaled back to the RMS of the input: the colour changes, not the level. `bias` shifts the working point and adds
even harmonics; what it adds below 10 Hz is removed. No oversampling: partials above half the sample rate fold back.""",
    "multiband_compressor": """\
Three bands, each with a compressor and a downward expander, mixed with the untouched signal:

    y = x + mix Σ_b (g_b − 1) band_b          low + mid + high = x

The bands are zero-phase Linkwitz–Riley filters of fourth order, `|L(f)| = 1 / (1 + (f/fc)⁴)` (frequencies warped by the
bilinear transform), so unit gains give the input itself. A band's gain in dB, for its level `l`:

    −max((1 − 1/ratio) max(l − threshold, 0), (1/expander_ratio − 1) max(expander_threshold − l, 0))

at most −120 dB, turned into a linear gain and smoothed with attack (falling) and release (rising). The level is the
peak of both channels, rising at once and falling with 10 ms. Sources: S. Linkwitz, *Active Crossover Networks for
Noncoincident Drivers*, JAES 1976; D. Giannoulis, M. Massberg, J. Reiss, *Digital Dynamic Range Compressor Design*,
JAES 2012.""",
    "compressor": """\
For a level `l` in dB (peak of both channels, rising at once, falling with 10 ms) and `over = l − threshold_db`, what is
taken is

    0                                                    over < −knee/2
    (1 − 1/ratio) (over + knee/2)² / (2 knee)            within the knee
    (1 − 1/ratio) over                                   over > knee/2

dB. The linear gain is smoothed with the attack where it falls and the release where it rises, multiplied by the
make-up, and applied to both channels alike. Source: D. Giannoulis, M. Massberg, J. Reiss, *Digital Dynamic Range
Compressor Design*, JAES 2012.""",
    "limiter": """\
The peak of both channels is smoothed (attack where it rises, release where it falls); the gain

    g = min(1, threshold / peak)

is smoothed again (attack where it falls, release where it rises). No look-ahead: the first milliseconds of a sudden
peak pass.""",
    "gain": """\
    y = 10^(gain_db/20) x""",
    "stereo_imager": """\
With `mid = (left + right)/2` and `side = (left − right)/2`:

    left' = mid + width · side          right' = mid − width · side

Mono passes unchanged at every width. The crossfade `2 (1 − w) mid + 2 w side` of the literature is this at
`width = w / (1 − w)`, followed by a gain of `2 (1 − w)`.""",
    "delay": """\
    y(t) = (1 − wet) x(t) + wet Σ_k feedback^(k−1) x(t − k D)          k = 1, 2, …;  D = time_ms

Echoes between samples are read with a sinc under a Blackman window of 64 samples; at whole samples they are exact.""",
    "reverb": """\
    y = (1 − wet) x + wet (h ∗ x)

`h` is a synthetic room named by its parameters, the same in every clip and on every machine: noise in short overlapping
frames whose spectrum fades, by 60 dB at frequency `f` in

    T60(f) = decay_seconds · character(f) · 10^(−damping · position(f))

with `position` from 0 at 250 Hz to 1 at 16 kHz and `character` within a quarter octave of 1, by the seed; after
`predelay_ms` of silence. `h` has unit energy for pink noise, so the wet part is about as loud as the dry one. The tail
ends with the clip.

**Recorded rooms.** With `ir` among its parameters a reverb convolves with a recording instead, and has only
`predelay_ms` and `wet` besides:

```json
{"type": "reverb", "parameters": {"ir": "halls/stage left.wav", "predelay_ms": 10.0, "wet": 0.3}}
```

`ir` is the path of a file below a folder of impulse responses, or as much of it as is unique there (`"stage left"`).
The preset holds the name; whoever uses it gives the folder: `fxlens apply chain.json mix.wav -o out.wav --rooms ROOMS`,
`EffectChain.load("chain.json", rooms=folder)` or `chain.with_rooms(folder)`. Without it, or if the room is not there,
nothing is processed. Recordings may be mono or stereo and of any sample rate (wav, flac, aiff, ogg). They are used from
the direct sound on (where they first come within 20 dB of their peak), for 6 s at most, at unit energy for pink noise
on average over the channels, so a balance between these stays.""",
}

CAPTIONS = {
    "equalizer": "Each band at ±6 and ±12 dB, at its default frequency and Q.",
    "distortion": "Output against input of a sine at the calibration level, and its harmonics at 18 dB of drive.",
    "multiband_compressor": "The bands at the neutral crossovers, and the static curve of one (threshold −20 dB, "
    "ratio 4, expander from −40 dB with ratio 0.5; mix 0.7 and, dashed, what mix 1 would give).",
    "compressor": "Static curve at −24 dB with ratio 4, and the gain while the input steps from −30 to −6 dB and back.",
    "limiter": "Static curve at −10 dB, and the peaks of a tone that steps from −20 to −2 dB and back.",
    "stereo_imager": "Level of mid and side.",
    "delay": "A click through 150 ms with wet 0.5, for three feedbacks.",
    "reverb": "Energy left in three octave bands after a click, for a decay of 2 s with damping 0 (dashed) and 0.5.",
}
_UNITS = {"_db": "dB", "_hz": "Hz", "_ms": "ms", "_seconds": "s"}


def page() -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION]
    parts += [section(processor) for processor in PROCESSORS.values()]
    return "\n".join(parts)


def section(processor: Processor) -> str:
    """One processor: its equation, its parameters and its picture."""
    name = processor.type
    level = "It reacts to the level of its input." if processor.nonlinear else ""
    lines = [f"## `{name}`", "", EQUATIONS[name], ""] + ([level, ""] if level else [])
    lines += ["| parameter | default range | paper range | neutral | unit | |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [_row(parameter) for parameter in processor.parameters]
    if name in CAPTIONS:
        lines += ["", f"![{CAPTIONS[name]}](effects/{name}.svg)", "", f"*{CAPTIONS[name]}*"]
    return "\n".join(lines) + "\n"


def _row(parameter: Parameter) -> str:
    default, paper = parameter.bounds("default"), parameter.bounds("paper")
    unit = next((unit for suffix, unit in _UNITS.items() if parameter.name.endswith(suffix)), "")
    span = "as default" if paper == default else _span(*paper)
    scale = "log" if parameter.log else ""
    return f"| `{parameter.name}` | {_span(*default)} | {span} | {_value(parameter.neutral)} | {unit} | {scale} |"


def _span(low: float, high: float) -> str:
    return f"{_value(low)}" if low == high else f"{_value(low)} … {_value(high)}"


def _value(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


def main() -> None:
    """Rewrite the page, and the pictures unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", action="store_true", help="leave the pictures as they are")
    arguments = parser.parse_args()
    PAGE.write_text(page(), encoding="utf-8")
    if not arguments.text:
        from effects_pictures import draw

        PICTURES.mkdir(exist_ok=True)
        for name in CAPTIONS:
            draw(name, PICTURES / f"{name}.svg")


if __name__ == "__main__":
    main()
