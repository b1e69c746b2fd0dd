"""A model as an ONNX file: waveform in, embedding out, for any runtime that reads ONNX.

The spectrogram is part of the graph; batch and length are free. A file holds one of two graphs: that of whole
mixtures, or that of one instrument, asked for by an input or by a query fixed at export. What :meth:`FxEncoder.encode`
does around the network, cutting into windows and bringing each to one loudness, is left to the caller; the file's
metadata say how long and how loud.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens import __version__
from fxlens.errors import MissingExtraError, OutputError, UsageError
from fxlens.models.folding import FoldedNetwork
from fxlens.models.frontend_products import LogMelProducts
from fxlens.models.heard import Heard
from fxlens.whole_files import write_bytes

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

OPSET = 18
PARITY = 1e-4
"""Largest difference from torch, in any number of an embedding, that a written file may have."""
_FEWEST_FRAMES = 32
_LONGEST_SAMPLES = 2**31 - 1


class _Graph(nn.Module):
    """What is exported: the folded network behind the spectrogram."""

    fixed: Tensor | None

    def __init__(self, encoder: FxEncoder, instrument: bool, fixed: Tensor | None) -> None:
        super().__init__()
        self.network, self.frontend = FoldedNetwork(encoder), LogMelProducts(encoder.config.frontend)
        self.instrument = instrument
        self.register_buffer("fixed", fixed, persistent=False)

    def forward(self, audio: Tensor, query: Tensor | None = None) -> Tensor:
        heard = Heard(self.network, self.frontend(audio))
        if not self.instrument:
            return heard.mixture
        if query is None:
            assert self.fixed is not None
            query = self.fixed.expand(audio.shape[0], -1)
        assert self.network.extractor is not None
        return F.normalize(self.network.extractor(heard, query), dim=-1)


def shortest_samples(encoder: FxEncoder) -> int:
    """The shortest audio that an exported graph takes; :class:`FxEncoder` would lengthen shorter audio with zeros."""
    front = encoder.config.frontend
    return max(front.n_fft, _FEWEST_FRAMES * front.hop_length)


def export_onnx(
    encoder: FxEncoder, path: str | Path, *, instrument: bool = False, query: Tensor | None = None, asked: str = ""
) -> Path:
    """Write one graph of a model, and try it in onnxruntime.

    Inputs are ``audio`` float32 ``[batch, 2, samples]`` at the model's rate, and with ``instrument`` and no fixed query
    ``query`` ``[batch, Q]``. The output is ``embedding`` ``[batch, E]``, unit length.

    Args:
        encoder: the model.
        path: the file; its folder is made where missing.
        instrument: the graph of one instrument, not of the whole mixture.
        query: ``[1, Q]``: ask for this instrument only, and let the graph have no input for it.
        asked: what ``query`` means, for the metadata.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        UsageError: an instrument is asked of a model without extractor.
        OutputError: the file cannot be written, or onnxruntime finds something else than torch.
    """
    onnx, runtime = _packages()
    if (instrument or query is not None) and encoder.extractor is None:
        raise UsageError(f"{encoder.config.name} has no extractor: export it without an instrument")
    graph = _Graph(encoder, instrument or query is not None, query).cpu().eval()
    open_query = graph.instrument and query is None
    # Of odd sizes, and so long that no axis shrinks to 1: that could be taken for a constant.
    example = [_noise(3, 5 * shortest_samples(encoder) + 12345)]
    if open_query:
        example.append(F.normalize(_noise(3, encoder.config.query_dim).sum(dim=1), dim=-1))
    model = _exported(graph, tuple(example), shortest_samples(encoder))
    onnx.helper.set_model_props(model, _metadata(encoder, asked, graph.instrument))
    model.producer_name, model.producer_version = "fxlens", __version__
    data = model.SerializeToString()
    _check(runtime, data, graph, encoder, open_query)
    write_bytes(path, data)
    return Path(path)


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  what torch exports with
    except ImportError as error:
        raise MissingExtraError("Exporting to ONNX", "onnx") from error
    return onnx, onnxruntime


def _exported(graph: _Graph, example: tuple[Tensor, ...], shortest: int) -> Any:
    batch = torch.export.Dim("batch", min=1, max=65536)
    samples = torch.export.Dim("samples", min=shortest, max=_LONGEST_SAMPLES)
    shapes: tuple[dict[int, Any], ...] = ({0: batch, 2: samples}, {0: batch})
    with _silent(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            input_names=["audio", "query"][: len(example)],
            output_names=["embedding"],
            dynamic_shapes=shapes[: len(example)],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _silent() -> Iterator[None]:
    """Without the exporter's talk of packages that are not needed and names that it shares."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _metadata(encoder: FxEncoder, asked: str, instrument: bool) -> dict[str, str]:
    config = encoder.config
    facts = {
        "model_id": encoder.model_id,
        "fxlens": __version__,
        "licence": str(encoder.metadata.get("license", "")),
        "source": str(encoder.metadata.get("source", "")),
        "sample_rate": str(encoder.sample_rate),
        "window_seconds": f"{config.window_seconds:g}",
        "shortest_samples": str(shortest_samples(encoder)),
        "input_lufs": "" if config.input_lufs is None else f"{config.input_lufs:g}",
        "embedding_dim": str(encoder.embedding_dim),
        "embeds": "instrument" if instrument else "mixture",
    }
    if instrument:
        facts |= {"query": asked, "query_id": encoder.query_id or "", "query_dim": str(config.query_dim)}
    return {name: value for name, value in facts.items() if value}


def _noise(batch: int, samples: int) -> Tensor:
    return 0.1 * torch.randn(batch, 2, samples, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _check(runtime: Any, data: bytes, graph: _Graph, encoder: FxEncoder, open_query: bool) -> None:
    """Other sizes than those it was made with."""
    audio = _noise(2, shortest_samples(encoder) + 4567)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feed, expected = {"audio": audio.numpy()}, None
    if open_query:
        query = F.normalize(_noise(2, encoder.config.query_dim).sum(dim=1), dim=-1)
        feed["query"] = query.numpy()
        expected = graph(audio, query)
    else:
        expected = graph(audio)
    try:
        found = torch.from_numpy(session.run(None, feed)[0])
    except Exception as error:  # of its own kinds; a size that was taken for a constant is one
        reason = str(error).strip().splitlines()[0]
        raise OutputError(
            f"{encoder.config.name}: onnxruntime refuses the graph ({reason}); nothing was written"
        ) from error
    difference = float((found - expected).abs().max())
    if not difference <= PARITY:
        raise OutputError(
            f"{encoder.config.name}: onnxruntime {runtime.__version__} differs from torch by {difference:.1e}, "
            f"more than {PARITY:g}; nothing was written; try another version of onnxruntime"
        )
