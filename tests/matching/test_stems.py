"""Batches: which instrument a stem is, where its result goes, what is done again, and the sum."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matching_model import tiny_encoder

from fxlens.audio.io import read
from fxlens.audio.output import write
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.errors import AudioSilentError, UsageError
from fxlens.matching.settings import MatchSettings
from fxlens.matching.stem_batch import BatchSettings, match_stems
from fxlens.matching.stem_plan import StemPlan, plan_stems
from fxlens.matching.stem_sum import sum_stems

RATE = 22_050


def noise(seed: int, seconds: float = 1.0, level: float = 0.05) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))).astype(np.float32)


def files(*names: str) -> list[tuple[Path, Path]]:
    return [(Path("stems") / name, Path(name)) for name in names]


# --- which instrument


def test_names_say_the_instrument() -> None:
    plans, unknown = plan_stems(files("03_LeadVox_dbl.wav", "Kick in.flac", "eBass.m4a", "xyzzy.wav"), Path("out"))
    assert [plan.query for plan in plans] == ["vocals", "drums", "bass"]
    assert [plan.output.name for plan in plans] == ["03_LeadVox_dbl.wav", "Kick in.flac", "eBass.wav"]
    assert unknown == [Path("stems/xyzzy.wav")]
    assert plans[0].beside(".preset.json") == Path("out/03_LeadVox_dbl.preset.json")


def test_what_is_said_comes_first() -> None:
    named = {"xyzzy": "theremin", "KICK*": "", "vox.wav": "rap vocals"}
    plans, unknown = plan_stems(
        files("vox.wav", "kick.wav", "xyzzy.wav", "bass.wav"), Path("out"), ".flac", None, named
    )
    assert [plan.query for plan in plans] == ["rap vocals", None, "theremin", "bass"]
    assert not unknown
    assert {plan.output.suffix for plan in plans} == {".flac"}
    plans, unknown = plan_stems(files("a.wav", "b.wav"), Path("out"), every="vocals", named={"b": "choir"})
    assert [plan.query for plan in plans] == ["vocals", "choir"]


def test_plans_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'voks'"):
        plan_stems(files("vox.wav"), Path("out"), named={"voks": "vocals"})
    twice = [(Path("a/vox.wav"), Path("vox.wav")), (Path("b/vox.wav"), Path("vox.wav"))]
    with pytest.raises(UsageError, match="two folders"):
        plan_stems(twice, Path("out"))
    write(tmp_path / "vox.wav", noise(0), RATE)
    with pytest.raises(UsageError, match="is the input"):
        plan_stems([(tmp_path / "vox.wav", Path("vox.wav"))], tmp_path)


# --- the batch


@pytest.fixture
def settings(tmp_path: Path) -> BatchSettings:
    dark = EffectChain((Effect("equalizer", parameters={"high_shelf_gain_db": -12.0}),))
    write(tmp_path / "mix.wav", dark.apply(noise(9), RATE), RATE)
    chain = EffectChain((Effect("equalizer"), Effect("limiter")))
    search = MatchSettings(steps=3, restarts=1, candidates=2)
    return BatchSettings((tmp_path / "mix.wav",), chain=chain, seconds=0.5, settings=search, exports=("sheet",))


def plans_in(folder: Path) -> list[StemPlan]:
    folder.mkdir(exist_ok=True)
    write(folder / "bass.wav", noise(1), RATE)
    write(folder / "drums.wav", np.zeros((2, RATE), np.float32), RATE)
    write(folder / "vox.wav", noise(2), RATE)
    plans, _ = plan_stems([(path, Path(path.name)) for path in sorted(folder.iterdir())], folder.parent / "out")
    return plans


def test_a_bad_stem_does_not_end_a_batch_and_nothing_is_done_twice(tmp_path: Path, settings: BatchSettings) -> None:
    encoder, plans = tiny_encoder(), plans_in(tmp_path / "stems")
    outcomes = list(match_stems(plans, encoder, settings))
    assert [type(one.error) for one in outcomes] == [type(None), AudioSilentError, type(None)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "bass.match.json", "bass.preset.json", "bass.sheet.md", "bass.wav",
        "vox.match.json", "vox.preset.json", "vox.sheet.md", "vox.wav",
    ]  # fmt: skip
    preset = EffectChain.load(tmp_path / "out" / "vox.preset.json")
    audio, _ = read(tmp_path / "out" / "vox.wav")
    assert np.abs(preset.apply(noise(2), RATE) - audio).max() < 1e-5
    begun: list[str] = []

    def resumed(changed: BatchSettings = settings) -> list[bool]:
        begun.clear()
        found = match_stems(plans, encoder, changed, resume=True, begin=lambda plan: begun.append(plan.source.name))
        return [one.resumed for one in found]

    assert resumed() == [True, False, True]
    assert begun == ["drums.wav"]
    earlier = list(match_stems(plans, encoder, settings, resume=True))[2]
    assert earlier.figures == json.loads(json.dumps(outcomes[2].figures))
    assert earlier.chain == outcomes[2].chain
    (tmp_path / "out" / "bass.wav").unlink()
    write(tmp_path / "stems" / "vox.wav", noise(3), RATE)  # another take
    assert resumed() == [False, False, False]
    assert resumed() == [True, False, True]
    assert resumed(BatchSettings(**{**vars(settings), "amount": 0.5})) == [False, False, False]


# --- the sum


def test_the_sum_is_the_sum(tmp_path: Path) -> None:
    stems = [noise(0), noise(1, 2.5), noise(2, 0.3)]
    for number, stem in enumerate(stems):
        write(tmp_path / f"{number}.wav", stem, RATE)
    paths = [(tmp_path / f"{n}.wav", gain) for n, gain in ((0, 0.0), (1, 6.0), (2, -3.0))]
    assert sum_stems(paths, tmp_path / "sum.wav") == 0.0
    wanted = np.zeros((2, round(2.5 * RATE)), np.float32)
    for stem, (_, gain_db) in zip(stems, paths, strict=True):
        wanted[:, : stem.shape[1]] += stem * 10.0 ** (gain_db / 20.0)
    found, rate = read(tmp_path / "sum.wav")
    assert rate == RATE
    assert np.abs(found - wanted).max() < 1e-6


def test_a_sum_is_safe_or_is_not_made(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", noise(0, level=0.3), RATE)
    write(tmp_path / "b.wav", noise(0, level=0.3), RATE)
    write(tmp_path / "c.wav", noise(0), 44_100)
    a, b, c = ((tmp_path / f"{name}.wav", 0.0) for name in "abc")
    lowered_db = sum_stems([a, b], tmp_path / "sum.wav")
    assert lowered_db > 3.0
    found, _ = read(tmp_path / "sum.wav")
    assert np.abs(found).max() == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    with pytest.raises(UsageError, match="22050, 44100"):
        sum_stems([a, c], tmp_path / "other.wav")
    with pytest.raises(UsageError, match="one of the stems"):
        sum_stems([a, b], a[0])
    with pytest.raises(UsageError, match="no stem"):
        sum_stems([], tmp_path / "other.wav")
    assert not (tmp_path / "other.wav").exists()
