"""What ``fxlens match`` was asked for, and what is refused before anything is listened to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxlens.cli.model_option import Device
from fxlens.errors import OutputError, UsageError

if TYPE_CHECKING:
    from fxlens.effects.chain import EffectChain
    from fxlens.matching.match_result import Level
    from fxlens.matching.settings import MatchSettings


@dataclass(frozen=True)
class MatchRequest:
    """The options, read; see :mod:`fxlens.cli.match_options`."""

    dry: tuple[Path, ...]
    references: tuple[Path, ...]
    output: Path
    query: str | None
    named: Mapping[str, str]
    query_audio: Path | None
    weights: tuple[float, ...] | None
    chain: EffectChain | None
    locks: tuple[str, ...]
    amount: float
    level: Level
    method: str
    steps: int
    restarts: int
    seconds: float
    excerpts: int
    seed: int
    exports: tuple[str, ...]
    preset: Path | None
    curve: Path | None
    total: Path | None
    suffix: str | None
    resume: bool
    model: str | None
    device: Device
    as_json: bool

    @property
    def settings(self) -> MatchSettings:
        """How it is searched."""
        from dataclasses import replace

        from fxlens.matching.match import DEFAULT

        return replace(
            DEFAULT, method=self.method, steps=self.steps, restarts=self.restarts, seed=self.seed,  # type: ignore[arg-type]
        )  # fmt: skip

    def check(self) -> None:
        """Refuse what can be known to be wrong before a model is loaded.

        Raises:
            UsageError: values that make no match, or a file that is read and written.
            OutputError: a folder that is not there.
            MissingExtraError: a picture or CMA-ES without what they need.
            AudioError: a reference that is no audio file.
        """
        from fxlens.audio import io
        from fxlens.matching.chain_parts import MIX_CHAIN, chain_of, free_settings
        from fxlens.matching.evolution import require_cma
        from fxlens.matching.loss_curve import require_curve
        from fxlens.matching.stem_batch import require_exports

        if not 0.0 <= self.amount <= 1.0:
            raise UsageError(f"the amount must lie between 0 and 1, not {self.amount:g}")
        if self.weights is not None and len(self.weights) != len(self.references):
            raise UsageError(
                f"--weight is given {len(self.weights)} times for {len(self.references)} references; give one for each"
            )
        free_settings(self.chain or chain_of(MIX_CHAIN), self.locks)
        require_exports(self.exports)
        if self.curve is not None:
            require_curve(self.curve)
        if self.method != "gradient":
            require_cma()
        for reference in self.references:
            io.probe(reference, exact=False)
        for written in (self.preset, self.total):
            if written is not None and not written.parent.is_dir():
                raise OutputError(
                    f"{written}: cannot be written, the folder {written.parent} does not exist; create it first"
                )


def effect_words(effects: EffectChain) -> list[str]:
    """One line for every effect that can be heard."""
    from fxlens.demo.chain_words import chain_words
    from fxlens.effects.chain import EffectChain

    heard = [effects.effects[position] for position in effects.audible_positions(_LEAST_AMOUNT)]
    return [chain_words(EffectChain((effect,))) for effect in heard]


def without_curves(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures for a report that is read by people or other programs."""
    return {name: value for name, value in figures.items() if name != "loss_curves"}


_LEAST_AMOUNT = 0.02  # of an effect that is worth a line
