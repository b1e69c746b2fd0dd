"""Match a dry track to the same instrument in a mixture: a preset and the track under it.

python examples/match_a_track.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from fxlens import EffectChain, FxEncoder
from fxlens.audio.output import write
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.effects.effect import Effect
from fxlens.matching.match import match
from fxlens.matching.match_result import Match
from fxlens.matching.settings import MatchSettings, Progress

DARK_ROOM = EffectChain(
    (
        Effect("equalizer", parameters={"high_shelf_gain_db": -12.0, "high_shelf_cutoff_hz": 4000.0}),
        Effect("delay", parameters={"time_ms": 180.0, "feedback": 0.4, "wet": 0.4}),
    )
)


def tell(progress: Progress) -> None:
    """Show every tenth step."""
    if progress.done % 10 == 0:
        print(f"  step {progress.done} of {progress.total}: 1 - cosine {progress.loss:.3f}")


def main(folder: Path) -> Match:
    """Write dry track and reference, match, save; return the match."""
    encoder = FxEncoder.from_pretrained()
    rate = encoder.sample_rate
    folder.mkdir(parents=True, exist_ok=True)
    dry = synthesize_song(1, 6.0, rate, instruments="drums")["drums"]
    band = synthesize_song(4, 6.0, rate, instruments=("drums", "bass"))  # other music
    write(folder / "dry.wav", dry, rate)
    write(folder / "reference.wav", 0.6 * DARK_ROOM.apply(band["drums"], rate) + 0.3 * band["bass"], rate)

    found = match(
        folder / "dry.wav",
        folder / "reference.wav",
        encoder,
        query="drums",
        chain=["equalizer", "delay"],
        seconds=3.0,
        settings=MatchSettings(steps=20, restarts=1, candidates=6, learning_rate=0.1, pull=0.1),  # quick, not good
        report=tell,
    )
    found.save(folder)  # match.wav, preset.json, report.json
    print(f"1 - cosine of the whole track: {found.distance_before:.3f} before, {found.distance_after:.3f} after")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-match"))
