"""Hybrid Demucs (Défossez, *Hybrid spectrogram and waveform source separation*, MDX workshop 2021): drums, bass, other
and vocals, by the networks of the PyPI package ``demucs`` (MIT).

Weights: a folder with one model of it, as ``.safetensors`` from the Hub (``adefossez/Demucs-hdemucs_mmi``, the Hybrid
Demucs of the paper's comparison is this kind) or as ``.th``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fxlens.errors import MissingExtraError, ModelUnavailableError
from fxlens.evaluation.separators.outputs import output_for
from fxlens.evaluation.systems.clips import check_clips, clips_at
from fxlens.evaluation.systems.system import InstrumentQuery, Separator
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_plain, read_tensors

_ADVICE = (
    "give a folder with one Demucs model, .safetensors or .th: "
    "hf download adefossez/Demucs-hdemucs_mmi --local-dir FOLDER"
)
_SILENT = 1e-8


class HybridDemucs(Separator):
    """One network of Demucs, without the random shifts that it can average over.

    Args:
        network: ``HDemucs`` or ``HTDemucs``.
        device: where it runs.
    """

    name = "Hybrid Demucs"
    licence = "MIT"

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        self._network: Any = network.to(device).eval().requires_grad_(False)
        self._device = device
        self.identity = identity_of("hdemucs", network)

    def separate(self, mixtures: np.ndarray, sample_rate: int, query: InstrumentQuery) -> np.ndarray:
        """See :meth:`Separator.separate`.

        Raises:
            UsageError: the query is none of the four sources.
        """
        output = output_for(query, list(self._network.sources), self.name)
        mixtures = check_clips(mixtures, sample_rate)
        rate = int(self._network.samplerate)
        made = [self._separated(clip, output) for clip in clips_at(mixtures, sample_rate, rate)]
        back = clips_at(np.stack(made), rate, sample_rate)
        missing = mixtures.shape[-1] - back.shape[-1]
        return np.pad(back, ((0, 0), (0, 0), (0, max(0, missing))))[..., : mixtures.shape[-1]]

    @torch.no_grad()
    def _separated(self, clip: np.ndarray, output: int) -> np.ndarray:
        from demucs.apply import apply_model

        mixture = torch.from_numpy(clip).to(self._device)
        mono = mixture.mean(dim=0)
        mean, spread = mono.mean(), mono.std() + _SILENT  # the level the network was trained at
        found = apply_model(self._network, ((mixture - mean) / spread)[None], shifts=0, device=self._device)
        return (found[0, output] * spread + mean).cpu().numpy()


def open_hybrid_demucs(place: str, device: str) -> HybridDemucs:
    """The model in a folder, or a model file.

    Raises:
        MissingExtraError: demucs is not installed.
        ModelUnavailableError: no model, several, or another kind of file.
    """
    path = Path(place)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".th"))
        if len(files) != 1:
            raise ModelUnavailableError(f"{path}: has {len(files)} models; {_ADVICE}")
        path = files[0]
    if not path.is_file():
        raise ModelUnavailableError(f"{path}: no such file or folder; {_ADVICE}")
    if find_spec("demucs") is None:
        raise MissingExtraError("Hybrid Demucs", "demucs")
    return HybridDemucs(_network_from(path), device)


def _network_from(path: Path) -> nn.Module:
    """Build the class that the file names, of two, with its arguments, and put the weights into it."""
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    classes = {f"{known.__module__}.{known.__name__}": known for known in (HDemucs, HTDemucs)}
    if path.suffix == ".safetensors":
        about = _metadata(path)
        known = classes.get(about.get("klass", ""))
        arguments, settings = (_decoded(json.loads(about.get(key, "null"))) for key in ("args", "kwargs"))
        state: Any = read_tensors(path, str(path), _ADVICE)
    else:
        loaded = read_plain(path, str(path), [HDemucs, HTDemucs, Fraction])
        package = loaded if isinstance(loaded, Mapping) else {}
        known = package.get("klass")
        arguments, settings, state = package.get("args"), package.get("kwargs"), package.get("state")
    if (
        known is None
        or known not in classes.values()
        or not isinstance(settings, Mapping)
        or not isinstance(state, Mapping)
    ):
        raise ModelUnavailableError(f"{path}: is not an HDemucs or HTDemucs model; {_ADVICE}")
    if state.get("__quantized") or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelUnavailableError(f"{path}: has packed weights, which are not read here; {_ADVICE}")
    try:
        network: nn.Module = known(*(arguments or ()), **settings)
    except TypeError as error:
        raise ModelUnavailableError(f"{path}: does not fit the installed demucs ({error}); {_ADVICE}") from error
    fit(network, {name: value.float() for name, value in state.items()}, str(path))
    return network


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelUnavailableError(f"{path}: broken or incomplete ({error}); {_ADVICE}") from error


def _decoded(value: Any) -> Any:
    """Fractions are written as dictionaries."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value
