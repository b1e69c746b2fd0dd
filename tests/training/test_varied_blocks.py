"""Blocks in other dialects and through codecs, and views that are augmented: labels stay, everything else varies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from tiny_run import BATCH, BLOCK

from fxlens.data.augmentation import AugmentSettings
from fxlens.data.dataset import StyleBatches
from fxlens.data.style_block import StemShelf, draw_block, render_block
from fxlens.data.style_pool import write_block
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect


def test_dialects_belong_to_contents_and_codecs_to_clips(shelf: StemShelf) -> None:
    plain = dataclasses.replace(BLOCK, chains=3)
    varied = dataclasses.replace(plain, dialect_share=0.8, same_dialect_share=0.25, codec_share=0.3)
    plans = [draw_block(shelf, "electric piano", seed, varied) for seed in range(150)]
    foreign = [p.dialects for p in plans if p.dialects != (None, None)]
    assert 100 < len(foreign) < 140 and all(None not in d for d in foreign)
    assert 12 < sum(first == second for first, second in foreign) < 50
    assert 0.2 < np.mean([c is not None for p in plans for pair in p.codecs for c in pair]) < 0.4
    for seed, plan in enumerate(plans[:5]):  # music and chains are those of the plain settings
        before = draw_block(shelf, "electric piano", seed, plain)
        assert (plan.contents, plan.query, plan.chains) == (before.contents, before.query, before.chains)
        assert before.dialects == (None, None) and before.codecs == ((None, None),) * 3


def test_a_block_in_dialects_is_rendered_by_them(shelf: StemShelf) -> None:
    plan = draw_block(shelf, "electric piano", 4, dataclasses.replace(BLOCK, dialect_share=1.0))
    plain = dataclasses.replace(plan, dialects=(None, None))
    block, own = render_block(plan, BLOCK), render_block(plain, BLOCK)
    assert np.array_equal(block.wet, render_block(plan, BLOCK).wet) and np.isfinite(block.wet).all()
    assert np.array_equal(block.dry, own.dry)
    differences = np.abs(block.wet - own.wet).max(axis=(2, 3))
    assert np.all(differences.max(axis=0) > 1e-3)  # in either content, for one of the chains at least
    assert block.info["dialects"] == list(plan.dialects)
    coded = dataclasses.replace(plain, codecs=((None, "ogg-64"), (None, None)))
    wet = render_block(coded, BLOCK).wet
    changed = [[not np.array_equal(wet[c, k], own.wet[c, k]) for k in (0, 1)] for c in (0, 1)]
    assert changed == [[False, True], [False, False]]


def test_mono_is_kept_from_what_it_would_take_away(shelf: StemShelf, tmp_path: Path) -> None:
    wide = EffectChain((Effect("stereo_imager", True, {"width": 2.0}),))
    loud = EffectChain((Effect("distortion", True, {"drive_db": 12.0}),))
    for number, instrument in enumerate(("electric piano", "bass", "drums")):
        plan = draw_block(shelf, instrument, number, BLOCK)
        write_block(tmp_path, number, render_block(dataclasses.replace(plan, chains=(wide, loud)), BLOCK))
    settings = dataclasses.replace(BATCH, initial_blocks=3, total_blocks=3, instruments=(1, 1), extraction_groups=0)
    plain = StyleBatches(tmp_path, settings, 3, 20)
    mono = StyleBatches(tmp_path, settings, 3, 20, augmentation=AugmentSettings(mono=1.0))
    folded = kept = 0
    for index in range(4):
        views = mono[index]["mixture"].flatten(0, 1)
        is_mono = (views[:, 0] == views[:, 1]).all(dim=1)
        assert 0 < int(is_mono.sum()) <= len(views) and plain[index]["mixture"].shape == mono[index]["mixture"].shape
        folded, kept = folded + int(is_mono.sum()), kept + int((~is_mono).sum())
    assert folded >= 16 and kept > 0  # half of the views have the distortion; mono stems are mono anyhow
