"""From whatever a caller has to ``float32 [2, T]`` at one sample rate, whole or in windows."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from fxlens.audio import io
from fxlens.audio.checks import check, check_rate, check_shape, is_silent
from fxlens.errors import AudioDecodeError, AudioEmptyError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "MonoWarning",
    "Window",
    "as_stereo",
    "check",
    "check_rate",
    "is_silent",
    "resample",
    "to_waveform",
    "windows",
]

TAIL_SHARE = 0.1
"""Share of a hop that must be left over behind the last whole window for the tail to be a window, too."""

_BLOCK_SECONDS = 10.0
_QUALITY = "HQ"


class MonoWarning(UserWarning):
    """A mono source was duplicated to both channels: effects on the stereo image cannot be heard in it."""


def as_stereo(audio: np.ndarray, source: str | Path = "array") -> np.ndarray:
    """Duplicate mono to two channels, with a :class:`MonoWarning`; stereo is passed through.

    Args:
        audio: ``[T]``, ``[1, T]`` or ``[2, T]``.
        source: the file or thing to name in messages.

    Returns:
        ``[2, T]``; stereo input is returned itself, not a copy.

    Raises:
        AudioChannelsError, AudioEmptyError: as :func:`check`.
    """
    check_shape(audio, source)
    if audio.ndim == 2 and audio.shape[0] == 2:
        return audio
    _warn_mono(source)
    return np.repeat(audio.reshape(1, -1), 2, axis=0)


def _warn_mono(source: str | Path) -> None:
    warnings.warn(
        f"{source}: mono, duplicated to both channels; nothing can be heard of its stereo image",
        MonoWarning,
        stacklevel=3,
    )


def resample(audio: np.ndarray, from_rate: float, to_rate: float) -> np.ndarray:
    """Change the sample rate (soxr, HQ: linear phase, -100 dB or better, pass band to 0.91 of Nyquist).

    Args:
        audio: ``[C, T]`` float32 or float64.
        from_rate: Hz.
        to_rate: Hz.

    Returns:
        ``[C, T']`` of the same type, T' = T x to_rate / from_rate rounded; the input itself if the rates are
        equal.

    Raises:
        UsageError: a rate outside 1 000 to 768 000 Hz.
    """
    check_rate(from_rate, "from_rate")
    check_rate(to_rate, "to_rate")
    if from_rate == to_rate:
        return audio
    return np.ascontiguousarray(soxr.resample(np.ascontiguousarray(audio.T), from_rate, to_rate, _QUALITY).T)


def _as_float32(x: Any, source: str | Path) -> np.ndarray:
    """Array, tensor or sequence to float32; integers are divided by their type's full scale."""
    if hasattr(x, "detach"):  # a torch tensor, without importing torch for those who have none
        x = x.detach().cpu()
        x = (x.float() if x.is_floating_point() else x).numpy()
    array = np.asarray(x)
    kind = array.dtype.kind
    if kind == "f":
        with np.errstate(over="ignore"):  # float64 too large for float32 becomes infinite, which check() names
            return array.astype(np.float32, copy=False)
    if kind in "iu" and array.dtype.itemsize <= 4:
        full_scale = 2.0 ** (8 * array.dtype.itemsize - 1)
        offset = full_scale if kind == "u" else 0.0  # unsigned samples are offset binary, as in 8-bit wav
        return ((array.astype(np.float64) - offset) / full_scale).astype(np.float32)
    raise UsageError(f"{source}: samples of type {array.dtype} are not audio; pass float32, int16 or int32")


def _check_file_rate(sample_rate: float, source: str) -> None:
    try:
        check_rate(sample_rate, "the sample rate")
    except UsageError as error:  # one odd file of many is no wrong call
        raise AudioDecodeError(source, f"{error}; resample it first") from None


def _require_rate(sample_rate: float | None, source: str | Path) -> float:
    if sample_rate is None:
        raise UsageError(f"{source}: an array does not know its sample rate; pass sample_rate=")
    check_rate(sample_rate)
    return sample_rate


def to_waveform(
    x: np.ndarray | Tensor | str | os.PathLike[str],
    sample_rate: float | None,
    target_rate: float,
    source: str = "array",
) -> np.ndarray:
    """Bring a file, an array or a tensor to stereo float32 at the target rate.

    Args:
        x: a path, or samples ``[T]``, ``[1, T]`` or ``[2, T]``. Integers are scaled by their type's full
            scale.
        sample_rate: Hz of an array or tensor; a file knows its own and this is not looked at.
        target_rate: Hz.
        source: what to call an array in messages; a file is called by its path.

    Returns:
        ``float32 [2, T]``. Never the caller's own memory unless nothing had to be changed.

    Raises:
        AudioError: as :func:`check`, and for files as :func:`fxlens.audio.io.read`.
        UsageError: an array without a sample rate, or a rate outside 1 000 to 768 000 Hz.
    """
    check_rate(target_rate, "target_rate")
    rate: float
    if isinstance(x, str | os.PathLike):
        source = os.fspath(x)
        audio, rate = io.read(x)
        check_shape(audio, source)
        _check_file_rate(rate, source)
    else:
        rate = _require_rate(sample_rate, source)
        audio = _as_float32(x, source)
        check(audio, source)
    # One channel is resampled once, then duplicated.
    audio = resample(np.atleast_2d(audio), rate, target_rate)
    if audio.shape[1] == 0:
        raise AudioEmptyError(source, f"nothing is left of it at {target_rate} Hz: it is too short")
    if audio.shape[0] == 1:
        _warn_mono(source)
        audio = np.repeat(audio, 2, axis=0)
    return audio


@dataclass(frozen=True)
class Window:
    """A piece of a longer sound.

    Args:
        audio: ``float32 [2, N]``.
        start_seconds: where it begins in the source.
        end_seconds: where it ends in the source.
    """

    audio: np.ndarray
    start_seconds: float
    end_seconds: float


def windows(
    source: np.ndarray | Tensor | str | os.PathLike[str],
    target_rate: float,
    window_seconds: float = 10.0,
    hop_seconds: float | None = None,
    sample_rate: float | None = None,
) -> Iterator[Window]:
    """Cut a file or an array into windows of equal length, in constant memory for files of any length.

    The rule: windows begin at 0, H, 2H, ... as long as they fit whole. If at least ``TAIL_SHARE`` of a hop is
    left over behind the last of them, one more whole window is aligned to the end, overlapping the one
    before; less than that is dropped. A source shorter than one window is one window of its own length, not
    padded. Silent windows are yielded like any other.

    Args:
        source: a path, or samples ``[T]``, ``[1, T]`` or ``[2, T]``.
        target_rate: Hz of the windows.
        window_seconds: length of a window.
        hop_seconds: distance between beginnings; the window's length if not given.
        sample_rate: Hz of an array; not looked at for a file.

    Yields:
        Windows in the order of time.

    Raises:
        AudioError, UsageError: as :func:`to_waveform`, before the first window where the cause can be known by
            then; a file that breaks off raises after the windows before the break.
    """
    hop_seconds = window_seconds if hop_seconds is None else hop_seconds
    check_rate(target_rate, "target_rate")
    length, hop = (_samples(s, target_rate, n) for s, n in ((window_seconds, "window"), (hop_seconds, "hop")))
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        info = io.probe(source, exact=False)
        if info.channels > 2:
            check_shape(np.empty((info.channels, 3)), name)
        rate: float = info.sample_rate
        _check_file_rate(rate, name)
        channels = info.channels
        blocks = io.blocks(source, _BLOCK_SECONDS)
    else:
        name = "array"
        rate = _require_rate(sample_rate, name)
        array = np.atleast_2d(_as_float32(source, name))
        check(array, name)
        channels = array.shape[0]
        blocks = _array_blocks(array, max(1, round(_BLOCK_SECONDS * rate)))
    if channels == 1:
        _warn_mono(name)
    return _cut(_resampled(blocks, rate, target_rate, channels), length, hop, target_rate, name)


def _samples(seconds: float, rate: float, name: str) -> int:
    if not math.isfinite(seconds) or round(seconds * rate) < 1:
        raise UsageError(f"{name}_seconds must be a positive time, not {seconds!r}")
    return round(seconds * rate)


def _array_blocks(array: np.ndarray, frames: int) -> Iterator[np.ndarray]:
    for start in range(0, array.shape[1], frames):
        yield array[:, start : start + frames]


def _resampled(blocks: Iterator[np.ndarray], from_rate: float, to_rate: float, channels: int) -> Iterator[np.ndarray]:
    """Resample a stream of ``[C, t]`` blocks; the joined result is sample for sample that of
    :func:`resample`."""
    if from_rate == to_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality=_QUALITY)
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    yield stream.resample_chunk(np.empty((0, channels), np.float32), last=True).T


def _cut(blocks: Iterator[np.ndarray], length: int, hop: int, rate: float, source: str) -> Iterator[Window]:
    """Apply the rule of :func:`windows` to a stream of blocks at the target rate."""
    held: list[np.ndarray] = []  # the samples from `first` to `end` that may still be needed
    first = end = start = 0

    def window(begin: int, stop: int) -> Window:
        piece = held[0][:, begin - first : stop - first]
        stereo = np.repeat(piece, 2, axis=0) if piece.shape[0] == 1 else piece.copy()
        return Window(stereo, begin / rate, stop / rate)

    for block in blocks:
        held.append(block)
        end += block.shape[1]
        if end < start + length:
            continue
        held = [np.concatenate(held, axis=1)]
        while start + length <= end:
            yield window(start, start + length)
            start += hop
        # The last `length` samples stay: the final window may be aligned to the end.
        drop = max(0, min(start, end - length) - first)
        held, first = [held[0][:, drop:]], first + drop
    if end == 0:
        raise AudioEmptyError(source, f"nothing is left of it at {rate} Hz: it is too short")
    held = [np.concatenate(held, axis=1)]
    if start == 0:
        yield window(0, end)
    elif end - (start - hop + length) >= TAIL_SHARE * hop:
        yield window(end - length, end)
