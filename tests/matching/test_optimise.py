"""The optimiser against settings that are known, by embeddings that anyone can check."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_hearing import RATE, band_levels, bursts, envelope, noise
from torch import Tensor

from fxlens.audio.loudness_gradient import at_loudness
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.errors import UsageError
from fxlens.matching.chain_parts import chain_of
from fxlens.matching.optimise import Optimised, optimise
from fxlens.matching.problem import Problem
from fxlens.matching.settings import MatchSettings, Progress
from fxlens.matching.start_points import start_points

QUICK = MatchSettings(steps=60, learning_rate=0.2, restarts=1, candidates=6, patience=0)


def wet(chain: EffectChain, dry: Tensor) -> Tensor:
    return torch.from_numpy(np.stack([chain.apply(clip, RATE) for clip in dry.numpy()]))


def run(
    chain: EffectChain, truth: EffectChain, dry: Tensor, settings: MatchSettings = QUICK, **more: object
) -> Optimised:
    target = band_levels(wet(truth, dry))
    return optimise(chain, dry, RATE, band_levels, target, settings, level_lufs=None, **more)[0]  # type: ignore[arg-type]


def test_a_gain_is_recovered() -> None:
    truth = EffectChain((Effect("gain", parameters={"gain_db": -7.3}),))
    found = run(chain_of(["gain"]), truth, noise(0.2, 0))
    assert found.chain.effects[0].parameters["gain_db"] == pytest.approx(-7.3, abs=0.1)
    assert found.loss < 1e-4 * found.dry_loss


def test_an_equaliser_is_recovered() -> None:
    """Two bands with known cutoffs and Q, which are locked; in the loudness-normalised embedding, too."""
    given = {"low_shelf_cutoff_hz": 300.0, "band1_cutoff_hz": 3000.0, "band1_q": 2.0}
    start = EffectChain((Effect("equalizer", parameters=given),))
    truth = EffectChain((Effect("equalizer", parameters=given | {"low_shelf_gain_db": -9.0, "band1_gain_db": 6.0}),))
    names = start.parameter_names()
    locks = [name for name in names if not name.endswith(("low_shelf_gain_db", "band1_gain_db"))]
    dry = noise(0.5, 1)
    levelled = band_levels(at_loudness(wet(truth, dry), RATE, -18.0))
    for found in (
        run(start, truth, dry, locks=locks),
        optimise(start, dry, RATE, band_levels, levelled, QUICK, locks=locks, level_lufs=-18.0)[0],
    ):
        values = found.chain.effects[0].parameters
        assert values["low_shelf_gain_db"] == pytest.approx(-9.0, abs=0.3)
        assert values["band1_gain_db"] == pytest.approx(6.0, abs=0.3)
        assert {k: v for k, v in values.items() if "gain" not in k} == pytest.approx(
            {k: v for k, v in start.effects[0].parameters.items() if "gain" not in k}
        )


@pytest.mark.parametrize("method", ["gradient", "cma"])
def test_a_delay_is_recovered(method: str) -> None:
    truth = EffectChain((Effect("delay", parameters={"time_ms": 180.0, "feedback": 0.0, "wet": 0.4}),))
    dry = bursts(0.7, 2)
    if method == "cma":
        pytest.importorskip("cma")
    settings = MatchSettings(
        method=method,
        steps=250 if method == "gradient" else 40,
        learning_rate=0.1,
        restarts=1,
        candidates=16,
        patience=0,
    )  # type: ignore[arg-type]
    found = optimise(
        chain_of(["delay"]), dry, RATE, envelope, envelope(wet(truth, dry)), settings,
        locks=["delay.feedback"], level_lufs=None,
    )[0]  # fmt: skip
    values = found.chain.effects[0].parameters
    assert found.method == method
    assert values["time_ms"] == pytest.approx(180.0, abs=8.0)
    assert values["wet"] == pytest.approx(0.4, abs=0.05)
    assert values["feedback"] == 0.0


def test_auto_evolves_what_the_gradient_cannot_move() -> None:
    """An embedding cut off from its gradient: Adam stays where it is, the evolution does not."""
    pytest.importorskip("cma")
    truth = EffectChain((Effect("gain", parameters={"gain_db": 9.0}),))
    dry = noise(0.1, 3)

    def blind(clips: Tensor) -> Tensor:
        return band_levels(clips.detach()) + 0.0 * clips.sum()

    settings = MatchSettings(method="auto", steps=25, restarts=1, candidates=0, patience=0)
    found = optimise(chain_of(["gain"]), dry, RATE, blind, band_levels(wet(truth, dry)), settings, level_lufs=None)[0]
    assert found.method == "cma"
    assert found.chain.effects[0].parameters["gain_db"] == pytest.approx(9.0, abs=0.3)


def test_locks_hold_and_a_pull_keeps_still_what_cannot_be_heard() -> None:
    """The width of a mono clip: no embedding can hear it."""
    mono = noise(0.2, 4)[:, :1].expand(-1, 2, -1).contiguous()
    start = EffectChain(
        (Effect("gain", parameters={"gain_db": 2.5}), Effect("stereo_imager", parameters={"width": 0.7}))
    )
    truth = EffectChain((Effect("gain", parameters={"gain_db": 6.0}), Effect("stereo_imager")))
    settings = MatchSettings(steps=40, learning_rate=0.2, restarts=1, candidates=8, patience=0, pull=1e-5)
    found = run(start, truth, mono, settings)
    assert found.chain.effects[0].parameters["gain_db"] == pytest.approx(6.0, abs=0.5)
    assert found.chain.effects[1].parameters["width"] == pytest.approx(0.7, abs=0.05)
    found = run(start, truth, mono, locks=["gain"])
    assert found.chain.effects[0].parameters["gain_db"] == pytest.approx(2.5, abs=1e-6)


def test_seeds_repeat_and_neighbours_do_not_matter() -> None:
    truth = EffectChain((Effect("equalizer", parameters={"low_shelf_gain_db": 8.0}), Effect("limiter")))
    chain = chain_of(["equalizer", "limiter"])
    dry = torch.cat([noise(0.2, seed) for seed in range(3)])
    target = band_levels(wet(truth, dry))
    settings = MatchSettings(steps=6, learning_rate=0.1, restarts=2, candidates=4)

    def units(rows: list[int], **changes: int) -> Tensor:
        own = MatchSettings(**{**vars(settings), **changes})
        found = optimise(chain, dry[rows], RATE, band_levels, target[rows], own, level_lufs=None, keys=rows)
        return torch.stack([one.chain.unit() for one in found])

    together = units([0, 1, 2])
    assert torch.equal(together, units([0, 1, 2]))
    assert (together - units([2, 1, 0]).flip(0)).abs().max() < 1e-4
    assert (together - units([0, 1, 2], rows_at_once=1)).abs().max() < 1e-4
    assert (together[1] - units([1])[0]).abs().max() < 1e-4
    problem = Problem(chain, dry.unsqueeze(1), RATE, lambda wet, items: torch.zeros(len(items)))
    drawn = [start_points(problem, replace(settings, restarts=6, seed=seed), [0, 1, 2]) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert (drawn[0] - drawn[2]).abs().amax(dim=(1, 2))[2:].min() > 0.05


def test_an_item_that_breaks_does_not_spoil_the_others() -> None:
    truth = EffectChain((Effect("gain", parameters={"gain_db": 5.0}),))
    dry = torch.cat([noise(0.1, seed) for seed in range(3)])
    target = band_levels(wet(truth, dry))
    broken = dry.clone()
    broken[0, 0, 100] = torch.nan  # an effect refuses it

    def embed(clips: Tensor) -> Tensor:
        levels = band_levels(clips)
        loud = clips.abs().amax(dim=(1, 2), keepdim=True).squeeze(-1) > 1e3  # an embedding that breaks
        return torch.where(loud, torch.nan, levels)

    broken[2] *= 1e4
    settings = MatchSettings(steps=40, learning_rate=0.2, restarts=2, candidates=4, patience=0)
    found = optimise(chain_of(["gain"]), broken, RATE, embed, target, settings, level_lufs=None)
    assert [one.failed for one in found] == [True, False, True]
    assert found[0].chain == chain_of(["gain"])
    assert math.isinf(found[0].loss)
    assert found[1].chain.effects[0].parameters["gain_db"] == pytest.approx(5.0, abs=0.2)


def test_more_excerpts_of_one_item_share_a_chain() -> None:
    truth = EffectChain((Effect("gain", parameters={"gain_db": 4.0}),))
    dry = torch.stack([noise(0.1, 0)[0], noise(0.1, 1)[0]]).unsqueeze(0)
    target = torch.nn.functional.normalize(band_levels(wet(truth, dry[0])).mean(0, keepdim=True), dim=1)
    found = optimise(chain_of(["gain"]), dry, RATE, band_levels, target, QUICK, level_lufs=None)
    assert found[0].chain.effects[0].parameters["gain_db"] == pytest.approx(4.0, abs=0.1)


def test_patience_ends_early_and_progress_is_told() -> None:
    told: list[Progress] = []
    truth = EffectChain((Effect("gain", parameters={"gain_db": 0.0}),))
    settings = MatchSettings(steps=50, learning_rate=1e-4, restarts=2, candidates=0, patience=5)
    target = band_levels(wet(truth, noise(0.1, 5)))
    found = optimise(
        chain_of(["gain"]), noise(0.1, 5), RATE, band_levels, target, settings, level_lufs=None, report=told.append
    )[0]
    assert sum(math.isfinite(v) for v in found.curves[0]) < 20
    assert told[-1].done == told[-1].total == 100
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].seconds_left == 0.0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="as many embeddings"):
        optimise(chain_of(["gain"]), noise(0.1, 0), RATE, band_levels, torch.ones(2, 25))
    with pytest.raises(UsageError, match="finite"):
        optimise(chain_of(["gain"]), noise(0.1, 0), RATE, band_levels, torch.full((1, 25), torch.nan))
    for wrong in ({"steps": 0}, {"method": "magic"}, {"pull": -1.0}, {"learning_rate": 0.0}, {"restarts": 0}):
        with pytest.raises(UsageError):
            MatchSettings(**wrong)  # type: ignore[arg-type]
