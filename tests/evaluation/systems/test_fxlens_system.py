from __future__ import annotations

import numpy as np
import pytest
from small_systems import RATE, clips, tiny_fxlens

from fxlens.errors import UsageError
from fxlens.evaluation.systems.fxlens_system import FxlensSystem
from fxlens.evaluation.systems.registry import open_system
from fxlens.evaluation.systems.system import InstrumentQuery
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig


@pytest.mark.parametrize("window_seconds", [10.0, 0.4, 0.3])
def test_it_embeds_as_the_model_does_for_a_user(window_seconds: float) -> None:
    """Levels, windows of which the last one overlaps, pooling: the numbers are those of FxEncoder.encode."""
    own = tiny_fxlens(window_seconds)
    quiet = clips() * np.array([1.0, 0.1, 0.5, 0.02], dtype=np.float32)[:, None, None]
    np.testing.assert_allclose(own.embed(quiet, RATE), own.encoder.encode(quiet, RATE), atol=2e-5)
    asked = own.embed_instrument(quiet, RATE, [InstrumentQuery("vocals"), InstrumentQuery("drums")])
    expected = own.encoder.encode(quiet, RATE, query=["vocals", "drums"])
    np.testing.assert_allclose(asked, expected, atol=2e-5)
    by_sound = own.embed_instrument(quiet, RATE, [InstrumentQuery("drums", quiet[0])])[:, 0]
    assert ((by_sound * asked[:, 1]).sum(-1) < 0.9999).all()  # a sound is another query than its name


def test_the_shipped_model_and_the_same_untrained() -> None:
    shipped, untrained = open_system("fxlens"), open_system("untrained")
    assert shipped.identity != untrained.identity and untrained.identity.startswith("untrained-")
    assert open_system("untrained").identity == untrained.identity
    assert shipped.licence == "Apache-2.0"
    found = [one.embed(clips()[:1], RATE) for one in (shipped, untrained)]
    assert found[0].shape == found[1].shape == (1, 128)
    assert float((found[0] * found[1]).sum()) < 0.9


def test_a_model_without_extractor_says_so() -> None:
    config = FxEncoderConfig(backbone=BackboneConfig("cnn14", 2), extractor=ExtractorConfig("none"))
    with pytest.raises(UsageError, match="no extractor"):
        FxlensSystem(FxEncoder(config)).embed_instrument(clips(), RATE, [InstrumentQuery("drums")])
