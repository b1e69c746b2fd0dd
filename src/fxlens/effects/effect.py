"""One effect of a chain: which processor, whether it is on, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fxlens.effects.processor import Parameter, Processor
from fxlens.effects.recorded_reverb import RecordedReverb
from fxlens.effects.recorded_rooms import RecordedRooms
from fxlens.effects.registry import SWITCHES, processor_named
from fxlens.errors import PresetError

_OF_BANKS = frozenset(p.name for p in processor_named("reverb").parameters) - {
    p.name for p in RecordedReverb.parameters
}


def _within(parameter: Parameter, value: float, owner: str) -> float:
    """Refuse a value that no range of the parameter contains; forgive rounding at the edges."""
    edges = (*parameter.bounds("default"), *parameter.bounds("paper"), parameter.neutral)
    low, high = min(edges), max(edges)
    if not low - 1e-5 * (high - low) <= value <= high + 1e-5 * (high - low):
        raise PresetError(f"{owner}.{parameter.name} must lie between {low:g} and {high:g}, not {value:g}")
    return min(max(value, low), high)


@dataclass(frozen=True)
class Effect:
    """One processor with its settings.

    Args:
        type: name of the processor, e.g. ``"delay"``.
        enabled: a disabled effect is passed by, bit for bit.
        parameters: physical values; those left out become neutral ones.
        ir: name of the recorded room of a reverb, which then has no seed, decay and damping; None takes a room of
            the bank.
        rooms: where that room is looked for, see :meth:`fxlens.effects.chain.EffectChain.with_rooms`. No part of
            the settings: neither compared nor written.

    Raises:
        PresetError: an unknown type or parameter, a value that is not a number or out of range, or a room that is
            no name, or not a reverb's.
    """

    type: str
    enabled: bool = True
    parameters: Mapping[str, float] = field(default_factory=dict)
    ir: str | None = None
    rooms: RecordedRooms | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._check_room()
        processor = self.processor
        if not isinstance(self.enabled, bool):
            raise PresetError(f"{self.type}: enabled must be true or false, not {self.enabled!r}")
        if not isinstance(self.parameters, Mapping):
            raise PresetError(f"{self.type}: parameters must be names with values, not {self.parameters!r}")
        values = processor.complete(self.parameters)
        checked = {p.name: _within(p, values[p.name], self.type) for p in processor.parameters}
        object.__setattr__(self, "parameters", checked)

    def __hash__(self) -> int:
        return hash((self.type, self.enabled, tuple(self.parameters.items()), self.ir))

    @property
    def processor(self) -> Processor:
        """The processor these settings are for."""
        return processor_named(self.type) if self.ir is None else RecordedReverb(self.ir, self.rooms)

    def amount(self) -> float:
        """How far the effect is from doing nothing.

        Returns:
            Share of the default range between the settings and the nearest that would switch the effect off;
            0 for a disabled effect.
        """
        if not self.enabled:
            return 0.0
        share = {
            p.name: abs(self.parameters[p.name] - p.neutral) / (p.maximum - p.minimum)
            for p in self.processor.parameters
        }
        return min(max(share[name] for name in group) for group in SWITCHES[self.type])

    def _check_room(self) -> None:
        if self.ir is None:
            return
        if self.type != "reverb":
            raise PresetError(f"{self.type} has no recorded room; only a reverb can have an 'ir', not {self.ir!r}")
        if not isinstance(self.ir, str) or not self.ir.strip():
            raise PresetError(f"reverb.ir must be the name of a recorded room, not {self.ir!r}")
        if isinstance(self.parameters, Mapping) and (of_banks := sorted(_OF_BANKS & set(self.parameters))):
            raise PresetError(f"reverb: a recorded room (ir) has its own {', '.join(of_banks)}; leave these out")
