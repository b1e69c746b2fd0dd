"""What Fx-normalisation does differently for different instruments.

The values are those of Martinez-Ramirez et al., "Automatic music mixing with deep learning and out-of-domain data",
ISMIR 2022, for its four classes; instruments that it does not know are treated as its class of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InstrumentSettings:
    """Settings of the steps for one kind of instrument.

    Args:
        smoothing_bins: length of the moving average over the mean spectrum; bins of 0.67 Hz.
        attack_ms: of the compressor.
        release_ms: of the compressor.
        mildest_ratio: of the compressor; harder ones are tried only where this one does not suffice.
        panning_highest_hz: above it, the stereo image is left as it is.
    """

    smoothing_bins: int
    attack_ms: float
    release_ms: float
    mildest_ratio: float
    panning_highest_hz: float


_VOCALS = InstrumentSettings(401, 7.5, 400.0, 4.0, 16_000.0)
_DRUMS = InstrumentSettings(151, 10.0, 180.0, 6.0, 6_000.0)
_BASS = InstrumentSettings(151, 10.0, 500.0, 5.0, 16_000.0)
_OTHER = InstrumentSettings(401, 15.0, 666.0, 4.0, 16_000.0)
_KINDS = {"vocals": _VOCALS, "drums": _DRUMS, "percussion": _DRUMS, "bass": _BASS}


def settings_of(instrument: str) -> InstrumentSettings:
    """The settings for an instrument class.

    Args:
        instrument: canonical class, see :mod:`fxlens.instruments`.
    """
    return _KINDS.get(instrument, _OTHER)
