"""Universal source separation (Kong et al., *Universal source separation with weakly labelled data*, 2023): a U-Net
that takes out whatever sounds like the query. The query is a probability for each of the 527 AudioSet classes.

By sound: what PANN Cnn14 hears in the query's audio. By name: what it hears in the mixture itself, of the instrument's
classes only. Both as in the published code. The separating network is that of the PyPI package ``uss`` (Apache-2.0);
the tagger is :mod:`fxlens.evaluation.systems.panns`.

Weights: a folder with the ``.ckpt`` of ``RSNuts/Universal_Source_Separation`` on the Hugging Face Hub, the one with
``querynet=at_soft``. The tagger's weights are part of it; where they are not, ``Cnn14_mAP=0.431.pth`` must lie beside
it. Names are those of the package; the file itself could not be read here.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import MissingExtraError, ModelUnavailableError
from fxlens.evaluation.separators.audioset_classes import audioset_classes
from fxlens.evaluation.systems.clips import check_clips, clips_at
from fxlens.evaluation.systems.panns import CLASSES, LEFT_OUT, PannCnn14
from fxlens.evaluation.systems.system import InstrumentQuery, Separator
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors

SAMPLE_RATE = 32000
SEGMENT_SAMPLES = 2 * SAMPLE_RATE
_SEPARATOR, _TAGGER = "ss_model.", "query_net.base."
_TAGGER_FILE = "Cnn14_mAP=0.431.pth"
_ADVICE = (
    "give a folder with the checkpoint 'ss_model=resunet30,querynet=at_soft,...ckpt': "
    "hf download RSNuts/Universal_Source_Separation --include 'uss_material/*at_soft*' --local-dir FOLDER"
)
_SILENT = 1e-6  # mean square below which a piece of a query says nothing


class UniversalSeparator(Separator):
    """Left and right apart, in segments of two seconds, as it was trained.

    Args:
        network: ``ResUNet30`` of one channel and 527 conditions.
        tagger: with trained weights.
        device: where they run.
    """

    name = "USS"
    licence = "Apache-2.0"

    def __init__(self, network: nn.Module, tagger: PannCnn14, device: str = "cpu") -> None:
        self._network: Any = network.to(device).eval().requires_grad_(False)
        self._tagger = tagger.to(device).eval().requires_grad_(False)
        self._device = device
        self.identity = f"{identity_of('uss', network)}-{identity_of('panns', tagger)}"

    @torch.no_grad()
    def separate(self, mixtures: np.ndarray, sample_rate: int, query: InstrumentQuery) -> np.ndarray:
        """See :meth:`Separator.separate`.

        Raises:
            UsageError: asked by a name for which AudioSet has no class.
        """
        mixtures = check_clips(mixtures, sample_rate)
        classes = audioset_classes(query) if query.audio is None else ()
        asked = None if query.audio is None else self._heard_in(query.audio, sample_rate)
        made = []
        for clip in clips_at(mixtures, sample_rate, SAMPLE_RATE):
            segments = self._segments(torch.from_numpy(clip).to(self._device))  # [segment, 2, T]
            condition = self._of_classes(segments, classes) if asked is None else asked.expand(len(segments), -1)
            found = [self._taken_out(segment, row) for segment, row in zip(segments, condition, strict=True)]
            made.append(torch.cat(found, dim=-1)[:, : clip.shape[-1]].cpu().numpy())
        back = clips_at(np.stack(made), SAMPLE_RATE, sample_rate)
        missing = mixtures.shape[-1] - back.shape[-1]
        return np.pad(back, ((0, 0), (0, 0), (0, max(0, missing))))[..., : mixtures.shape[-1]]

    def _taken_out(self, segment: Tensor, condition: Tensor) -> Tensor:
        """``[2, T]`` and ``[527]`` -> ``[2, T]``."""
        conditions = condition.expand(2, -1)
        return self._network({"mixture": segment[:, None], "condition": conditions})["waveform"][:, 0]

    def _of_classes(self, segments: Tensor, classes: tuple[int, ...]) -> Tensor:
        heard = self._tagger.probabilities(segments.mean(dim=1))
        mask = torch.zeros(CLASSES, device=heard.device)
        mask[list(classes)] = 1.0
        return heard * mask

    def _heard_in(self, audio: np.ndarray, sample_rate: int) -> Tensor:
        """Mean probabilities over the pieces of a query in which something sounds, ``[1, 527]``."""
        sound = clips_at(check_clips(audio[None], sample_rate), sample_rate, SAMPLE_RATE)[0]
        pieces = self._segments(torch.from_numpy(sound).to(self._device)).mean(dim=1)
        loud = pieces[pieces.square().mean(dim=-1) > _SILENT]
        heard = self._tagger.probabilities(loud if len(loud) else pieces)
        return heard.mean(dim=0, keepdim=True)

    @staticmethod
    def _segments(clip: Tensor) -> Tensor:
        """``[2, T]`` -> ``[segment, 2, SEGMENT_SAMPLES]``, the last one filled up with silence."""
        clip = F.pad(clip, (0, -clip.shape[-1] % SEGMENT_SAMPLES))
        return clip.unflatten(-1, (-1, SEGMENT_SAMPLES)).transpose(0, 1)


def open_universal(place: str, device: str) -> UniversalSeparator:
    """The separator from a folder.

    Raises:
        MissingExtraError: uss or what it needs is not installed.
        ModelUnavailableError: the folder lacks a file, or a file is another one.
    """
    folder = Path(place)
    checkpoints = sorted(folder.rglob("*.ckpt")) if folder.is_dir() else [folder]
    if len(checkpoints) != 1 or not checkpoints[0].is_file():
        raise ModelUnavailableError(f"{folder}: {len(checkpoints)} checkpoints (.ckpt) where one is needed; {_ADVICE}")
    if any(find_spec(name) is None for name in ("uss", "torchlibrosa", "librosa", "einops")):
        raise MissingExtraError("Universal source separation", "uss")
    from uss.models.resunet import ResUNet30

    label = str(checkpoints[0])
    tensors = read_tensors(checkpoints[0], label, _ADVICE)
    network, tagger = ResUNet30(input_channels=1, output_channels=1, condition_size=CLASSES), PannCnn14()
    fit(network, _below(_SEPARATOR, tensors), label)
    within = _below(_TAGGER, tensors)
    beside = checkpoints[0].parent / _TAGGER_FILE
    if within or not beside.is_file():
        fit(tagger, within, f"{label} ({_TAGGER}*; or put {_TAGGER_FILE} beside it)", LEFT_OUT)
    else:
        fit(tagger, read_tensors(beside, str(beside), _ADVICE), str(beside), LEFT_OUT)
    return UniversalSeparator(network, tagger, device)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
