"""What the two decoders (libsndfile and FFmpeg) tell about a file, and how they say that it breaks off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fxlens.errors import AudioDecodeError

TOLERATED_SECONDS = 0.05
"""A file may end this much before its header says: encoders disagree on delay and padding."""


@dataclass(frozen=True)
class Description:
    """What the header of a file says.

    Args:
        sample_rate: Hz.
        channels: number of channels.
        frames: samples per channel, or None where the header does not say so reliably.
        estimated_frames: a guess where ``frames`` is None.
        format: the container.
        subtype: the codec or sample format.
        streams: audio streams in the file.
    """

    sample_rate: int
    channels: int
    frames: int | None
    estimated_frames: int
    format: str
    subtype: str
    streams: int = 1


class Decoder(Protocol):
    """A module that reads files."""

    def describe(self, path: Path, stream: int) -> Description:
        """Read the header; raise AudioDecodeError if there is none or if it shows a cut file."""

    def decode(
        self, path: Path, description: Description, stream: int, start: int, frames: int | None, block: int
    ) -> Iterator[np.ndarray]:
        """Yield ``float32 [C, t]`` from frame ``start`` on: blocks of ``block`` frames, the last one shorter.

        Stops after ``frames`` frames or at the end of the file; raises AudioDecodeError where it breaks off.
        """


def broken_off(path: Path, seconds: float, of_seconds: float | None, reason: str = "") -> AudioDecodeError:
    """Make the error for a file that ends before it should."""
    of = "" if of_seconds is None else f" of {of_seconds:.1f}"
    because = f" ({reason})" if reason else ""
    return AudioDecodeError(path, f"breaks off after {seconds:.1f}{of} seconds{because}; copy or export it again")


def undecodable(path: Path, reason: str) -> AudioDecodeError:
    """Make the error for a file in which no audio can be found."""
    because = f" ({reason})" if reason else ""
    return AudioDecodeError(
        path,
        f"it is not audio that can be decoded here, or it is damaged{because}; "
        "copy it again, or export it as wav or flac",
    )
