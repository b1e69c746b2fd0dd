"""Decoding with FFmpeg through PyAV (extra ``[media]``): m4a, aac, mp4, stem.mp4, webm, mka, wma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.audio.decoder import TOLERATED_SECONDS, Description, broken_off, undecodable
from fxlens.errors import AudioDecodeError, AudioEmptyError

SUFFIXES = frozenset({".m4a", ".m4b", ".aac", ".mp4", ".webm", ".mka", ".wma"})

_CODEC_OF_SUFFIX = {".webm": "WebM audio", ".mka": "Matroska audio", ".wma": "WMA"}
_PREROLL_SECONDS = 0.5  # decoded and dropped before a position that was sought: codecs overlap their frames


def recognises(head: bytes) -> bool:
    """Whether the first bytes are those of MP4, Matroska/WebM or ASF, whatever the file is called."""
    return head[4:8] == b"ftyp" or head[:4] in (b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75")


def describe(path: Path, stream: int) -> Description:
    """Read the header (see :class:`fxlens.audio.decoder.Decoder`)."""
    av = _import_av(path)
    with _open(av, path) as container:
        source = _stream(container, path, stream)
        rate = source.rate
        # Only the MP4 family counts in samples; others round to milliseconds or guess from the bit rate.
        seconds = _declared_seconds(container, source)
        exact = seconds is not None and "mp4" in container.format.name
        estimate = 0 if seconds is None else round(seconds * rate)
        if exact and estimate == 0:
            raise AudioEmptyError(path, "its header says that there are no samples; export it again")
        return Description(
            sample_rate=rate,
            channels=source.channels,
            frames=estimate if exact else None,
            estimated_frames=estimate,
            format=container.format.name,
            subtype=source.codec_context.name,
            streams=len(container.streams.audio),
        )


def decode(
    path: Path, description: Description, stream: int, start: int, frames: int | None, block: int
) -> Iterator[np.ndarray]:
    """Yield blocks (see :class:`fxlens.audio.decoder.Decoder`)."""
    av = _import_av(path)
    rate, promised = description.sample_rate, description.frames
    end = promised if frames is None else start + frames
    if end is not None and promised is not None:
        end = min(end, promised)  # behind it there is only the padding of the last frame
    held: list[np.ndarray] = []
    held_frames, position = 0, start
    reason = ""
    with _open(av, path) as container:
        source = _stream(container, path, stream)
        declared = _declared_seconds(container, source)
        pieces = _pieces(av, container, source, rate, start)
        while end is None or position < end:
            try:
                piece = next(pieces, None)
            except av.FFmpegError as error:
                reason = str(error.strerror)
                break
            if piece is None:
                break
            if end is not None:
                piece = piece[:, : end - position]
            held.append(piece)
            held_frames += piece.shape[1]
            position += piece.shape[1]
            if held_frames >= block:
                joined = np.concatenate(held, axis=1)
                while joined.shape[1] >= block:
                    yield np.ascontiguousarray(joined[:, :block])
                    joined = joined[:, block:]
                held, held_frames = [joined], joined.shape[1]
    if held_frames:
        yield np.ascontiguousarray(np.concatenate(held, axis=1))
    if end is not None and position >= end:
        return
    # Without an exact length only a gap that no rounding explains is a break.
    tolerated = TOLERATED_SECONDS if promised is not None else 0.5
    of_seconds = declared if promised is not None or "matroska" in description.format else None
    if reason or (of_seconds is not None and of_seconds - position / rate > tolerated):
        if position == start > 0:  # the break is somewhere before: find it on the way there
            for _ in decode(path, description, stream, 0, start, block):
                pass
        raise broken_off(path, position / rate, of_seconds, reason)


def decode_streams(path: Path, descriptions: Mapping[int, Description]) -> Iterator[tuple[int, np.ndarray]]:
    """Decode several streams in one pass over the file.

    Args:
        path: the file.
        descriptions: stream -> what :func:`describe` says of it; their lengths must be known.

    Returns:
        An iterator over (stream, ``float32 [C, t]``), interleaved as they lie in the file, each stream from its
        beginning to the length that was promised.

    Raises:
        AudioDecodeError: a stream is missing or breaks off.
    """
    av = _import_av(path)
    position, reason = dict.fromkeys(descriptions, 0), ""
    with _open(av, path) as container:
        sources = {number: _stream(container, path, number) for number in descriptions}
        number_of = {source.index: number for number, source in sources.items()}
        converted = {
            number: av.AudioResampler(format="fltp", layout=source.layout, rate=descriptions[number].sample_rate)
            for number, source in sources.items()
        }
        packets = container.demux(list(sources.values()))
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except av.FFmpegError as error:
                reason = str(error.strerror)
                break
            if packet is None:
                break
            number = number_of[packet.stream.index]
            for frame in (piece for whole in frames for piece in converted[number].resample(whole)):
                missing = (descriptions[number].frames or 0) - position[number]
                piece = frame.to_ndarray()[:, : max(missing, 0)]  # behind it there is only padding
                position[number] += piece.shape[1]
                if piece.shape[1]:
                    yield number, piece
    for number, description in descriptions.items():
        seconds, of_seconds = (n / description.sample_rate for n in (position[number], description.frames or 0))
        if of_seconds - seconds > TOLERATED_SECONDS:
            raise broken_off(path, seconds, of_seconds, reason or f"stream {number}")


def _import_av(path: Path) -> Any:
    try:
        import av
    except ImportError:
        codec = _CODEC_OF_SUFFIX.get(path.suffix.lower(), "AAC")
        raise AudioDecodeError(path, f"this installation cannot decode {codec}. pip install 'fxlens[media]'") from None
    return av


def _open(av: Any, path: Path) -> Any:
    try:
        return av.open(str(path), metadata_errors="ignore")
    except av.FFmpegError as error:
        raise undecodable(path, str(error.strerror)) from None


def _stream(container: Any, path: Path, index: int) -> Any:
    streams = container.streams.audio
    if not streams:
        raise AudioDecodeError(path, "it has no audio stream")
    if not 0 <= index < len(streams):
        raise AudioDecodeError(path, f"it has {len(streams)} audio streams, there is no stream {index}")
    if not streams[index].codec_context or not streams[index].rate:
        raise AudioDecodeError(path, "its codec is not known here; export it as wav or flac")
    return streams[index]


def _declared_seconds(container: Any, source: Any) -> float | None:
    if source.duration is not None and source.time_base is not None:
        return float(source.duration * source.time_base)
    # The length of a container with a picture in it is not that of its sound.
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1e6
    return None


def _pieces(av: Any, container: Any, source: Any, rate: int, start: int) -> Iterator[np.ndarray]:
    """Yield ``float32 [C, t]`` of what the decoder gives, from frame ``start`` on."""
    position = 0
    counts_samples = source.time_base == Fraction(1, rate) and not source.start_time
    sought = counts_samples and start > 2 * _PREROLL_SECONDS * rate
    if sought:
        container.seek(int(start - _PREROLL_SECONDS * rate), stream=source, backward=True)
    resampler = av.AudioResampler(format="fltp", layout=source.layout, rate=rate)

    def converted() -> Iterator[Any]:
        for frame in container.decode(source):
            yield frame.pts, resampler.resample(frame)
        yield None, resampler.resample(None)

    for pts, frames in converted():
        if sought and pts is not None:
            position, sought = pts, False
        for frame in frames:
            piece = frame.to_ndarray()
            skip = max(0, start - position)
            position += piece.shape[1]
            if skip < piece.shape[1]:
                yield piece[:, skip:]
