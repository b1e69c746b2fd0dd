"""An extractor that masks: every place of the spectrogram is asked whether it belongs to the instrument that is meant,
and the effects are read from what remains.

The mask is coarse and smooth, nothing that could be listened to. It need not be: with ideal masks of this resolution
a reader of isolated stems already finds most of what it finds in the stems themselves, while of a pooled mixture
vector the parts cannot be told any more. The reader is a second backbone of its own, since what has been masked looks
different from what has been played alone, and it is shown the mask as one more channel: silence is not the same as not
knowing. :meth:`QueryMask.start_from` makes it begin as the reader of wholes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fxlens.models.backbone import Backbone
from fxlens.models.clip_reader import ClipReader
from fxlens.models.extractor import Extractor
from fxlens.models.frontend import FrontendConfig
from fxlens.models.heard import Heard
from fxlens.models.mask_net import BAND_STRIDE, FRAME_STRIDE, MaskNet
from fxlens.models.projection import Projection

DEEPEST = 1e-4
"""Share of the power that the mask always passes: -40 dB."""
LEVEL_DB = 20.7
"""Mean power over frames, summed over bands, of music at -18 LUFS: the level that a reader of stems is used to."""
_SOFTEST = 1e-3


class QueryMask(Extractor):
    """Mask the log-mel spectrogram for a query, bring what is left to one level, read it.

    Args:
        query_dim: length Q of the query.
        backbone: fresh, of this extractor's own; one channel more than the spectrogram has.
        frontend: the spectrogram.
        projection_dims: widths of the projection head.
        statistics: measure what is left, too.
        width: channels of the masking network's first stage.
        place_dim: length of its vectors.
    """

    def __init__(
        self,
        query_dim: int,
        backbone: Backbone,
        frontend: FrontendConfig,
        projection_dims: Sequence[int],
        statistics: bool = False,
        width: int = 32,
        place_dim: int = 64,
    ) -> None:
        super().__init__()
        self.frontend = frontend
        self.masks = MaskNet(frontend.n_channels, width, place_dim)
        self.ask = nn.Linear(query_dim, place_dim + 1)
        nn.init.normal_(self.ask.weight, std=0.3)
        nn.init.zeros_(self.ask.bias)
        nn.init.constant_(self.ask.bias[-1:], -1.0)  # most places belong to somebody else
        self.backbone = backbone
        self.projection = Projection((backbone.feature_dim, *projection_dims))
        channels = frontend.n_channels + 1
        self.measured = (
            ClipReader(channels, frontend.n_mels, True, False, projection_dims[-1], frontend.span_db)
            if statistics
            else None
        )

    @torch.no_grad()
    def start_from(self, backbone: Backbone, projection: Projection, measured: ClipReader | None) -> None:
        """Take over a trained reader of wholes, to which the mask is new; the masking network takes its first layers
        where the sizes agree."""
        for name, own in self.backbone.state_dict().items():
            given = backbone.state_dict()[name]
            if own.shape == given.shape:
                own.copy_(given)
            else:  # the first convolution: nothing is made of the mask yet
                own.zero_()[:, : given.shape[1]] = given
        self.projection.load_state_dict(projection.state_dict())
        if self.measured is not None and measured is not None and measured.statistics:
            channels = self.frontend.n_channels
            self.measured.start_from(measured, channels, channels + 1)
        own = self.masks.state_dict()
        fitting = {k: v for k, v in backbone.state_dict().items() if k in own and own[k].shape == v.shape}
        self.masks.load_state_dict(own | fitting)

    def survey(self, heard: Heard) -> Tensor:
        """A vector for every place of the spectrogram, ``[B, D, F, T]``."""
        return self.masks(heard.logmel.to(self.ask.weight.dtype))

    def mask_logits(self, places: Tensor, query: Tensor) -> Tensor:
        """Log-odds that a place's power is the instrument's.

        Args:
            places: ``[B, D, F, T]``, from :meth:`survey`.
            query: ``[B, K, Q]``, K queries for every mixture, or ``[K, Q]``, the same for all.

        Returns:
            ``[B, K, F, T]`` float32.
        """
        with torch.autocast(device_type=places.device.type, enabled=False):
            asked = self.ask(query.to(self.ask.weight.dtype)).float()
            vector, bias = asked[..., :-1], asked[..., -1]
            if query.ndim == 2:
                vector, bias = vector.expand(len(places), -1, -1), bias.expand(len(places), -1)
            scale = places.shape[1] ** -0.5 * 2.0
            return torch.einsum("bdft,bkd->bkft", places.float(), vector) * scale + bias[..., None, None]

    def masked(self, logmel: Tensor, logits: Tensor) -> Tensor:
        """What the mask passes, at a constant level, and the mask.

        Args:
            logmel: ``[B, C, mel, frame]``.
            logits: ``[B, F, T]``.

        Returns:
            ``[B, C + 1, mel, frame]`` float32: the spectrogram on the front end's scale, the mask from -1 to 1.
        """
        with torch.autocast(device_type=logmel.device.type, enabled=False):
            floor, ceiling = self.frontend.floor_db, self.frontend.ceiling_db
            span = ceiling - floor
            mask = torch.sigmoid(logits.float())[:, None]
            mask = mask.repeat_interleave(BAND_STRIDE, dim=2).repeat_interleave(FRAME_STRIDE, dim=3)
            mask = mask[:, :, : logmel.shape[2], : logmel.shape[3]]
            decibels = (logmel.float() + 1.0) * (0.5 * span) + floor + 10.0 * torch.log10(mask + DEEPEST)
            power = 10.0 ** (decibels[:, :2] / 10.0)  # left and right
            level = 10.0 * torch.log10(0.5 * power.sum(dim=(1, 2)).mean(dim=1) + _SOFTEST)
            decibels = (decibels + (LEVEL_DB - level)[:, None, None, None]).clamp(floor, ceiling)
            return torch.cat([(decibels - floor) * (2.0 / span) - 1.0, 2.0 * mask - 1.0], dim=1)

    def read(self, masked: Tensor) -> Tensor:
        """Embedding ``[B, E]`` of what :meth:`masked` has left."""
        features = self.backbone(masked.to(next(self.backbone.parameters()).dtype))
        return self.projection(features, None if self.measured is None else self.measured(masked))

    def forward(self, heard: Heard, query: Tensor) -> Tensor:
        logits = self.mask_logits(heard.survey, query[:, None])[:, 0]
        return self.read(self.masked(heard.logmel, logits))
