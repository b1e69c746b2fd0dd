"""Contents with a past: what is common to two views of a style is the chain, not the recording."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fxlens.data.adapters.folder import prepare
from fxlens.data.excerpts import Excerpt
from fxlens.data.manifest import stems_of
from fxlens.data.past import TYPES, Past, PastSettings, draw_past
from fxlens.data.style_block import CHAIN_INPUT_LUFS, BlockSettings, StemShelf, _content, draw_block, render_block
from fxlens.errors import ConfigError

RATE = 44_100
BLOCK = BlockSettings(seconds=1.0, chains=2)
PAST = BlockSettings(seconds=1.0, chains=2, past=PastSettings(share=1.0, recorded_share=1.0, semitones=3.0))


def test_pasts_are_drawn_as_often_and_as_strong_as_asked() -> None:
    settings = PastSettings(share=0.8, recorded_share=0.3, n_effects=(1, 3), semitones=2.0)
    rng = np.random.default_rng(0)
    dry, recorded = ([draw_past(rng, settings, kind) for _ in range(400)] for kind in (False, True))
    assert np.mean([p.effects is not None for p in dry]) == pytest.approx(0.8, abs=0.07)
    assert np.mean([p.effects is not None for p in recorded]) == pytest.approx(0.3, abs=0.08)
    semitones = 12.0 * np.log2([p.speed for p in dry])
    assert np.abs(semitones).max() <= 2.0 and semitones.std() == pytest.approx(4.0 / 12**0.5, rel=0.1)
    chains = [p.effects.effects for p in dry if p.effects is not None]
    assert {len(c) for c in chains} == {1, 2, 3}
    types = Counter(e.type for c in chains for e in c)
    assert set(types) == set(TYPES) and types["delay"] < types["equalizer"]
    gains = [e.parameters["low_shelf_gain_db"] for c in chains for e in c if e.type == "equalizer"]
    assert np.abs(gains).max() < 15.0


def test_a_past_changes_the_contents_and_not_the_chains(shelf: StemShelf) -> None:
    name = shelf.instruments()[0]
    spotless, lived = draw_block(shelf, name, 5, BLOCK), draw_block(shelf, name, 5, PAST)
    assert [c.to_json() for c in spotless.chains] == [c.to_json() for c in lived.chains]
    assert spotless.pasts == (Past(), Past(), Past()) and lived.pasts[0] != lived.pasts[1]
    before, after = render_block(spotless, BLOCK), render_block(lived, PAST)
    assert before.wet.shape == after.wet.shape
    assert not np.allclose(before.wet, after.wet, atol=1e-3)
    assert after.info["pasts"][0]["effects"] is not None  # type: ignore[index]
    again = render_block(draw_block(shelf, name, 5, PAST), PAST)
    assert np.array_equal(after.wet, again.wet)


def test_speed_moves_the_pitch_and_keeps_length_and_loudness(tmp_path: Path) -> None:
    import soundfile

    from fxlens.audio.loudness import integrated_loudness

    time = np.arange(8 * RATE) / RATE
    (tmp_path / "song").mkdir()
    tone = 0.2 * np.sin(2 * np.pi * 1000.0 * time)
    soundfile.write(tmp_path / "song" / "synth.wav", np.stack([tone, tone], axis=1), RATE)
    stem = stems_of(prepare(tmp_path, tmp_path / "manifest.jsonl").multitracks)[0]
    for semitones in (-3.0, 3.0):
        speed = 2.0 ** (semitones / 12.0)
        audio = _content(Excerpt(stem, 1.0, 2.0 * speed), Past(speed), RATE, 2 * RATE)
        assert audio.shape == (2, 2 * RATE)
        spectrum = np.abs(np.fft.rfft(audio[0] * np.hanning(audio.shape[1])))
        assert np.argmax(spectrum) / 2.0 == pytest.approx(1000.0 * speed, abs=1.0)
        assert float(integrated_loudness(audio, RATE)) == pytest.approx(CHAIN_INPUT_LUFS, abs=0.01)


@pytest.mark.parametrize(
    "wrong", [{"share": 1.5}, {"semitones": -1.0}, {"amount": (0.8, 0.2)}, {"n_effects": (0, 3)}], ids=str
)
def test_settings_that_make_no_past_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"block\.past"):
        PastSettings(**wrong)  # type: ignore[arg-type]
