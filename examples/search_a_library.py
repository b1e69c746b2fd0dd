"""Index a small library and search it by sound: the same effects on other music should be found first.

python examples/search_a_library.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from fxlens import EffectChain, FxEncoder, FxIndex
from fxlens.audio.output import write
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.effects.effect import Effect

CHAINS = {
    "dry": EffectChain(),
    "telephone": EffectChain(
        (
            Effect("equalizer", parameters={"low_shelf_gain_db": -12.0, "low_shelf_cutoff_hz": 250.0,
                                            "high_shelf_gain_db": -12.0, "high_shelf_cutoff_hz": 4000.0}),
            Effect("distortion", parameters={"drive_db": 24.0}),
        )
    ),
    "hall": EffectChain((Effect("reverb", parameters={"seed": 3.0, "decay_seconds": 2.5, "wet": 0.5}),)),
}  # fmt: skip


def make_recording(path: Path, seed: int, chain: EffectChain, sample_rate: int = 44100) -> Path:
    """Write ten seconds of a drummer and a pianist under a chain of effects."""
    stems = synthesize_song(seed, 10.0, sample_rate, instruments=("drums", "keys"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, chain.apply(0.5 * (stems["drums"] + stems["keys"]), sample_rate), sample_rate)
    return path


def main(folder: Path) -> dict[str, str]:
    """Return, for each chain, the best hit of a search with a song that is not in the library."""
    encoder = FxEncoder.from_pretrained()
    for name, chain in CHAINS.items():
        for seed in (1, 2):
            make_recording(folder / "library" / f"{name}-{seed}.wav", seed, chain)

    found = {}
    with FxIndex.create(folder / "index", encoder) as index:
        index.add(folder / "library", encoder, tags={"made by": "example"})  # repeated, it adds what is new
        for name, chain in CHAINS.items():
            reference = make_recording(folder / f"reference-{name}.wav", 7, chain)
            hits = index.search(reference, encoder, k=3, where={"made by": "example"})
            found[name] = Path(hits[0].path).stem
            print(f"{reference.name}: " + ", ".join(f"{Path(h.path).stem} {h.similarity:.2f}" for h in hits))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-search"))
