"""Lossy codecs, there and back in memory: what streaming and forwarding do to music.

The encoders and decoders are libsndfile's: LAME at a constant bit rate, and Vorbis by quality, which keeps to its rate
on average.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from fxlens.audio.quiet import without_decoder_notes
from fxlens.audio.waveform import resample
from fxlens.errors import ConfigError

_MP3_KBITS = (32.0, 320.0)
_VORBIS_QUALITY = {64: 0.0, 80: 0.1, 96: 0.2, 112: 0.3, 128: 0.4, 160: 0.5, 192: 0.6, 224: 0.7, 256: 0.8}
CODECS: tuple[str, ...] = (
    *(f"mp3-{rate}" for rate in (64, 80, 96, 112, 128, 160, 192, 256)),
    *(f"ogg-{rate}" for rate in _VORBIS_QUALITY),
)
"""Codecs by format and rate in kbit/s, stereo."""

_PEAK = 0.9


def check_codecs(names: tuple[str, ...], where: str) -> None:
    """Refuse codecs that are not among ``CODECS``.

    Raises:
        ConfigError: the message names the setting ``where``.
    """
    for name in names:
        if name not in CODECS:
            raise ConfigError(f"{where} has {name!r}; there are: {', '.join(CODECS)}")


def through_codec(audio: np.ndarray, sample_rate: int, codec: str) -> np.ndarray:
    """Encode and decode a clip.

    What the encoder puts in front the decoder takes away again: the result lies where the clip lay.

    Args:
        audio: ``float32 [2, T]``; of any level, which is kept: the encoder meets its peak just below full scale.
        sample_rate: Hz, one that the format knows.
        codec: one of ``CODECS``.

    Returns:
        ``float32 [2, T]``. Silence is returned as it is.
    """
    peak = float(np.abs(audio).max())
    if peak == 0.0:
        return audio
    kind, rate = codec.split("-")
    if kind == "mp3":
        level = (_MP3_KBITS[1] - int(rate)) / (_MP3_KBITS[1] - _MP3_KBITS[0])
        how = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"}
    else:
        level = 1.0 - _VORBIS_QUALITY[int(rate)]
        how = {"format": "OGG", "subtype": "VORBIS"}
    scale = np.float32(_PEAK / peak)
    encoded = io.BytesIO()
    with soundfile.SoundFile(encoded, "w", sample_rate, 2, compression_level=level, **how) as file:
        file.write((audio * scale).T)
    encoded.seek(0)
    with without_decoder_notes(kind == "mp3"):
        decoded, decoded_rate = soundfile.read(encoded, dtype="float32", always_2d=True)
    back = resample(np.ascontiguousarray(decoded.T), decoded_rate, sample_rate)[:, : audio.shape[1]]
    return np.ascontiguousarray(np.pad(back, ((0, 0), (0, audio.shape[1] - back.shape[1]))) / scale)
