"""Writing an audio file block by block, in constant memory: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from fxlens.audio.formats import BLOCK_FRAMES, BYTES_PER_SAMPLE, LARGEST_WAV, format_of, next_step
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, OutputError

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# Formats that take as much room on the disk as their samples do.
_UNCOMPRESSED = frozenset({"WAV", "RF64", "W64", "AIFF"})


class ClippingWarning(UserWarning):
    """Samples above full scale were limited because the file format cannot hold them."""


UNFINISHED = ".fxlens-"
"""How the names of files begin that are being written: they are renamed when complete."""


class BlockWriter:
    """A file that is written block by block beside its place, and renamed once it is whole.

    A context manager. If its block ends in an error, or in Ctrl-C, nothing is left behind, and a file that
    was there before is there still.

    Samples for integer formats are rounded to the nearest step with full scale 2^(bits - 1), as they are
    read: samples that were read from such a file and not changed are written bit for bit.

    Args:
        path: where to; the suffix decides the format (wav, flac, ogg, opus, mp3, aiff, w64).
        sample_rate: Hz.
        channels: number of channels.
        subtype: sample format, as for :func:`fxlens.audio.output.write`.
        frames: how many samples per channel will come, as far as that is known: a wav above 4 GiB is written
            as RF64, and a disk that cannot hold them is refused before the work.
        tags: see :func:`fxlens.audio.tags.read_tags`; those that the format has no place for are left out.
        stacklevel: whom a warning is about: 1 who uses the writer, 2 who called them.

    Raises:
        OutputError: at the beginning or at the end: the folder is missing or read-only, the disk is full, or
            the encoder refuses.
        UsageError: an unknown suffix, or a subtype that the format does not have.
        AudioEmptyError: at the end, if no samples came.

    Warns:
        ClippingWarning: at the end, if an integer format had to limit peaks above 1.0.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        channels: int = 2,
        subtype: str | None = None,
        *,
        frames: int | None = None,
        tags: Mapping[str, str] | None = None,
        stacklevel: int = 1,
    ) -> None:
        self.path, self.sample_rate, self.channels = Path(path), int(sample_rate), channels
        self.kind, self.subtype = format_of(self.path, subtype)
        self._frame_bytes = channels * BYTES_PER_SAMPLE.get(self.subtype, 1)
        self._expected_bytes = (frames or 0) * self._frame_bytes if self.kind in _UNCOMPRESSED else 0
        if self.kind == "WAV" and self._expected_bytes > LARGEST_WAV:
            self.kind = "RF64"
        self._tags = dict(tags or {})
        self._stacklevel = stacklevel
        self._beside = self.path.parent / f"{UNFINISHED}{secrets.token_hex(6)}{self.path.suffix}"
        self._file: soundfile.SoundFile | None = None
        self._frames, self._peak = 0, 0.0

    def __enter__(self) -> BlockWriter:
        folder = self.path.parent
        if not folder.is_dir():
            problem = "is not a folder" if folder.exists() else "does not exist; create it first"
            raise OutputError(f"{self.path}: cannot be written, the folder {folder} {problem}")
        if self.path.is_dir():
            raise OutputError(f"{self.path}: cannot be written, there is a folder of that name; choose another name")
        try:
            if shutil.disk_usage(folder).free < self._expected_bytes:
                raise OSError(0, "there is not enough room")
            # Made by Python first: it says why it cannot, where libsndfile says "System error".
            os.close(os.open(self._beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._file = soundfile.SoundFile(
                self._beside, "w", samplerate=self.sample_rate, channels=self.channels,
                subtype=self.subtype, format=self.kind,
            )  # fmt: skip
        except (OSError, soundfile.SoundFileError, TypeError, ValueError) as error:
            self._discard()
            raise self._refused(error) from None
        except BaseException:
            self._discard()
            raise
        for name, text in self._tags.items():
            with suppress(soundfile.SoundFileError):  # the format has no place for it
                setattr(self._file, name, text)
        return self

    def write(self, block: np.ndarray) -> None:
        """Append samples.

        Args:
            block: ``[C, t]``, float32 or float64, full scale 1.0; t may be 0.

        Raises:
            OutputError: the disk is full, or a wav has grown above 4 GiB unannounced.
            AudioChannelsError: another number of channels.
            AudioNotFiniteError: NaN or infinite samples.
        """
        assert self._file is not None, "a BlockWriter is a context manager"
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise AudioChannelsError(self.path, f"cannot write shape {block.shape}; pass [{self.channels}, time]")
        if not np.isfinite(block).all():
            raise AudioNotFiniteError(self.path, "there are NaN or infinite samples in what should be written")
        if not block.size:
            return
        self._frames += block.shape[1]
        self._peak = max(self._peak, float(np.abs(block).max()))
        if self.kind == "WAV" and self._frames * self._frame_bytes > LARGEST_WAV:
            raise OutputError(f"{self.path}: a wav ends at 4 GiB; choose .w64 or .flac")
        try:
            for start in range(0, block.shape[1], BLOCK_FRAMES):
                self._file.write(self._samples(block[:, start : start + BLOCK_FRAMES].T))
        except AssertionError:  # soundfile asserts that libsndfile wrote all it was given
            raise self._refused(OSError(0, "not all samples could be written")) from None
        except (OSError, soundfile.SoundFileError) as error:
            raise self._refused(error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._complete()
        finally:
            self._discard()

    def _samples(self, frames: np.ndarray) -> np.ndarray:
        """Round to integers where the format holds some: libsndfile truncates, and scales by 2^(bits - 1) - 1."""
        bits = _BITS.get(self.subtype)
        if bits is None:
            return np.ascontiguousarray(frames, dtype=np.float64 if frames.dtype == np.float64 else np.float32)
        full_scale = 2.0 ** (bits - 1)
        steps = np.rint(frames.astype(np.float64) * full_scale)
        np.clip(steps, -full_scale, full_scale - 1.0, out=steps)
        return np.ascontiguousarray(steps.astype(np.int32) << np.int32(32 - bits))

    def _complete(self) -> None:
        assert self._file is not None
        if not self._frames:
            raise AudioEmptyError(self.path, "there are no samples to write")
        try:
            self._file.close()
            # What a full disk refuses at closing time is told by nobody.
            written = soundfile.info(self._beside).frames
            if (self.kind != "MP3" and written < self._frames) or written == 0:
                raise OSError(0, f"only {written} of {self._frames} samples could be written")
            os.replace(self._beside, self.path)
        except (OSError, soundfile.SoundFileError) as error:
            raise self._refused(error) from None
        if self._peak > 1.0 and self.subtype in _BITS:
            warnings.warn(
                f"{self.path}: peaks of {20.0 * np.log10(self._peak):+.1f} dBFS were limited, {self.subtype} ends "
                "at 0 dBFS; lower the level, or write 32-bit float wav",
                ClippingWarning,
                stacklevel=self._stacklevel + 2,
            )

    def _discard(self) -> None:
        if self._file is not None:
            with suppress(OSError, soundfile.SoundFileError):
                self._file.close()
        with suppress(OSError):
            self._beside.unlink()

    def _refused(self, error: Exception) -> OutputError:
        folder = self.path.parent
        size = max(self._expected_bytes, self._frames * self._frame_bytes)
        if isinstance(error, OSError):
            return OutputError(f"{self.path}: cannot be written ({error.strerror or error}); {next_step(folder, size)}")
        if shutil.disk_usage(folder).free < size:
            return OutputError(f"{self.path}: cannot be written; {next_step(folder, size)}")
        return OutputError(
            f"{self.path}: cannot be written as {self.kind} {self.subtype}, {self.channels} channels, "
            f"{self.sample_rate} Hz ({str(getattr(error, 'error_string', error)).strip()}); try .wav"
        )
