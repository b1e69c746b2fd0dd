"""Where samples lie: in a file, in one stream of a file, or in several files whose sum they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.audio import io, waveform
from fxlens.errors import AudioDecodeError


@dataclass(frozen=True)
class Recording:
    """Where the samples of a stem lie.

    Args:
        paths: the file; or several, whose sum the stem is: mono files sound on both sides, and the shortest
            file ends it.
        stream: which audio stream of the files.
    """

    paths: tuple[Path, ...]
    stream: int = 0

    def __str__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{f', stream {self.stream}' if self.stream else ''}{more}"

    def digest(self, sha256_of: Callable[[Path], str]) -> str:
        """Name the samples by the bytes they come from.

        Args:
            sha256_of: hashes a file.

        Returns:
            The hash of the file; of several files or of a stream other than the first, the hash of a line that
            holds the files' hashes and the stream.
        """
        digests = [sha256_of(path) for path in self.paths]
        if len(digests) == 1 and self.stream == 0:
            return digests[0]
        return hashlib.sha256(f"{'+'.join(digests)} stream {self.stream}".encode()).hexdigest()

    def read(self, start_seconds: float = 0.0, duration_seconds: float | None = None) -> tuple[np.ndarray, int]:
        """Read the samples, or a part of them.

        Args:
            start_seconds: where to begin.
            duration_seconds: how much; to the end if not given. The end may come earlier.

        Returns:
            ``float32 [C, T]`` and the sample rate in Hz; a sum has two channels.

        Raises:
            AudioError: a file is missing, damaged or empty, has samples that are not finite, more than two
                channels in a sum, or another rate than the others of its sum.
        """
        first, *others = self.paths
        audio, rate = io.read(first, start_seconds, duration_seconds, stream=self.stream)
        if not others:
            return audio, rate
        audio = _both_sides(audio, first)
        for path in others:
            more, own_rate = io.read(path, start_seconds, duration_seconds, stream=self.stream)
            if own_rate != rate:
                raise AudioDecodeError(
                    path, f"it has {own_rate} Hz and {first.name}, with which it is summed, {rate}; export both alike"
                )
            length = min(audio.shape[1], more.shape[1])
            audio = audio[:, :length] + _both_sides(more, path)[:, :length]
        return audio, rate


def _both_sides(audio: np.ndarray, path: Path) -> np.ndarray:
    waveform.check(audio, path)
    return np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio
