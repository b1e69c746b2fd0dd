"""What the heads are shown: vectors of the frozen encoder.

For the whole, the features before the projection and the embedding after it. For an instrument, the same two of what
the encoder's mask has left, where it masks; of any other extractor the instrument's embedding and the mixture's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.models.query_mask import QueryMask

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder
    from fxlens.models.heard import Heard


def whole_vector(heard: Heard) -> Tensor:
    """Vectors ``[B, F]`` of whole clips, float32."""
    return torch.cat([heard.features, heard.mixture], dim=1)


def instrument_vector(encoder: FxEncoder, heard: Heard, query: Tensor) -> Tensor:
    """Vectors ``[B, G]`` of an instrument in each clip, float32.

    Args:
        encoder: the one that has heard.
        heard: a batch of clips.
        query: ``[B, Q]``.

    Raises:
        UsageError: the encoder has no extractor.
    """
    extractor = encoder.extractor
    if not isinstance(extractor, QueryMask):
        return torch.cat([encoder.instrument_embedding(heard, query), heard.mixture], dim=1)
    logits = extractor.mask_logits(heard.survey, query[:, None])[:, 0]
    masked = extractor.masked(heard.logmel, logits)
    features = extractor.backbone(masked.to(next(extractor.backbone.parameters()).dtype)).float()
    return torch.cat([features, F.normalize(extractor.projection(features).float(), dim=-1)], dim=1)
