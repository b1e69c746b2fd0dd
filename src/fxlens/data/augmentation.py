"""What happens to music after its effects, and says nothing about them: codecs, other rates, levels, noise, mono.

Drawn for every view of a batch by itself, whatever its chain: an embedding that follows any of it is wrong about two
views of one style. What would take an effect away, mono after a stereo imager, is not done; and a clip passes what it
passes after all effects, never before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxlens.audio.waveform import resample
from fxlens.data.codecs import check_codecs, through_codec
from fxlens.errors import ConfigError

_QUIETEST_NOISE_DB, _LOUDEST_NOISE_DB = -90.0, -60.0
_LARGEST_OFFSET = 0.003
_SHARES = ("codec", "resampled", "mono", "gain", "noise", "offset")


@dataclass(frozen=True)
class AugmentSettings:
    """Shares of views, 0-1, to which each thing happens; nothing by default.

    Args:
        codec: pass a lossy codec; the dearest of all, 20 to 80 ms a second of sound (see also ``block.codec_share``).
        codecs: those to choose from, see :data:`fxlens.data.codecs.CODECS`.
        resampled: change the sample rate and back, which loses what lies above the lower Nyquist frequency.
        rates_hz: rates to choose from.
        mono: both channels become their mean, where no effect of the view moves the image.
        gain: change the level.
        gain_db: by as much at most, up or down. A model with ``input_lufs`` takes most of it back at use, and needs
            little here.
        noise: add white noise, 60 to 90 dB below full scale, as dither and preamplifiers do.
        offset: add up to 0.3 % of DC.
    """

    codec: float = 0.0
    codecs: tuple[str, ...] = ("mp3-64", "mp3-128", "ogg-64", "ogg-96", "ogg-128")
    resampled: float = 0.0
    rates_hz: tuple[int, ...] = (22_050, 32_000, 48_000)
    mono: float = 0.0
    gain: float = 0.0
    gain_db: float = 12.0
    noise: float = 0.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        check_codecs(self.codecs, "augment.codecs")
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"augment.{name} is a share of views, 0 to 1, not {getattr(self, name):g}")
        if (self.codec > 0.0 and not self.codecs) or (self.resampled > 0.0 and not self.rates_hz):
            raise ConfigError("augment.codecs and augment.rates_hz must not be empty where they are used")
        if any(rate < 8_000 for rate in self.rates_hz):
            raise ConfigError(f"augment.rates_hz must be 8000 or more, not {min(self.rates_hz)}")


def augment(
    clip: np.ndarray, sample_rate: int, rng: np.random.Generator, settings: AugmentSettings, mono_safe: bool
) -> np.ndarray:
    """Let happen to a view what is drawn.

    As many numbers are drawn whatever happens, but for the noise, which is drawn last; none where nothing can happen.

    Args:
        clip: ``float32 [2, T]``, not changed.
        sample_rate: Hz.
        rng: where the draws come from.
        settings: see :class:`AugmentSettings`.
        mono_safe: no effect of the clip is lost in mono.

    Returns:
        ``float32 [2, T]``.
    """
    if not any(getattr(settings, name) for name in _SHARES):
        return clip
    happens = dict(zip(_SHARES, rng.random(len(_SHARES)), strict=True))
    which_codec, which_rate, gain, noise, left, right = rng.random(6)
    out = clip
    if happens["mono"] < settings.mono and mono_safe:
        out = np.repeat(out.mean(axis=0, keepdims=True), 2, axis=0)
    if happens["resampled"] < settings.resampled:
        rate = settings.rates_hz[int(which_rate * len(settings.rates_hz))]
        out = _back_and_forth(out, sample_rate, rate)
    if happens["codec"] < settings.codec:
        out = through_codec(out, sample_rate, settings.codecs[int(which_codec * len(settings.codecs))])
    if happens["gain"] < settings.gain:
        out = out * np.float32(10.0 ** ((2.0 * gain - 1.0) * settings.gain_db / 20.0))
    if happens["offset"] < settings.offset:
        out = out + np.float32(_LARGEST_OFFSET) * np.array([[2.0 * left - 1.0], [2.0 * right - 1.0]], np.float32)
    if happens["noise"] < settings.noise:
        level = 10.0 ** ((_QUIETEST_NOISE_DB + noise * (_LOUDEST_NOISE_DB - _QUIETEST_NOISE_DB)) / 20.0)
        out = out + np.float32(level) * rng.standard_normal(out.shape, dtype=np.float32)
    return out


def _back_and_forth(clip: np.ndarray, sample_rate: int, rate: int) -> np.ndarray:
    if rate == sample_rate:
        return clip
    back = resample(resample(clip, sample_rate, rate), rate, sample_rate)[:, : clip.shape[1]]
    return np.ascontiguousarray(np.pad(back, ((0, 0), (0, clip.shape[1] - back.shape[1]))), dtype=np.float32)
