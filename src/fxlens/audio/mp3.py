"""MP3 files whose first frame does not tell the length.

With a variable bit rate libsndfile then guesses a length from the size of the file and stops reading there,
too early by minutes if the music begins louder or denser than it goes on. Counting the frames (ISO/IEC
11172-3, 13818-3) and putting a Xing frame with the count before the file gives it the true length.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

_BIT_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s, MPEG-1 layer III
_BIT_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # MPEG-2 and 2.5
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_CHUNK = 1 << 20


def tells_length(path: Path) -> bool:
    """Whether the first frame is a Xing or Info frame with a count of frames."""
    with path.open("rb") as file:
        file.seek(_after_id3(file.read(10)))
        start = file.read(4096)
    at = max(start.find(b"Xing"), start.find(b"Info"))
    return at >= 0 and len(start) >= at + 8 and bool(start[at + 7] & 1)


def count_frames(path: Path) -> tuple[bytes, int]:
    """Count the layer III frames of a file.

    Returns:
        The header of the first frame and the number of frames; no bytes and zero if there is none.
    """
    status = path.stat()
    return _count_frames(os.fspath(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)  # excerpts of one file are read over and over
def _count_frames(path: str, size: int, changed: int) -> tuple[bytes, int]:
    first, count = b"", 0
    with open(path, "rb") as file:
        position = _after_id3(file.read(10))
        file.seek(position)
        data, at = file.read(_CHUNK), 0
        while True:
            if len(data) - at < 4:
                if at > len(data):
                    file.seek(at - len(data), os.SEEK_CUR)
                data, at = data[at:] + file.read(_CHUNK), 0
                if len(data) < 4:
                    return first, count
            length = _frame_length(data, at)
            if length:
                first = first or data[at : at + 4]
                count += 1
                at += length
            else:  # damage or a tag: go on at the next byte that may begin a frame
                found = data.find(b"\xff", at + 1)
                at = found if found >= 0 else len(data)


def _after_id3(head: bytes) -> int:
    """Size of an ID3v2 tag at the beginning: 28 bits in the low seven of four bytes."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def _frame_length(data: bytes, at: int) -> int:
    """Bytes of the layer III frame whose header is at ``at``; 0 if there is none."""
    if data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:  # sync, layer III
        return 0
    version, bit_rate, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    kbits = (_BIT_RATES_1 if version == 3 else _BIT_RATES_2)[bit_rate]
    return (144_000 if version == 3 else 72_000) * kbits // _SAMPLE_RATES[version][rate] + (data[at + 2] >> 1 & 1)


def _xing_frame(first: bytes, count: int) -> bytes:
    """An empty frame like the first one of the file, with the number of frames that follow."""
    # No checksum, the tenth bit rate (room enough at every sample rate), no padding.
    header = bytes((0xFF, first[1] | 1, 0x90 | first[2] & 0x0C, first[3]))
    mono, mpeg_1 = first[3] >> 6 == 3, first[1] >> 3 & 3 == 3
    side = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}[(mpeg_1, mono)]
    tag = header + bytes(side) + b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return tag.ljust(_frame_length(header, 0), b"\0")


class FileWithLength(io.RawIOBase):
    """The file with a Xing frame before it, for libsndfile to read from.

    Args:
        path: an MP3 file.
        first: header of its first frame.
        count: number of its frames.
    """

    def __init__(self, path: Path, first: bytes, count: int) -> None:
        self._file = path.open("rb")
        self._prefix = _xing_frame(first, count)
        self._skip = _after_id3(self._file.read(10))
        self._position = 0
        self._size = len(self._prefix) + path.stat().st_size - self._skip

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        size = memoryview(buffer).nbytes
        data = self._prefix[self._position : self._position + size]
        if len(data) < size:
            self._file.seek(self._position + len(data) - len(self._prefix) + self._skip)
            data += self._file.read(size - len(data))
        self._position += len(data)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
