"""Match a dry track to a reference: find the effects whose embedding is the reference's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fxlens.effects.amount import at_amount
from fxlens.effects.chain import EffectChain
from fxlens.errors import AudioError, UsageError
from fxlens.matching.chain_parts import MIX_CHAIN, chain_of, free_settings
from fxlens.matching.dry_track import DryTrack, dry_track, mono_was_said
from fxlens.matching.levelling import levelled
from fxlens.matching.match_result import Level, Match, audio_of, write_result
from fxlens.matching.optimise import Optimised, optimise
from fxlens.matching.reference import Source, Target, target_of
from fxlens.matching.settings import MatchSettings, Report, Stop

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

DEFAULT = MatchSettings(learning_rate=0.1, pull=2.0)
"""The pull, to the chain's own settings, keeps effects out that the reference does not ask for; a weaker one fits its
music, see docs/matching.md."""


@dataclass(frozen=True)
class _Search:
    """How the settings are looked for, all that does not depend on the tracks."""

    encoder: FxEncoder
    chain: EffectChain
    locks: Sequence[str]
    seconds: float
    excerpts: int
    settings: MatchSettings
    report: Report | None
    stop: Stop | None


def match(
    dry: Source,
    reference: Source | Sequence[Source],
    encoder: FxEncoder,
    query: str | None = None,
    *,
    sample_rate: int | None = None,
    query_audio: Source | None = None,
    weights: Sequence[float] | None = None,
    chain: EffectChain | Sequence[str] | None = None,
    locks: Sequence[str] = (),
    amount: float = 1.0,
    level: Level = "dry",
    seconds: float = 5.0,
    excerpts: int = 1,
    settings: MatchSettings | None = None,
    output: str | Path | None = None,
    report: Report | None = None,
    advance: Callable[[float], None] | None = None,
    stop: Stop | None = None,
) -> Match:
    """Find a chain of effects that makes a dry track sound processed like a reference.

    The chain is optimised on excerpts of the track until their embedding meets the reference's, then applied to all
    of it. Files are read and written block by block; only where there is no ``output`` is the result held in memory.

    Args:
        dry: a path, or samples ``[T]`` or ``[2, T]``: one instrument, or a mix where the reference is one.
        reference: one or several, as paths or samples; perhaps a full mix with a ``query``.
        encoder: the model that hears.
        query: the instrument of the reference that is meant, e.g. ``"vocals"``.
        sample_rate: Hz, of whatever is given as samples.
        query_audio: that instrument alone, instead of its name.
        weights: one for each reference; equal ones where ``None``.
        chain: names of effects in order, or a chain whose settings are a first guess and are kept where locked; the
            default mix chain where ``None``.
        locks: what keeps its settings: ``"delay"``, ``"delay.time_ms"``, ``"4"``, see
            :func:`fxlens.matching.chain_parts.free_settings`.
        amount: share of the effects that is applied, 0 to 1, see :func:`fxlens.effects.amount.at_amount`.
        level: loudness of the result: the ``"dry"`` track's, the ``"reference"``'s, or LUFS. Peaks are kept below
            -1 dBFS by lowering all of it, which is told.
        seconds: length of an excerpt.
        excerpts: how many; more of them say more about a track that changes, and take as many times longer.
        settings: the search; ``DEFAULT`` where ``None``.
        output: file to write the result to.
        report: called as the search goes on.
        advance: called as the result is measured, then written, with seconds done since the last call; in all twice
            the track's length, once where there is no ``output``.
        stop: asked after every step of the search; once it says so, the best so far is the result.

    Returns:
        The match: chain, figures, audio; :meth:`Match.save` and :meth:`Match.write` write it.

    Raises:
        AudioError: a track that cannot be used, or under no setting; AudioSilentError: the dry track is silent.
        UsageError: arguments that do not go together.
        OutputError: the output cannot be written.
        ModelUnavailableError: there is a query, but its encoder is not available.
        MissingExtraError: the method needs ``cma``, which is not installed.
    """
    if not seconds >= 0.5 or excerpts < 1:
        raise UsageError("matching needs an excerpt of at least half a second")
    if not 0.0 <= amount <= 1.0:
        raise UsageError(f"the amount must lie between 0 and 1, not {amount!r}")
    require_level(level)
    template = chain if isinstance(chain, EffectChain) else chain_of(MIX_CHAIN if chain is None else list(chain))
    search = _Search(encoder, template, locks, seconds, excerpts, settings or DEFAULT, report, stop)
    free_settings(template, locks, search.settings.ranges)  # a wrong lock is told before anything is read
    track = dry_track(dry, sample_rate)
    references: list[Source] = [*reference] if isinstance(reference, list | tuple) else [reference]  # type: ignore[list-item]
    target = target_of(encoder, references, sample_rate, query, query_audio, weights)
    found = _searched(search, track, target)
    if found.failed:
        raise AudioError(track.name, "no setting of the chain gave a finite loss; leave out effects, or lock some")
    return _finished(track, target, encoder, at_amount(found.chain, amount), found, level, output, advance)


def require_level(level: Level) -> None:
    """Refuse what is no level of a result.

    Raises:
        UsageError: neither ``"dry"`` nor ``"reference"`` nor a finite number.
    """
    if level not in ("dry", "reference") and (isinstance(level, str) or not np.isfinite(level)):
        raise UsageError(f"level must be 'dry', 'reference' or LUFS, not {level!r}")


def _searched(search: _Search, track: DryTrack, target: Target) -> Optimised:
    encoder, rate = search.encoder, search.encoder.sample_rate
    clips = torch.from_numpy(track.excerpts(search.seconds, search.excerpts, rate)).to(encoder.device)
    level_lufs = target.lufs if encoder.config.input_lufs is None else encoder.config.input_lufs

    def embed(audio: Tensor) -> Tensor:
        return encoder.hear(audio).mixture

    training = encoder.training
    encoder.eval()
    try:
        found = optimise(
            search.chain, clips.unsqueeze(0), rate, embed,
            torch.from_numpy(target.embedding)[None].to(encoder.device), search.settings, locks=search.locks,
            level_lufs=level_lufs, report=search.report, stop=search.stop,
        )  # fmt: skip
    finally:
        encoder.train(training)
    return found[0]


def _finished(
    track: DryTrack,
    target: Target,
    encoder: FxEncoder,
    matched: EffectChain,
    search: Optimised,
    level: Level,
    output: str | Path | None,
    advance: Callable[[float], None] | None,
) -> Match:
    """Bring the track under the effects to its level, write it, and measure."""
    wanted = track.lufs if level == "dry" else target.lufs if level == "reference" else float(level)
    at_level = levelled(track, matched, wanted, advance)
    result: Source
    if output is None:
        result = audio = audio_of(track, at_level.chain)
    else:
        result, audio = output, None
        write_result(track, at_level.chain, output, advance)
    with mono_was_said():
        both = [encoder.encode(one, track.sample_rate) for one in (track.source, result)]
    before, after = (1.0 - float(one.astype(np.float64) @ target.embedding.astype(np.float64)) for one in both)
    return Match(
        track, at_level.chain, matched, at_level.lufs, at_level.lowered_db, before, after, target, search,
        encoder.model_id, audio,
    )  # fmt: skip
