"""Heads for a model, from the songs of a manifest: render, listen, fit, calibrate. And their trial on other songs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxlens import __version__
from fxlens.data.multitrack import Multitrack, manifest_hash
from fxlens.describing.calibration import calibrate, calibrating_rows
from fxlens.describing.fitting import FitSettings, fit, judge
from fxlens.describing.head_files import DescribingHeads, Reading
from fxlens.describing.listening import Examples, Heardings, listen
from fxlens.describing.material import Material, render_material
from fxlens.describing.measuring import Figures, claims_of, crossed_claims, figures_of
from fxlens.describing.network import StrengthScale, targets_of
from fxlens.describing.session import SessionSettings
from fxlens.describing.shelves import make_shelves
from fxlens.errors import DataError

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

TRAINED, UNHEARD, KEPT = "train", "validation", "evaluation"
"""Splits: of the heads and perhaps the encoder; of the heads only; of neither, for the trial."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MakingSettings:
    """How much is rendered, and how it is learnt from.

    Args:
        sessions: how many sessions, see :mod:`fxlens.describing.session`.
        seed: of everything.
        folds: of the cross-validation.
        rooms: folder of recorded rooms.
        jobs: processes that render; nothing depends on it.
        fit: see :class:`FitSettings`.
    """

    sessions: int = 700
    seed: int = 0
    folds: int = 5
    rooms: Path | None = None
    jobs: int = 1
    fit: FitSettings = field(default_factory=FitSettings)


def make_heads(
    encoder: FxEncoder,
    songs: Iterable[Multitrack],
    work: Path,
    settings: MakingSettings,
    progress: Progress | None = None,
) -> DescribingHeads:
    """Make heads; what was rendered or heard before in ``work`` is not done again.

    Args:
        encoder: the model; it stays as it is.
        songs: of any split; those of split ``evaluation`` are left alone.
        work: folder for sessions and vectors, about 4 MB a session.
        settings: see :class:`MakingSettings`.
        progress: told what is being done, and how far it is.

    Returns:
        Heads whose ``metadata`` holds the figures on their calibration songs.

    Raises:
        DataError: too few songs.
    """
    used = [song for song in songs if song.split in (TRAINED, UNHEARD)]
    if len(used) < 2:
        raise DataError(f"heads need two songs or more of split {TRAINED!r} or {UNHEARD!r}; found {len(used)}")
    heardings = _hear(encoder, used, work, settings, settings.folds, progress)
    readings, figures = {}, {}
    for name, examples in _readings(heardings):
        if progress is not None:
            progress(f"training the heads for {name}", 0, 1)
        fitted = fit(examples, settings.fit)
        rows = calibrating_rows(fitted.judged)
        readings[name] = Reading(fitted.heads, calibrate(fitted.judged, rows))
        claims = crossed_claims(fitted.judged, rows)
        targets = targets_of(examples.part(rows), fitted.scale)
        figures[name] = {
            **figures_of(claims, targets, examples.songs[rows]),
            "examples": len(examples), "epochs": fitted.epochs, "strength_db": fitted.scale.quantiles(),
        }  # fmt: skip
    metadata = {
        "fxlens": __version__,
        "manifest": manifest_hash(used),
        "seed": settings.seed,
        "sessions": settings.sessions,
        "songs": len(used),
        "figures": figures,
    }
    return DescribingHeads(encoder.model_id, readings, metadata)


def try_heads(
    encoder: FxEncoder,
    heads: DescribingHeads,
    songs: Iterable[Multitrack],
    work: Path,
    settings: MakingSettings,
    progress: Progress | None = None,
) -> dict[str, Figures]:
    """Figures of heads as they are, on songs of split ``evaluation``.

    Args:
        encoder: the model.
        heads: its heads.
        songs: of any split.
        work: as in :func:`make_heads`.
        settings: how many sessions; nothing is fitted.
        progress: see there.

    Returns:
        By reading, see :func:`fxlens.describing.measuring.figures_of`.

    Raises:
        DataError: no song of that split.
    """
    used = [song for song in songs if song.split == KEPT]
    if not used:
        raise DataError(f"there is no song of split {KEPT!r} in these manifests")
    found = {}
    for name, examples in _readings(_hear(encoder, used, work, settings, 1, progress)):
        reading, facts = heads.readings[name], heads.metadata["figures"][name]
        logits, quantiles = judge(reading.heads, examples.vectors).numpy()
        guess = np.array([interval.middle for interval in reading.calibration.intervals])
        claims = claims_of(logits, quantiles, np.tile(guess, (len(examples), 1)), reading.calibration)
        targets = targets_of(examples, StrengthScale.from_quantiles(facts["strength_db"]))
        found[name] = figures_of(claims, targets, examples.songs)
    return found


def _hear(
    encoder: FxEncoder,
    songs: list[Multitrack],
    work: Path,
    settings: MakingSettings,
    folds: int,
    progress: Progress | None,
) -> Heardings:
    drawn = SessionSettings(seconds=encoder.config.window_seconds, sample_rate=encoder.sample_rate)
    shelves = make_shelves(songs, folds, TRAINED)
    material = Material(shelves, settings.sessions, settings.seed, drawn, settings.rooms)
    sessions = work / f"sessions-{material.key}"
    render_material(material, sessions, settings.jobs, _told(progress, "rendering sessions"))
    vectors = work / f"vectors-{material.key}-{encoder.model_id}"
    return listen(encoder, sessions, settings.sessions, vectors, settings.seed, _told(progress, "listening"))


def _told(progress: Progress | None, what: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)

    return tell


def _readings(heardings: Heardings) -> list[tuple[str, Examples]]:
    found = [("whole", heardings.whole)]
    return found if heardings.instrument is None else [*found, ("instrument", heardings.instrument)]
