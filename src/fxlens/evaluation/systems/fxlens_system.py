"""fxlens models as systems: the shipped one, others from a folder, the same without training, and the public one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fxlens.audio.loudness_gradient import at_loudness
from fxlens.errors import UsageError
from fxlens.evaluation.systems.clips import check_clips
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.system import InstrumentQuery, InstrumentSystem
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.official import import_official


class FxlensSystem(NetworkSystem, InstrumentSystem):
    """E(x) and E(x, q) of one model. Windows are levelled as :meth:`fxlens.FxEncoder.encode` does it.

    Args:
        encoder: the model.
        name: for tables; the model's own where ``None``.
        device: where it runs.
    """

    def __init__(self, encoder: FxEncoder, name: str | None = None, device: str | torch.device = "cpu") -> None:
        self.encoder = encoder
        super().__init__(
            name=name or encoder.config.name,
            identity=encoder.model_id,
            licence=str(encoder.metadata.get("licence") or encoder.metadata.get("license") or "unknown"),
            network=encoder,
            hear=self._mixture,
            sample_rate=encoder.sample_rate,
            window_seconds=encoder.config.window_seconds,
            device=device,
        )

    def embed_instrument(
        self, mixtures: np.ndarray, sample_rate: int, queries: Sequence[InstrumentQuery]
    ) -> np.ndarray:
        """See :meth:`InstrumentSystem.embed_instrument`. The mixtures pass through the trunk once for all queries.

        Raises:
            UsageError: the model has no extractor, or its query encoder does not know the name.
            ModelUnavailableError: the query encoder is not there.
        """
        mixtures = check_clips(mixtures, sample_rate)
        if self.encoder.extractor is None:
            raise UsageError(f"{self.name} has no extractor: it embeds mixtures only")
        if not queries:
            raise UsageError("the list of queries is empty")
        with torch.no_grad():
            vectors = torch.cat([self._query(query, sample_rate) for query in queries])

            def hear(audio: Tensor) -> Tensor:
                heard = self.encoder.hear(self._levelled(audio))
                found = [self.encoder.instrument_embedding(heard, q.expand(len(audio), -1)) for q in vectors]
                return torch.stack(found, dim=1)

            rows = [
                self.over_windows(torch.from_numpy(mixtures[i : i + self.batch_size]), sample_rate, hear).cpu().numpy()
                for i in range(0, len(mixtures), self.batch_size)
            ]
        return np.concatenate(rows)

    def _query(self, query: InstrumentQuery, sample_rate: int) -> Tensor:
        known = self.encoder.query_encoder
        if query.audio is None:
            vector = known.embed_text([query.instrument])
        else:
            vector = known.embed_audio(torch.from_numpy(query.audio[None]).float(), sample_rate)
        return vector.to(self.device)

    def _mixture(self, audio: Tensor) -> Tensor:
        return self.encoder.hear(self._levelled(audio)).mixture

    def _levelled(self, audio: Tensor) -> Tensor:
        target = self.encoder.config.input_lufs
        return audio if target is None else at_loudness(audio, self.encoder.sample_rate, target, -90.0)


def open_fxlens(place: str | None, device: str) -> FxlensSystem:
    """The model at ``place``, see :meth:`fxlens.FxEncoder.from_pretrained`; the shipped one where ``None``."""
    return FxlensSystem(FxEncoder.from_pretrained(place, device=device), device=device)


def open_untrained(place: str | None, device: str) -> FxlensSystem:
    """The network of the model at ``place`` with fresh weights, the same ones at every call."""
    trained = FxEncoder.from_pretrained(place)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = FxEncoder(trained.config)
    encoder.metadata = {"licence": "no trained weights"}
    system = FxlensSystem(encoder, name=f"untrained {trained.config.name}", device=device)
    system.identity = f"untrained-{system.identity}"
    return system


def open_official(place: str, device: str) -> FxlensSystem:
    """The public Fx-Encoder++ from its checkpoint (CC BY-NC 4.0); queries need the extra ``clap`` and CLAP.

    Raises:
        ModelUnavailableError: no such file, or not that checkpoint.
    """
    with tempfile.TemporaryDirectory(prefix="fxlens-official-") as folder:
        encoder = import_official(place, folder)
    return FxlensSystem(encoder, device=device)
