"""Embed a mixture whole and by instrument: which of the embeddings notice that one instrument's effects changed?

python examples/embed_a_mix.py
"""

from __future__ import annotations

import numpy as np

from fxlens import EffectChain, FxEncoder
from fxlens.data.synthesis.synthetic import MIX_GAINS_DB, STEM_INSTRUMENTS, synthesize_song
from fxlens.effects.chain import calibrate
from fxlens.effects.effect import Effect

STEMS = ("drums", "bass", "keys")
HALL = EffectChain(
    (
        Effect("compressor", parameters={"threshold_db": -30.0, "ratio": 6.0}),
        Effect("reverb", parameters={"seed": 3.0, "decay_seconds": 2.0, "wet": 0.4}),
    )
)


def mixture(stems: dict[str, np.ndarray], sample_rate: int, effects: dict[str, EffectChain]) -> np.ndarray:
    """Sum the stems at plausible levels, some of them with effects; float32 [2, T]."""
    wet = {name: effects.get(name, EffectChain()).apply(stem, sample_rate) for name, stem in stems.items()}
    return sum(10.0 ** (MIX_GAINS_DB[name] / 20.0) * stem for name, stem in wet.items())


def main() -> dict[str, float]:
    """Print and return, for the mixture and each instrument, how far its embedding moved (1 - cosine)."""
    encoder = FxEncoder.from_pretrained()  # the shipped model
    song = synthesize_song(seed=2, seconds=10.0, sample_rate=encoder.sample_rate, instruments=STEMS)
    stems = {name: calibrate(stem, encoder.sample_rate) for name, stem in song.items()}  # -18 LUFS: thresholds need it
    dry = mixture(stems, encoder.sample_rate, {})
    wet = mixture(stems, encoder.sample_rate, {"drums": HALL})

    whole = encoder.encode([dry, wet], encoder.sample_rate)  # (2, D)
    moved = {"whole mixture": float(1.0 - whole[0] @ whole[1])}
    queries = [STEM_INSTRUMENTS[name] for name in STEMS]
    by_instrument = encoder.encode([dry, wet], encoder.sample_rate, query=queries)  # (2, 3, D), one pass
    for index, query in enumerate(queries):
        moved[query] = float(1.0 - by_instrument[0, index] @ by_instrument[1, index])

    print(f"{encoder.model_id}: the drums were dry, now they are compressed and in a hall")
    for name, distance in moved.items():
        print(f"  {name:14} {distance:.3f}")
    return moved


if __name__ == "__main__":
    main()
