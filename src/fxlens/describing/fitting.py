"""Training the heads, and trying them on songs they have not learnt from.

The songs are dealt into folds. For every fold heads are trained on the others and judge it; together these judgements
cover everything out of sample, and on them the heads are calibrated. How long to train is chosen there too, once for
all folds. The heads that are kept are then trained on everything, for as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from fxlens.describing.listening import Examples
from fxlens.describing.network import ASKED, Heads, Output, StrengthScale, Targets, loss_of, targets_of
from fxlens.describing.quantities import EFFECTS
from fxlens.errors import DataError


@dataclass(frozen=True)
class FitSettings:
    """How heads are trained.

    Args:
        hidden: width of the hidden layers.
        dropout: see :class:`Heads`.
        epochs: longest training; the best number is found by the folds.
        every: epochs between two looks at the folds.
        batch: examples in a batch.
        learning_rate: of Adam.
        weight_decay: decoupled, of matrices.
        seed: of weights, order and dropout.
    """

    hidden: int = 124
    dropout: float = 0.6
    epochs: int = 40
    every: int = 2
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Judged:
    """Judgements of examples by heads that had not learnt from their songs.

    Args:
        logits: ``[N, effects]``.
        quantiles: ``[N, quantities + effects, 3]``.
        guess: ``[N, quantities + effects]`` the median of what the heads had learnt from: what to say unheard.
        targets: what is true.
        examples: what was judged, in the same order.
    """

    logits: np.ndarray
    quantiles: np.ndarray
    guess: np.ndarray
    targets: Targets
    examples: Examples


@dataclass(frozen=True)
class Fitted:
    """The outcome.

    Args:
        heads: trained on everything.
        scale: what strengths mean.
        guess: ``[quantities + effects]`` medians.
        epochs: how long they were trained.
        judged: all examples, out of sample.
    """

    heads: Heads
    scale: StrengthScale
    guess: np.ndarray
    epochs: int
    judged: Judged


def fit(examples: Examples, settings: FitSettings) -> Fitted:
    """Train heads.

    Args:
        examples: of one reading.
        settings: see :class:`FitSettings`.

    Raises:
        DataError: the examples are of one fold only, so nothing could be tried.
    """
    folds = sorted({int(f) for f in examples.fold})
    if len(folds) < 2:
        raise DataError("heads need songs of two folds or more, to be tried on songs they have not learnt from")
    scale = StrengthScale.of(examples.change_db)
    targets = targets_of(examples, scale)
    looks = range(settings.every, settings.epochs + 1, settings.every)
    shape = (len(looks), len(examples))
    logits = np.zeros((*shape, len(EFFECTS)), dtype=np.float32)
    quantiles = np.zeros((*shape, ASKED, 3), dtype=np.float32)
    guess = np.zeros((len(examples), ASKED))
    for fold in folds:
        out = examples.fold == fold
        guess[out] = _medians(targets.asked[~out])
        trainer = _Trainer(examples.vectors[~out], _rows(targets, ~out), settings)
        for k in range(len(looks)):
            trainer.epochs(settings.every)
            judged = judge(trainer.heads, examples.vectors[out])
            logits[k, out], quantiles[k, out] = judged.logits.numpy(), judged.quantiles.numpy()
    losses = [
        float(loss_of(Output(torch.from_numpy(a), torch.from_numpy(b)), *_tensors(targets)))
        for a, b in zip(logits, quantiles, strict=True)
    ]
    best = int(np.argmin(losses))
    trainer = _Trainer(examples.vectors, targets, settings)
    trainer.epochs(looks[best])
    judged_all = Judged(logits[best].astype(np.float64), quantiles[best].astype(np.float64), guess, targets, examples)
    return Fitted(trainer.heads.eval(), scale, _medians(targets.asked), looks[best], judged_all)


@torch.no_grad()
def judge(heads: Heads, vectors: np.ndarray) -> Output:
    """What trained heads say of vectors ``[N, dim]``."""
    heads.eval()
    return heads(torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)))


class _Trainer:
    """One training, a few epochs at a time; the same seed gives the same weights."""

    def __init__(self, vectors: np.ndarray, targets: Targets, settings: FitSettings) -> None:
        self._seed, self._batch, self._done = settings.seed, settings.batch, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.heads = Heads(vectors.shape[1], settings.hidden, settings.dropout)
        self.heads.standardise(vectors)
        self._vectors = torch.from_numpy(np.ascontiguousarray(vectors))
        self._present, self._asked = _tensors(targets)
        matrices = [p for p in self.heads.parameters() if p.ndim > 1]
        rest = [p for p in self.heads.parameters() if p.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": rest, "weight_decay": 0.0}],
            lr=settings.learning_rate,
        )

    def epochs(self, count: int) -> None:
        self.heads.train()
        for _ in range(count):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed * 100_003 + self._done + 1)
                for rows in torch.randperm(len(self._vectors)).split(self._batch):
                    self._optimizer.zero_grad()
                    loss = loss_of(self.heads(self._vectors[rows]), self._present[rows], self._asked[rows])
                    loss.backward()
                    self._optimizer.step()
            self._done += 1


def _tensors(targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(targets.present), torch.from_numpy(targets.asked)


def _rows(targets: Targets, rows: np.ndarray) -> Targets:
    return Targets(targets.present[rows], targets.asked[rows])


def _medians(asked: np.ndarray) -> np.ndarray:
    """Medians of the columns; the middle of the range where nothing is known."""
    return np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.5 for c in asked.T])
