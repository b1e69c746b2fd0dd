"""Sentences that an engineer would say, and that claim no more than is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fxlens.describing import Description, Finding, Setting
from fxlens.describing.description import verdict_of
from fxlens.describing.quantities import EFFECTS
from fxlens.describing.wording import LABELS, frequency, rounded, setting_phrase, strength_word


def setting(name: str, label: str, unit: str, value: float, low: float, high: float) -> Setting:
    return Setting(name, label, unit, value, low, high, 0.8)


def response(hz: int, label: str, value: float, low: float, high: float) -> Setting:
    return setting(f"response_at_{hz}_hz_db", label, "dB", value, low, high)


TIME = setting("time_ms", "time", "ms", 124.0, 109.0, 141.0)
WET = setting("wet", "wet", "", 0.31, 0.27, 0.34)


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (Finding("delay", 0.8, "likely", None, (TIME, WET)), "delay: likely, 110–140 ms, wet about 30 %"),
        (
            Finding("delay", 0.8, "likely", None, (setting("time_ms", "time", "ms", 200.0, 110.0, 340.0), WET)),
            "delay: likely, 110–340 ms, wet about 30 %",
        ),
        (Finding("reverb", 0.5, "not sure"), "reverb: not sure"),
        (Finding("distortion", 0.97, "yes", 0.9), "distortion: yes, heavy"),
        (Finding("stereo_imager", 0.02, "no"), "stereo width: no"),
        (
            Finding("equalizer", 0.95, "yes", 0.2, (response(3000, "around 3 kHz", 5, 4, 6.5),)),
            "equaliser: yes, light, boost around 3 kHz (about 5 dB)",
        ),
        (
            Finding("equalizer", 0.95, "yes", 0.5, (response(100, "around 100 Hz", -6, -9, -2),)),
            "equaliser: yes, moderate, cut around 100 Hz (2–9 dB)",
        ),
        (
            Finding("equalizer", 0.95, "yes", None, (response(100, "around 100 Hz", 1, -3, 5),)),
            "equaliser: yes",
        ),
        (
            Finding("limiter", 0.75, "likely", None, (setting("threshold_db", "threshold", "dB", -9, -14, -4.6),)),
            "limiting: likely, threshold -14 to -5 dB",
        ),
        (
            Finding("stereo_imager", 0.92, "yes", None, (setting("width", "width", "", 0.4, 0.3, 0.43),)),
            "stereo width: yes, narrowed (width about 40 %)",
        ),
        (
            Finding("stereo_imager", 0.92, "yes", None, (setting("width", "width", "", 1.5, 1.2, 1.8),)),
            "stereo width: yes, widened (width 120–180 %)",
        ),
        (
            Finding("stereo_imager", 0.92, "yes", None, (setting("width", "width", "", 1.1, 0.6, 1.5),)),
            "stereo width: yes",
        ),
        (
            Finding("reverb", 0.92, "yes", None, (setting("decay_seconds", "decay", "s", 1.23, 0.81, 2.16),)),
            "reverb: yes, decay 0.81–2.2 s",
        ),
    ],
)  # fmt: skip
def test_sentences(finding: Finding, said: str) -> None:
    assert finding.sentence() == said


def test_a_ratio_is_said_as_one() -> None:
    assert (
        setting_phrase(setting("mid_ratio", "ratio of the mids", ":1", 3.0, 2.0, 4.5)) == "ratio of the mids 2.0–4.5 :1"
    )


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [(1.0, "yes"), (0.9, "yes"), (0.899, "likely"), (0.7, "likely"), (0.699, "not sure"), (0.5, "not sure"),
     (0.3, "not sure"), (0.299, "unlikely"), (0.1, "unlikely"), (0.099, "no"), (0.0, "no")],
)  # fmt: skip
def test_verdicts(probability: float, verdict: str) -> None:
    assert verdict_of(probability) == verdict


@pytest.mark.parametrize(("value", "said"), [(113.0, "110"), (0.217, "0.22"), (9.96, "10"), (1.0, "1.0"), (0.0, "0")])
def test_rounding(value: float, said: str) -> None:
    assert rounded(value) == said


def test_small_words() -> None:
    assert [strength_word(s) for s in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)] == [
        "light", "light", "moderate", "moderate", "heavy", "heavy",
    ]  # fmt: skip
    assert [frequency(hz) for hz in (80.0, 999.0, 1000.0, 1500.0)] == ["80 Hz", "999 Hz", "1 kHz", "1.5 kHz"]
    assert set(LABELS) == set(EFFECTS)


def test_a_description_is_json_and_is_searched_by_effect() -> None:
    findings = (Finding("delay", 0.8, "likely", 0.4, (TIME, WET)), Finding("reverb", 0.5, "not sure"))
    one = Description(
        "drums", findings, np.array([0.0, 10.0]), np.array([[0.9, 0.4], [0.7, 0.6]]), ("delay", "reverb"),
        ends=np.array([10.0, 20.0]), model="m-1", source="a.wav",
    )  # fmt: skip
    assert one.text.splitlines() == one.sentences()
    assert one.finding("reverb").verdict == "not sure"
    with pytest.raises(KeyError):
        one.finding("gain")
    back = json.loads(json.dumps(one.as_dict(), allow_nan=False))
    assert back["findings"][0]["settings"][0] == {
        "name": "time_ms", "label": "time", "unit": "ms", "value": 124.0, "low": 109.0, "high": 141.0, "coverage": 0.8,
    }  # fmt: skip
    assert back["findings"][1]["strength"] is None
    assert np.array(back["probabilities"]).shape == (len(back["times"]), len(back["effects"]))
