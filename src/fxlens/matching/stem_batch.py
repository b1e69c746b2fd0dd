"""Stems matched one after the other to their instruments of one mix; what is finished is not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxlens.effects.chain import EffectChain
from fxlens.effects.export.formats import export
from fxlens.errors import AudioError, FxLensError, MissingExtraError, OutputError, UsageError
from fxlens.matching.match import DEFAULT, match
from fxlens.matching.match_result import Level, Match
from fxlens.matching.settings import MatchSettings, Report
from fxlens.matching.stem_plan import StemPlan
from fxlens.whole_files import write_text

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

PRESET, REPORT = ".preset.json", ".match.json"
"""Endings of the files beside a result: the preset, and what happened."""

EXPORTS = {"sheet": ".sheet.md", "pedalboard": ".pedalboard.py", "ffmpeg": ".ffmpeg.txt", "json": ".chain.json"}
"""Endings of a preset in other formats, see :mod:`fxlens.effects.export.formats`."""


@dataclass(frozen=True)
class BatchSettings:
    """How every stem is matched; see :func:`fxlens.matching.match.match`.

    Args:
        references: the mix; or several.
        exports: formats the preset is also written in, of ``EXPORTS``.
    """

    references: tuple[Path, ...]
    weights: tuple[float, ...] | None = None
    chain: EffectChain | None = None
    locks: tuple[str, ...] = ()
    amount: float = 1.0
    level: Level = "dry"
    seconds: float = 5.0
    excerpts: int = 1
    settings: MatchSettings = DEFAULT
    exports: tuple[str, ...] = ()


@dataclass(frozen=True)
class StemOutcome:
    """What became of a stem.

    Args:
        plan: the stem.
        figures: see :meth:`fxlens.matching.match_result.Match.figures`; ``None`` where it failed.
        chain: the effects that were found, as they work at -18 LUFS.
        error: why it failed.
        resumed: whether an earlier call did it.
    """

    plan: StemPlan
    figures: dict[str, Any] | None = None
    chain: EffectChain | None = None
    error: FxLensError | None = None
    resumed: bool = False


def match_stems(
    plans: Sequence[StemPlan],
    encoder: FxEncoder,
    settings: BatchSettings,
    *,
    resume: bool = False,
    begin: Callable[[StemPlan], None] | None = None,
    report: Report | None = None,
    advance: Callable[[float], None] | None = None,
) -> Iterator[StemOutcome]:
    """Match stems, and write results, presets and reports.

    Args:
        plans: what is to be done, see :func:`fxlens.matching.stem_plan.plan_stems`.
        encoder: the model.
        settings: how.
        resume: pass by stems whose report tells of the same stem, references, model and settings.
        begin: told of every stem that is searched for, before it is.
        report: see :func:`fxlens.matching.match.match`.
        advance: likewise.

    Yields:
        An outcome for every stem, in their order. A stem that cannot be used does not end the batch.

    Raises:
        OutputError: a result cannot be written.
        UsageError, ModelUnavailableError: nothing can be matched like that.
    """
    common = [[_content(path) for path in settings.references], encoder.model_id, _plain(settings)]
    for plan in plans:
        try:
            parts = [*common, _content(plan.source), plan.query, plan.output.name]
            made_from = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
            earlier = _finished(plan, made_from) if resume else None
            if earlier is not None:
                yield earlier
                continue
            if begin is not None:
                begin(plan)
            _make_folder(plan.output.parent)
            found = match(
                plan.source, list(settings.references), encoder, plan.query,
                weights=settings.weights, chain=settings.chain, locks=settings.locks, amount=settings.amount,
                level=settings.level, seconds=settings.seconds, excerpts=settings.excerpts,
                settings=settings.settings, output=plan.output, report=report, advance=advance,
            )  # fmt: skip
            yield _written(plan, found, settings.exports, made_from)
        except (AudioError, MissingExtraError) as error:  # the latter: a format that cannot be decoded here
            yield StemOutcome(plan, error=error)


def write_beside(plan: StemPlan, found: Match, exports: Sequence[str], preset: Path | None = None) -> list[Path]:
    """Write the preset of a match, and that preset in other formats; return the files.

    Args:
        plan: names the files.
        found: the match.
        exports: formats, of ``EXPORTS``.
        preset: where the preset goes; beside the result where ``None``.

    Raises:
        OutputError: a file cannot be written.
        UsageError: there is no such format.
    """
    files = [preset or plan.beside(PRESET)]
    found.chain.save(files[0])
    for format in exports:
        files.append(plan.beside(EXPORTS[format]))
        write_text(files[-1], export(found.chain, format, max(found.sample_rate, 8000)).text)
    return files


def require_exports(formats: Sequence[str]) -> None:
    """Refuse formats that there are not.

    Raises:
        UsageError: one of them is none.
    """
    unknown = [name for name in formats if name not in EXPORTS]
    if unknown:
        raise UsageError(f"there is no format {unknown[0]!r}; there are: {', '.join(EXPORTS)}")


def _written(plan: StemPlan, found: Match, exports: Sequence[str], made_from: str) -> StemOutcome:
    write_beside(plan, found, exports)
    figures = {"query": plan.query, **found.figures()}
    told = {"made_from": made_from, "figures": figures, "effects": json.loads(found.matched.to_json())}
    write_text(plan.beside(REPORT), json.dumps(told, indent=1) + "\n")  # last: it says that all is there
    return StemOutcome(plan, figures, found.matched)


def _finished(plan: StemPlan, made_from: str) -> StemOutcome | None:
    """What an earlier call has done, if it is the same and all of it is there."""
    try:
        told = json.loads(plan.beside(REPORT).read_text(encoding="utf-8"))
        if told["made_from"] != made_from or not plan.output.is_file() or not plan.beside(PRESET).is_file():
            return None
        chain = EffectChain.from_json(json.dumps(told["effects"]))
        return StemOutcome(plan, told["figures"], chain, resumed=True)
    except (OSError, ValueError, KeyError, TypeError, FxLensError):
        return None


def _plain(settings: BatchSettings) -> dict[str, Any]:
    """The settings as JSON values; the references are told by their content."""
    chain = None if settings.chain is None else settings.chain.to_json()
    told = {name: value for name, value in vars(settings).items() if name != "references"}
    return {**told, "chain": chain, "settings": asdict(settings.settings)}


def _content(path: Path) -> str:
    """SHA-256 of a file; of a missing one its name: whoever reads it next says what is wrong."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return f"unread {path}"
    return digest.hexdigest()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror or error}); choose another folder") from None
