"""A chain of effects: what is applied, in which order, with which settings.

A chain holds settings only, so the same chain does the same to every clip. How loud its input should be is
the caller's business: see :func:`calibrate`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fxlens.audio.loudness import normalize_loudness
from fxlens.effects.effect import Effect
from fxlens.effects.preset import load_preset, read_preset, save_preset, write_preset
from fxlens.effects.processor import Parameter, Processor, Range, require_finite
from fxlens.effects.recorded_reverb import RecordedReverb
from fxlens.effects.recorded_rooms import RecordedRooms, load_folder
from fxlens.effects.rendering import effect_fault, render_chains
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioError,
    AudioNotFiniteError,
    UsageError,
)


def _adjustable(processor: Processor, ranges: Range) -> list[Parameter]:
    """The parameters that a gradient can move: not names (a room's seed), nor what the range holds still."""
    names: frozenset[str] = getattr(processor, "discrete", frozenset())
    return [p for p in processor.parameters if p.name not in names and p.bounds(ranges)[0] < p.bounds(ranges)[1]]


@dataclass(frozen=True)
class EffectChain:
    """Effects in the order in which they are applied.

    Args:
        effects: any number of them, the same type more than once if wanted.
    """

    effects: tuple[Effect, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "effects", tuple(self.effects))

    def apply(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """Process one clip with the exact references, in float64 from the first effect to the last.

        Args:
            audio: ``[2, T]``, floating point.
            sample_rate: Hz.

        Returns:
            ``float32 [2, T]``.

        Raises:
            AudioError: not ``[2, T]`` of floats, no samples, or samples that are not finite.
            AudioNotFiniteError: an effect made such samples; the message names it.
        """
        if audio.ndim != 2 or audio.shape[0] != 2:
            raise AudioChannelsError("effect input", f"it must be [2, T], not {list(audio.shape)}")
        if audio.shape[1] == 0:
            raise AudioEmptyError("effect input", "it has no samples")
        if not np.issubdtype(audio.dtype, np.floating):
            raise AudioError("effect input", f"it is {audio.dtype}; convert it to floats of -1 to 1 first")
        require_finite(audio)
        signal = audio.astype(np.float64)
        for position, effect in enumerate(self.effects):
            if effect.enabled:
                signal = effect.processor.reference(signal, sample_rate, **effect.parameters)
                self._check(position, bool(np.isfinite(signal).all()))
        if signal.size and np.abs(signal).max() > np.finfo(np.float32).max:
            raise AudioNotFiniteError("effect output", "it is too loud for 32-bit floats; lower the gains")
        return signal.astype(np.float32)

    def render(self, audio: np.ndarray, sample_rate: int, threads: int = 1) -> np.ndarray:
        """Process a batch by the fast forms, all items with this chain; within 1e-4 of :meth:`apply`.

        For a chain per item, and loudness, see :func:`fxlens.effects.rendering.render_chains`.

        Args:
            audio: ``float32 [B, 2, T]``, not changed.
            sample_rate: Hz.
            threads: how many items at a time; it changes no sample.

        Returns:
            ``float32 [B, 2, T]``, new.

        Raises:
            AudioError: not ``float32 [B, 2, T]``, no samples, or samples that are not finite.
            AudioNotFiniteError: an effect made such samples; the message names it.
        """
        return render_chains([self] * len(audio), audio, sample_rate, threads)

    def forward(self, audio: Tensor, sample_rate: int, unit: Tensor | None = None, ranges: Range = "default") -> Tensor:
        """Process a batch, differentiable with respect to the audio and ``unit``.

        Args:
            audio: ``[B, 2, T]``, float32 or float64.
            sample_rate: Hz.
            unit: settings in 0-1, ``[B, P]`` or ``[P]`` for all, in the order of :meth:`parameter_names`;
                those of disabled effects have no influence. None takes the chain's own settings.
            ranges: what the unit range stands for.

        Returns:
            ``[B, 2, T]``, same type as ``audio``.

        Raises:
            UsageError: ``unit`` has another shape.
            AudioError: ``audio`` has another shape, or samples that are not finite.
            AudioNotFiniteError: an effect made such samples; the message names it.
        """
        if audio.ndim != 3 or audio.shape[1] != 2:
            raise AudioChannelsError("effect input", f"it must be [B, 2, T], not {list(audio.shape)}")
        if audio.shape[2] == 0:
            raise AudioEmptyError("effect input", "it has no samples")
        require_finite(audio)
        stages = self._stages(audio, unit, ranges)
        signal = audio
        for position, values in stages.items():
            signal = self.effects[position].processor.forward(signal, sample_rate, values)
        if not bool(torch.isfinite(signal.detach()).all()):
            self._find_fault(audio, sample_rate, stages)
        return signal

    def unit(self, ranges: Range = "default") -> Tensor:
        """All settings as one vector, ``float32 [P]``; 0-1 for values inside ``ranges``."""
        values = [
            p.to_unit(torch.tensor(effect.parameters[p.name], dtype=torch.float64), ranges)
            for effect, p in self._slots(ranges)
        ]
        return torch.stack(values).float() if values else torch.zeros(0)

    def with_unit(self, unit: Tensor, ranges: Range = "default") -> EffectChain:
        """The same effects with other settings, the inverse of :meth:`unit`.

        Args:
            unit: ``[P]``.
            ranges: what the unit range stands for.

        Raises:
            UsageError: ``unit`` has another shape.
            PresetError: a value far outside 0-1, or not a number.
        """
        slots = self._slots(ranges)
        if unit.shape != (len(slots),):
            raise UsageError(f"this chain has [{len(slots)}] settings, not {list(unit.shape)}")
        flat = iter(unit.detach().cpu().double())
        effects = []
        for effect in self.effects:
            moved = {p.name: float(p.to_physical(next(flat), ranges)) for p in _adjustable(effect.processor, ranges)}
            effects.append(replace(effect, parameters={**effect.parameters, **moved}))
        return EffectChain(tuple(effects))

    def parameter_names(self, ranges: Range = "default") -> list[str]:
        """Names of the settings in the unit vector: ``position.type.parameter``, positions from 0."""
        return [
            f"{position}.{effect.type}.{p.name}"
            for position, effect in enumerate(self.effects)
            for p in _adjustable(effect.processor, ranges)
        ]

    def audible_count(self, least: float = 1e-6) -> int:
        """How many effects can be heard once the result is normalised in loudness.

        A gain counts only if an effect that reacts to its input's level comes after it; otherwise the
        loudness normalisation takes it back.

        Args:
            least: smallest :meth:`Effect.amount` that counts.
        """
        return len(self.audible_positions(least))

    def audible_positions(self, least: float = 1e-6) -> list[int]:
        """Positions of the effects that :meth:`audible_count` counts, in order."""
        positions: list[int] = []
        reacts_later = False
        for position in reversed(range(len(self.effects))):
            effect = self.effects[position]
            if effect.amount() >= least:
                if effect.type != "gain" or reacts_later:
                    positions.append(position)
                reacts_later = reacts_later or effect.processor.nonlinear
        return positions[::-1]

    def to_json(self) -> str:
        """Write the preset (see :mod:`fxlens.effects.preset`)."""
        return write_preset(self.effects)

    def with_rooms(self, rooms: RecordedRooms | str | Path) -> EffectChain:
        """Return the chain with a place to look for its recorded rooms.

        A chain that names recorded rooms needs one before it can process anything; all others ignore it.

        Args:
            rooms: a folder, or what :func:`fxlens.effects.recorded_rooms.load_folder` made of it.

        Raises:
            PresetError: an effect that is on names a room that is not there.
            DataError: the folder is not there, or has no rooms.
        """
        found = rooms if isinstance(rooms, RecordedRooms) else load_folder(rooms)
        bound = EffectChain(tuple(replace(e, rooms=found) if e.ir is not None else e for e in self.effects))
        bound.require_rooms()
        return bound

    def require_rooms(self) -> None:
        """Refuse a chain that cannot process anything because a recorded room is missing.

        Raises:
            PresetError: an effect that is on names a recorded room, and it is not there, or no rooms were given.
        """
        for effect in self.effects:
            processor = effect.processor
            if effect.enabled and isinstance(processor, RecordedReverb):
                processor.path()

    @classmethod
    def from_json(cls, text: str) -> EffectChain:
        """Read a preset.

        Raises:
            PresetError: it is not a preset, or not a valid one.
        """
        return cls(read_preset(text))

    def save(self, path: str | Path) -> None:
        """Write the preset to a file.

        Raises:
            OutputError: the file cannot be written.
        """
        save_preset(self.effects, Path(path))

    @classmethod
    def load(cls, path: str | Path, rooms: RecordedRooms | str | Path | None = None) -> EffectChain:
        """Read a preset file.

        Args:
            path: the file.
            rooms: where its recorded rooms are, see :meth:`with_rooms`. Without it a chain that names such rooms
                can be looked at, changed and written, but nothing can be processed.

        Raises:
            PresetError: the file cannot be read, is not a valid preset, or names a room that is not there.
            DataError: the folder of rooms is not there, or has none.
        """
        chain = cls(load_preset(Path(path)))
        return chain if rooms is None else chain.with_rooms(rooms)

    def _slots(self, ranges: Range) -> list[tuple[Effect, Parameter]]:
        return [(effect, p) for effect in self.effects for p in _adjustable(effect.processor, ranges)]

    def _stages(self, audio: Tensor, unit: Tensor | None, ranges: Range) -> dict[int, dict[str, Tensor]]:
        """Physical values ``[B]`` of every enabled effect, by position."""
        batch = audio.shape[0]
        count = len(self._slots(ranges))
        if unit is not None and unit.shape not in {(count,), (batch, count)}:
            raise UsageError(f"unit must be [{count}] or [{batch}, {count}], not {list(unit.shape)}")
        stages: dict[int, dict[str, Tensor]] = {}
        start = 0
        for position, effect in enumerate(self.effects):
            # Settings stay in float64: half a second in float32 is off by more than a thousandth of a sample.
            values = {
                name: torch.full((batch,), value, dtype=torch.float64, device=audio.device)
                for name, value in effect.parameters.items()
            }
            for p in _adjustable(effect.processor, ranges):
                if unit is not None:
                    values[p.name] = p.to_physical(unit[..., start].double(), ranges).expand(batch)
                start += 1
            if effect.enabled:
                stages[position] = values
        return stages

    def _check(self, position: int, finite: bool) -> None:
        if not finite:
            raise AudioNotFiniteError(*effect_fault(self.effects, position))

    def _find_fault(self, audio: Tensor, sample_rate: int, stages: dict[int, dict[str, Tensor]]) -> None:
        """Run once more, slowly, to name the effect that broke."""
        signal = audio.detach()
        with torch.no_grad():
            for position, values in stages.items():
                signal = self.effects[position].processor.forward(signal, sample_rate, values)
                self._check(position, bool(torch.isfinite(signal).all()))


def calibrate(audio: np.ndarray, sample_rate: int, target_lufs: float = -18.0) -> np.ndarray:
    """Bring a clip to the loudness at which level-dependent effects are meant to work.

    A threshold or a drive means something only at a known level: call this before a chain, not inside it.

    Args:
        audio: ``[..., 2, T]``.
        sample_rate: Hz.
        target_lufs: integrated loudness after BS.1770. Near-silent clips are returned as they are.
    """
    return normalize_loudness(audio, sample_rate, target_lufs)[0]
