"""What an audio effect is: declared parameters, a readable reference, a differentiable and a fast form.

Shapes and units, here and in every processor:

* the **reference** takes one clip, ``float64 [2, T]`` (NumPy), and physical parameters as plain floats;
* the **differentiable** form takes a batch, ``[B, 2, T]`` (torch), and physical parameters ``[B]`` each;
* the **fast** form takes a batch, ``float32 [B, 2, T]`` (NumPy), and physical parameters ``[B]`` each: compiled
  loops and FFTs on the CPU, no gradient, items in parallel threads;
* the **unit** range is 0-1 for every parameter, mapped linearly or logarithmically to physical values.

A neutral setting is the identity. Silence stays silence. No item of a batch sees another.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioError, AudioNotFiniteError, PresetError, UsageError

Range = Literal["default", "paper"]
Run = Callable[[np.ndarray], np.ndarray]
"""What an effect without look-ahead does to the next block of a clip, ``float64 [2, N]`` to ``float64 [2, N]``."""


@dataclass(frozen=True)
class Parameter:
    """One physical parameter of a processor.

    Args:
        name: field name with its unit as suffix, e.g. ``threshold_db``.
        minimum: smallest physical value of the default range.
        maximum: largest physical value of the default range.
        neutral: the value a preset that does not mention the parameter gets; together the neutral values of a
            processor make it the identity, or as close to it as the effect allows.
        log: map the unit range logarithmically (frequencies, times, Q).
        paper_minimum: smallest value in the paper's range, where it is narrower.
        paper_maximum: largest value in the paper's range.
    """

    name: str
    minimum: float
    maximum: float
    neutral: float
    log: bool = False
    paper_minimum: float | None = None
    paper_maximum: float | None = None

    def bounds(self, ranges: Range = "default") -> tuple[float, float]:
        """Return (minimum, maximum) in physical units."""
        if ranges == "paper":
            low = self.minimum if self.paper_minimum is None else self.paper_minimum
            high = self.maximum if self.paper_maximum is None else self.paper_maximum
            return low, high
        return self.minimum, self.maximum

    def to_physical(self, unit: Tensor, ranges: Range = "default") -> Tensor:
        """Map values in 0-1 to physical units; differentiable, any shape."""
        low, high = self.bounds(ranges)
        if self.log:
            return low * torch.exp(unit * math.log(high / low))
        return low + unit * (high - low)

    def to_unit(self, physical: Tensor, ranges: Range = "default") -> Tensor:
        """Inverse of :meth:`to_physical`."""
        low, high = self.bounds(ranges)
        if self.log:
            return torch.log(physical / low) / math.log(high / low)
        return (physical - low) / (high - low)

    def draw(self, rng: np.random.Generator, ranges: Range = "default") -> float:
        """Draw a physical value, uniform on the unit range."""
        low, high = self.bounds(ranges)
        u = float(rng.random())
        return low * (high / low) ** u if self.log else low + u * (high - low)


class Processor(ABC):
    """One kind of audio effect. Stateless: an instance carries no settings, they are arguments."""

    type: ClassVar[str]
    """Name in presets, e.g. ``"stereo_imager"``."""
    parameters: ClassVar[tuple[Parameter, ...]]
    nonlinear: ClassVar[bool] = False
    """Whether the level at its input changes what it does (decides if a gain before it can be heard)."""

    @abstractmethod
    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        """Process one clip exactly.

        Args:
            audio: ``float64 [2, T]``.
            sample_rate: Hz.
            values: every parameter, in physical units.

        Returns:
            ``float64 [2, T]``.
        """

    @abstractmethod
    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        """Process a batch, differentiable with respect to the audio and every parameter.

        Args:
            audio: ``[B, 2, T]``, float32 or float64.
            sample_rate: Hz.
            values: every parameter, in physical units, ``[B]`` each.

        Returns:
            ``[B, 2, T]``, same type as ``audio``.
        """

    @abstractmethod
    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        """Process one clip in place, compiled, without the GIL where it takes time.

        Args:
            clip: ``float32 [2, T]``, C-contiguous, finite; overwritten by the result.
            sample_rate: Hz.
            values: every parameter, in physical units.
        """

    def fast(
        self, audio: np.ndarray, sample_rate: int, values: Mapping[str, np.ndarray], threads: int = 1
    ) -> np.ndarray:
        """Process a batch by :meth:`fast_clip`; the audio given is not changed.

        An item's samples depend neither on the other items nor on the number of threads, bit for bit.

        Args:
            audio: ``float32 [B, 2, T]``.
            sample_rate: Hz.
            values: every parameter, in physical units, ``[B]`` each.
            threads: how many items at a time.

        Returns:
            ``float32 [B, 2, T]``, new.

        Raises:
            AudioError: not ``float32 [B, 2, T]``, no samples, or samples that are not finite.
            UsageError: parameters are missing, unknown or not ``[B]``; or fewer than one thread.
        """
        require_batch(audio)
        if set(values) != {p.name for p in self.parameters}:
            raise UsageError(f"{self.type} takes {', '.join(p.name for p in self.parameters)}, not {', '.join(values)}")
        for name, value in values.items():
            if np.shape(value) != audio.shape[:1]:
                raise UsageError(f"{self.type}.{name} must be [{len(audio)}], not {list(np.shape(value))}")
        out = np.array(audio, order="C")

        def item(index: int) -> None:
            self.fast_clip(out[index], sample_rate, **{name: float(value[index]) for name, value in values.items()})

        in_threads(item, len(out), threads)
        return out

    @classmethod
    def neutral(cls) -> dict[str, float]:
        """Physical values at which the processor does nothing."""
        return {p.name: p.neutral for p in cls.parameters}

    @classmethod
    def complete(cls, values: Mapping[str, float]) -> dict[str, float]:
        """Fill missing parameters with neutral values; refuse unknown or non-finite ones.

        Raises:
            PresetError: an unknown name, or a value that is not a finite number.
        """
        filled = cls.neutral()
        for name, value in values.items():
            if name not in filled:
                raise PresetError(f"{cls.type} has no parameter {name!r}; it has: {', '.join(filled) or 'none'}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise PresetError(f"{cls.type}.{name} must be a finite number, not {value!r}")
            filled[name] = float(value)
        return filled

    @classmethod
    def draw(cls, rng: np.random.Generator, ranges: Range = "default") -> dict[str, float]:
        """Draw all parameters; the order of draws is the order of declaration."""
        return {p.name: p.draw(rng, ranges) for p in cls.parameters}


def column(value: Tensor, like: Tensor) -> Tensor:
    """Turn a parameter ``[B]`` into ``[B, 1, 1]`` in the type of the audio it will meet."""
    return value.to(like).reshape(-1, 1, 1)


def require_finite(audio: np.ndarray | Tensor) -> None:
    """Refuse NaN and infinity before they silently spread through a recursion.

    Raises:
        AudioNotFiniteError: the audio has a sample that is not finite.
    """
    finite = torch.isfinite(audio).all() if isinstance(audio, Tensor) else np.isfinite(audio).all()
    if not bool(finite):
        raise AudioNotFiniteError("effect input", "it has NaN or infinite samples; repair it before processing")


def require_batch(audio: np.ndarray) -> None:
    """Refuse what the fast forms cannot take.

    Raises:
        AudioError: not ``float32 [B, 2, T]``, no samples, or samples that are not finite.
    """
    if audio.ndim != 3 or audio.shape[1] != 2:
        raise AudioChannelsError("effect input", f"it must be [B, 2, T], not {list(audio.shape)}")
    if audio.shape[2] == 0:
        raise AudioEmptyError("effect input", "it has no samples")
    if audio.dtype != np.float32:
        raise AudioError("effect input", f"it is {audio.dtype}; convert it to float32 of -1 to 1 first")
    require_finite(audio)


def in_threads(task: Callable[[int], None], count: int, threads: int) -> None:
    """Call ``task(0)`` to ``task(count - 1)``, some at a time; the first error of any is raised.

    The threads end with the call: a thread kept for later would be missing after a fork, as data loaders do.

    Raises:
        UsageError: ``threads`` is below 1.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    if min(threads, count) <= 1:
        for index in range(count):
            task(index)
        return
    with ThreadPoolExecutor(min(threads, count)) as pool:
        for _ in pool.map(task, range(count)):
            pass
