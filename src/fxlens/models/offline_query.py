"""The query encoder that is shipped: no download, no optional dependency, under a megabyte.

**Text.** A phrase is looked up twice. The lexicon (``fxlens.instruments.resolve``) knows names and
abbreviations of instruments; a table of word vectors, distilled from a sentence encoder, understands prose
("a bow drawn across"). Each word vector holds evidence for the classes and, in the remaining dimensions,
what else the word means. The query is ``normalise(a * class vector + b * own words)``, so *trumpet* and
*tuba* are near *brass* and not equal.

**Audio.** A small CNN places a dry sound at the vector of its class.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fxlens.errors import ModelUnavailableError, UsageError
from fxlens.instruments import BY_NAME, QUERY_TARGETS, content_words, resolve
from fxlens.models.instrument_query import QueryEncoder, checked_texts, content_id, query_windows
from fxlens.models.query_tower import SAMPLE_RATE, WINDOW_SECONDS, QueryTower

SHIPPED = Path(__file__).parents[1] / "weights" / "offline-query"
CLASS_SHARE = 0.9
"""Cosine between a word of a known instrument and the vector of its class."""
SHARPNESS = 0.05
"""Temperature at which the evidence of unknown prose is turned into a mixture of classes."""
_WINDOWS_AT_ONCE = 16


@dataclass(frozen=True)
class TextTable:
    """Word vectors and class vectors.

    Args:
        classes: canonical names, in the order of the rows of ``class_vectors``.
        class_vectors: ``[C, dim]``, unit length, zero after the first C dimensions.
        words: as ``fxlens.instruments.words_of`` writes them.
        tokens: ``int8 [V, dim]``; the first C dimensions are evidence for the classes.
        scales: ``[V]``, what a row of ``tokens`` is multiplied with.
    """

    classes: tuple[str, ...]
    class_vectors: Tensor
    words: dict[str, int]
    tokens: Tensor
    scales: Tensor

    def mean(self, words: Sequence[str]) -> Tensor | None:
        """Mean vector ``[dim]`` of the known words, or ``None`` when none is known."""
        rows = [self.words[word] for word in words if word in self.words]
        if not rows:
            return None
        return (self.tokens[rows].float() * self.scales[rows].float()[:, None]).mean(dim=0)

    def class_scores(self, text: str) -> Tensor | None:
        """Evidence ``[C]`` of a phrase by its words alone, without the lexicon."""
        mean = self.mean(content_words(text))
        return None if mean is None else mean[: len(self.classes)]

    def embed(self, text: str) -> Tensor:
        """Embed one phrase.

        Raises:
            UsageError: no instrument can be made out, or it is ``other``.
        """
        known = resolve(text)
        own = self._own(text)
        if known is not None:
            if known.name == "other":
                raise UsageError(f"{text!r} is what remains of a mix, not an instrument; {_try_one_of(self.classes)}")
            vector = self.class_vectors[self.classes.index(known.name)]
            if content_words(text) == content_words(known.name):
                return vector
        else:
            scores = self.class_scores(text)
            if scores is None:
                raise UsageError(f"I do not know the instrument {text!r}; {_try_one_of(self.classes)}")
            vector = F.normalize(torch.softmax(scores / SHARPNESS, dim=0) @ self.class_vectors, dim=0)
        if own is None:
            return vector
        return F.normalize(CLASS_SHARE * vector + math.sqrt(1.0 - CLASS_SHARE**2) * own, dim=0)

    def _own(self, text: str) -> Tensor | None:
        """Unit vector ``[dim]`` of what the words mean beyond their class."""
        mean = self.mean(content_words(text))
        if mean is None:
            return None
        mean[: len(self.classes)] = 0.0
        return F.normalize(mean, dim=0)


class OfflineQueryEncoder(QueryEncoder):
    """The shipped query encoder. Build it with :meth:`load`.

    Args:
        table: for texts.
        tower: for sounds; ``None`` where only the table is there.
        query_id: name with a hash of the weights.
    """

    class_vectors: Tensor

    def __init__(self, table: TextTable, tower: QueryTower | None, query_id: str) -> None:
        super().__init__()
        self.query_id = query_id
        self.dim = table.class_vectors.shape[1]
        self.table = table
        self.tower = None if tower is None else tower.eval().requires_grad_(False)
        self.register_buffer("class_vectors", table.class_vectors.clone(), persistent=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of ``class_vectors``."""
        return self.table.classes

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> OfflineQueryEncoder:
        """Load the shipped weights, or those of another folder made in the same way.

        Raises:
            ModelUnavailableError: files are missing or do not fit.
        """
        table = load_text_table(folder)
        files = [folder / "vocabulary.txt", folder / "text.safetensors"]
        tower = None
        weights = folder / "model.safetensors"
        if weights.is_file():
            tower = QueryTower(table.class_vectors.shape[1])
            try:
                tower.load_state_dict({k: _full(v) for k, v in load_file(weights).items()})
            except (SafetensorError, RuntimeError, OSError) as error:
                raise _broken(folder, error) from error
            files.append(weights)
        return cls(table, tower, content_id("offline", files))

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """See :meth:`QueryEncoder.embed_text`."""
        rows = [self.table.embed(text) for text in checked_texts(texts)]
        return (torch.stack(rows) if rows else torch.zeros(0, self.dim)).to(self.class_vectors.device)

    @torch.no_grad()
    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        """See :meth:`QueryEncoder.embed_audio`; longer sounds are the mean over even windows of 4 s."""
        if self.tower is None:
            raise ModelUnavailableError(
                f"{self.query_id} has no weights for audio queries (model.safetensors); query by text, or "
                "use the query encoder 'clap'"
            )
        self.tower.eval()
        device = self.class_vectors.device
        rows = []
        for windows in query_windows(audio, sample_rate, SAMPLE_RATE, WINDOW_SECONDS):
            parts = [self.tower(self.tower.spectrogram(p.to(device))) for p in windows.split(_WINDOWS_AT_ONCE)]
            rows.append(F.normalize(torch.cat(parts).mean(dim=0, keepdim=True), dim=-1))
        return torch.cat(rows) if rows else torch.zeros(0, self.dim, device=device)


def load_text_table(folder: Path) -> TextTable:
    """Read ``config.json``, ``vocabulary.txt`` and ``text.safetensors``.

    Raises:
        ModelUnavailableError: files are missing or do not fit.
    """
    missing = [n for n in ("config.json", "vocabulary.txt", "text.safetensors") if not (folder / n).is_file()]
    if missing:
        raise ModelUnavailableError(
            f"No offline query encoder at {folder}: {', '.join(missing)} missing; install fxlens again, "
            "or give a folder written by it"
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        words = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
        tensors = load_file(folder / "text.safetensors")
        classes, dim = tuple(config["classes"]), int(config["dim"])
        table = TextTable(
            classes,
            tensors["classes"].float(),
            {word: row for row, word in enumerate(words)},
            tensors["tokens"],
            tensors["scales"],
        )
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise _broken(folder, error) from error
    if (
        set(classes) != {i.name for i in QUERY_TARGETS}
        or table.class_vectors.shape != (len(classes), dim)
        or table.tokens.shape != (len(table.words), dim)
        or table.scales.shape != (len(table.words),)
    ):
        raise _broken(folder, "classes, vocabulary and tensors have different sizes")
    return table


def _full(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _broken(folder: Path, cause: object) -> ModelUnavailableError:
    return ModelUnavailableError(f"The offline query encoder at {folder} is damaged ({cause}); install it again")


def _try_one_of(classes: Sequence[str]) -> str:
    return f"try one of: {', '.join(name for name in BY_NAME if name in classes)}"
