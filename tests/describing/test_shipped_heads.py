"""The heads that come with the shipped model: they belong to it, are small, and hear what is put on a song."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.data.multitrack import Multitrack
from fxlens.data.stem_audio import read_stem
from fxlens.describing import describe
from fxlens.describing.head_files import HEAD, WEIGHTS, find_heads
from fxlens.effects.chain import EffectChain, calibrate
from fxlens.effects.effect import Effect
from fxlens.models import checkpoint
from fxlens.models.fx_encoder import FxEncoder

HEARD = {
    "reverb": {"wet": 0.6, "decay_seconds": 3.0},
    "distortion": {"drive_db": 30.0, "hardness": 0.8},
}


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    return FxEncoder.from_pretrained()


@pytest.fixture(scope="module")
def dry(songs: list[Multitrack]) -> np.ndarray:
    """The sum of a synthesised song's stems, six seconds."""
    tracks = [read_stem(stem) for stem in songs[0].stems]
    length = min(audio.shape[1] for audio, _ in tracks)
    rate = tracks[0][1]
    assert all(other == rate for _, other in tracks) and rate == 44100
    return np.asarray(calibrate(sum(audio[:, :length] for audio, _ in tracks), rate), dtype=np.float32)


def test_they_belong_to_the_shipped_model_and_are_small(encoder: FxEncoder) -> None:
    heads = find_heads(encoder)
    assert heads.model_id == encoder.model_id and set(heads.readings) == {"whole", "instrument"}
    folder = checkpoint.locate(None)
    assert sum((folder / name).stat().st_size for name in (HEAD, WEIGHTS)) < 1_000_000


@pytest.mark.parametrize("effect", sorted(HEARD))
def test_what_is_put_on_a_song_becomes_more_probable(encoder: FxEncoder, dry: np.ndarray, effect: str) -> None:
    wet = EffectChain((Effect(effect, parameters=HEARD[effect]),)).render(dry[None], 44100)[0]
    before = describe(dry, encoder, sample_rate=44100).finding(effect).probability
    after = describe(wet, encoder, sample_rate=44100).finding(effect).probability
    assert after > max(before + 0.15, 0.5)
