"""The encoder E(x, q): a recording, and perhaps a query, to an embedding of the effects."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.config import from_dict, to_dict
from fxlens.errors import ConfigError, ModelUnavailableError, UsageError
from fxlens.models import checkpoint
from fxlens.models.folding import FoldedNetwork, Precision, choose
from fxlens.models.fx_network import FxEncoderConfig, FxNetwork
from fxlens.models.heard import Heard
from fxlens.models.hub import publish

if TYPE_CHECKING:
    from fxlens.models.encoding import Source
    from fxlens.models.instrument_query import QueryEncoder

__all__ = ["FxEncoder", "FxEncoderConfig"]


class FxEncoder(FxNetwork):
    """Embeds what was done to a sound, for the mixture or for one instrument inside it.

    Recordings go to :meth:`encode`; tensors at :attr:`sample_rate`, as in training, to the methods of
    :class:`fxlens.models.fx_network.FxNetwork`.

    Args:
        config: the architecture; weights are fresh. Use :meth:`from_pretrained` for trained ones.

    Attributes:
        query_id: id of the query encoder that the extractor belongs to, once it is known.
        folder: where it was loaded from; what was made for these weights, as heads that describe, lies there.
        metadata: where the weights come from, saved with them: commit, seed, manifest hash, licence.
        precision: of the convolutions in use, ``"float32"``, ``"bfloat16"`` or ``"auto"``; training and gradients do
            not ask for it.
    """

    precision: Precision = "float32"
    _query_encoder: QueryEncoder | None

    def __init__(self, config: FxEncoderConfig) -> None:
        super().__init__(config)
        self.query_id: str | None = None
        self.folder: Path | None = None
        self.metadata: dict[str, Any] = {}
        self.__dict__["_query_encoder"] = None
        self._hashed: tuple[object, str] | None = None
        self.__dict__["_in_use"] = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_in_use": None}  # made anew where it is needed

    def hear(self, audio: Tensor) -> Heard:
        """As :meth:`FxNetwork.hear`; in inference mode with batch normalisation folded, and at :attr:`precision`."""
        return Heard(self._used(), self.frontend(audio))

    def instrument_embedding(self, heard: Heard, query: Tensor) -> Tensor:
        """As :meth:`FxNetwork.instrument_embedding`; in inference mode as :meth:`hear`."""
        network = self._used()
        if network is self or network.extractor is None or query.shape != (len(heard), self.config.query_dim):
            return super().instrument_embedding(heard, query)
        return F.normalize(network.extractor(heard, query).float(), dim=-1)

    def _used(self) -> FxNetwork | FoldedNetwork:
        """This network, or in inference mode a folded copy of it as it is now."""
        if self.training or not torch.is_inference_mode_enabled():
            return self
        precision = choose(self.precision, self.device)
        mark = (precision, tuple((tensor.data_ptr(), tensor._version) for tensor in self.state_dict().values()))
        kept = self.__dict__["_in_use"]
        if kept is None or kept[0] != mark:
            kept = self.__dict__["_in_use"] = (mark, FoldedNetwork(self, precision))
        return kept[1]

    @property
    def model_id(self) -> str:
        """Name and hash of the weights; two models with the same id give the same embeddings."""
        state = {name: tensor for name, tensor in self.state_dict().items() if "num_batches" not in name}
        mark = tuple((tensor.data_ptr(), tensor._version) for tensor in state.values())
        if self._hashed is None or self._hashed[0] != mark:
            self._hashed = (mark, checkpoint.weights_hash(state)[:12])
        return f"{self.config.name}-{self._hashed[1]}"

    @property
    def query_encoder(self) -> QueryEncoder:
        """Where queries come from; built at the first use, so embedding mixtures never loads it.

        Raises:
            ModelUnavailableError: it is not there, or is another one than this model was trained with.
        """
        if self._query_encoder is None:
            from fxlens.models.instrument_query import load_query_encoder

            self.attach_query_encoder(load_query_encoder(self.config.query_encoder))
        assert self._query_encoder is not None
        return self._query_encoder.to(self.device)

    def attach_query_encoder(self, encoder: QueryEncoder) -> None:
        """Use this query encoder; a model that has none yet is from now on bound to it.

        Raises:
            ModelUnavailableError: the model was trained with another one, or its vectors have another length.
        """
        if self.query_id is not None and encoder.query_id != self.query_id:
            raise ModelUnavailableError(
                f"{self.config.name} was trained with the query encoder {self.query_id}, "
                f"this is {encoder.query_id}; their vectors do not mean the same"
            )
        if encoder.dim != self.config.query_dim:
            raise ModelUnavailableError(
                f"{self.config.name} expects queries of length {self.config.query_dim}, "
                f"{encoder.query_id} gives {encoder.dim}"
            )
        self.query_id = encoder.query_id
        self.__dict__["_query_encoder"] = encoder  # past nn.Module: it is no part of the state dict

    @classmethod
    def from_pretrained(
        cls,
        place: str | Path | None = None,
        *,
        device: str | torch.device = "cpu",
        revision: str | None = None,
        precision: Precision = "float32",
    ) -> FxEncoder:
        """Load a trained model, ready for use.

        Args:
            place: a folder; the name of a shipped model; ``"org/name"`` on the Hugging Face Hub; ``None`` for
                the shipped default.
            device: where it shall run.
            revision: branch, tag or commit on the Hub.
            precision: of the convolutions in :meth:`encode`. ``"bfloat16"`` is quick where the processor has it, at a
                cosine of about 0.9999 to float32; ``"auto"`` takes it there and float32 elsewhere, so its numbers
                depend on the machine.

        Raises:
            ModelUnavailableError: there is no model there, or its parts do not fit each other.
            UsageError: no such precision.
        """
        choose(precision, torch.device(device))
        stored = checkpoint.read(place, revision)
        try:
            config = from_dict(FxEncoderConfig, stored.model)
        except ConfigError as error:
            raise ModelUnavailableError(
                f"{stored.folder}: {checkpoint.CONFIG} is not one of this version: {error}"
            ) from error
        encoder = cls(config)
        checkpoint.fit(encoder, stored)
        encoder.query_id, encoder.folder = stored.query_id, stored.folder
        encoder.metadata = stored.metadata
        encoder.precision = precision
        return encoder.to(device).eval()

    def save_pretrained(self, folder: str | Path, *, dtype: Literal["float32", "float16"] = "float32") -> None:
        """Write ``config.json``, ``model.safetensors`` and, where there is none, ``README.md``.

        Args:
            folder: made where missing; its other files stay.
            dtype: of the file; ``"float16"`` is half as large, and loads as float32.

        Raises:
            OutputError: the folder cannot be written.
        """
        stored = checkpoint.Checkpoint(to_dict(self.config), dict(self.state_dict()), self.query_id, self.metadata)
        checkpoint.write(folder, stored, dtype)

    def export_onnx(
        self,
        path: str | Path,
        *,
        instrument: bool = False,
        query: str | None = None,
        query_audio: Source | None = None,
    ) -> Path:
        """Write the network for ONNX runtimes: audio ``[batch, 2, samples]`` at :attr:`sample_rate` to embeddings.

        Windows of ``window_seconds``, brought to ``input_lufs``, give the numbers of :meth:`encode`; both stand in the
        file's metadata.

        Args:
            path: the file.
            instrument: embed the instrument that a second input, ``query`` ``[batch, Q]``, names.
            query: embed this instrument always, without a second input.
            query_audio: a recording of the instrument alone, instead of ``query``.

        Raises:
            MissingExtraError: the extra ``onnx`` is not installed.
            UsageError: both kinds of query, a fixed and an open query, or a model without extractor.
            OutputError: the file cannot be written, or onnxruntime finds something else than torch.
        """
        from fxlens.models import encoding, onnx_export

        if instrument and (query is not None or query_audio is not None):
            raise UsageError("either the query is an input of the graph (instrument), or it is fixed (query); not both")
        fixed, _ = encoding.query_vectors(self, query, query_audio)
        asked = query or ("" if query_audio is None else "audio")
        vector = None if fixed is None else fixed.float().cpu()
        return onnx_export.export_onnx(self, path, instrument=instrument, query=vector, asked=asked)

    def push_to_hub(self, name: str, *, private: bool = False, message: str = "Upload model") -> str:
        """Upload to the Hugging Face Hub as ``"org/name"``; return the address.

        Raises:
            OutputError: not logged in, no network, no right to write there.
        """
        with tempfile.TemporaryDirectory(prefix="fxlens-model-") as folder:
            self.save_pretrained(folder)
            return publish(folder, name, private, message)

    def encode(
        self,
        x: Source | Sequence[Source],
        sample_rate: int | None = None,
        query: str | Sequence[str] | None = None,
        query_audio: Source | None = None,
        batch_size: int = 8,
        pool: Literal["mean", "none"] = "mean",
        return_times: bool = False,
        hop_seconds: float | None = None,
    ) -> Any:
        """Embed recordings of any length and sample rate, always with the same result.

        Args:
            x: a path; samples ``(T,)``, ``(2, T)`` or ``(B, 2, T)``; or a list of paths or samples. Mono is
                duplicated, with a warning.
            sample_rate: Hz, of samples; files know theirs.
            query: names an instrument. A list of K texts gives K embeddings of each recording at hardly more
                cost.
            query_audio: the instrument alone, as a path or samples (at ``sample_rate``).
            batch_size: windows that pass through the network together.
            pool: ``"mean"`` one embedding for each recording; ``"none"`` one for each window.
            return_times: also return start and end of each window, ``(W, 2)`` seconds. Silent windows are
                left out.
            hop_seconds: from window to window; without overlap where ``None``.

        Returns:
            float32 arrays of unit length: ``(D,)``, with K queries ``(K, D)``, with ``pool="none"`` ``(W,
            ...)`` before these. For several recordings ``(N, ...)``, or with ``pool="none"`` a list of N
            arrays. With ``return_times`` a pair, the second part being the times, or a list of N of them.

        Raises:
            UsageError: arguments that do not go together.
            AudioError: a recording that cannot be used: missing, broken, empty, silent, NaN, too many
                channels.
            ModelUnavailableError: there is a query, but its encoder is not available.
        """
        from fxlens.models import encoding

        return encoding.encode(self, x, sample_rate, query, query_audio, batch_size, pool, return_times, hop_seconds)

    def features(
        self,
        x: Source | Sequence[Source],
        sample_rate: int | None = None,
        batch_size: int = 8,
        pool: Literal["mean", "none"] = "mean",
        return_times: bool = False,
        hop_seconds: float | None = None,
    ) -> Any:
        """The backbone's vector before the projection, for models built on top; arguments as in
        :meth:`encode`.

        Returns:
            As :meth:`encode`, with vectors of the backbone's ``feature_dim`` that are not L2-normalised.
        """
        from fxlens.models import encoding

        return encoding.features(self, x, sample_rate, batch_size, pool, return_times, hop_seconds)
