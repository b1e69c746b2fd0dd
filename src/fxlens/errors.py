"""Every error fxlens raises on purpose. Each message names the thing, the cause and the next step.

The exit codes of the command line are part of the error, so that they are decided where the cause is known.
"""

from __future__ import annotations

from pathlib import Path


class FxLensError(Exception):
    """Base of all errors raised on purpose; catch this one to catch them all."""

    exit_code = 1


class UsageError(FxLensError):
    """The call itself is wrong: an argument, an option, a combination of them."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or value is wrong."""


class PresetError(UsageError):
    """An effect chain or its JSON is wrong."""


class AudioError(FxLensError):
    """One audio file or array cannot be used.

    Args:
        source: path of the file, or a few words on the array.
        problem: what is wrong with it, and what to do next.
    """

    def __init__(self, source: str | Path, problem: str) -> None:
        self.source = str(source)
        self.problem = problem
        super().__init__(f"{source}: {problem}")

    def __reduce__(self) -> tuple[object, ...]:  # two arguments: the default would pickle only the message
        return type(self), (self.source, self.problem)


class AudioMissingError(AudioError):
    """There is no such file, or it cannot be opened."""


class AudioDecodeError(AudioError):
    """The file is there but is not audio that can be decoded here, or it breaks off."""


class AudioEmptyError(AudioError):
    """There are no samples."""


class AudioSilentError(AudioError):
    """Nothing can be heard, so nothing can be said about effects."""


class AudioNotFiniteError(AudioError):
    """NaN or infinite samples."""


class AudioChannelsError(AudioError):
    """More than two channels, or an array whose shape cannot be audio."""


class OutputError(FxLensError):
    """A result cannot be written: the folder is read-only, the disk is full."""


class DataError(FxLensError):
    """A manifest or a data set lacks what was asked of it."""


class ModelUnavailableError(FxLensError):
    """A model, its weights or its query encoder is not there or does not fit."""

    exit_code = 4


class MissingExtraError(FxLensError):
    """An optional dependency is not installed.

    Args:
        purpose: what was asked for, as the subject of a sentence ("Reading AAC").
        extra: the name of the extra that brings it.
    """

    exit_code = 4

    def __init__(self, purpose: str, extra: str) -> None:
        self.purpose, self.extra = purpose, extra
        super().__init__(f"{purpose} needs an optional dependency: pip install 'fxlens[{extra}]'")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.purpose, self.extra)
