"""What several trained models hear together, as a target for one: it finds more than any of them, at all their cost.

Embeddings of the teachers, side by side, are one joint embedding; its cosine is the mean of theirs. A fixed linear map
brings it to the student's length with little loss, and turns it to where the student's own embeddings lie, so that
whatever was taught to read these (an extractor, heads) has little to learn anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import ConfigError
from fxlens.models.folding import FoldedNetwork, choose
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.heard import Heard


class JointHearing(nn.Module):
    """Frozen teachers and the map of what they hear together.

    Args:
        teachers: trained models with one front end; rows of the wave they may have or not.
        dim: length ``E`` of the student's embeddings.

    Raises:
        ConfigError: together they have fewer numbers than the student.
    """

    turned: Tensor

    def __init__(self, teachers: Sequence[FxEncoder], dim: int) -> None:
        super().__init__()
        joint = sum(teacher.embedding_dim for teacher in teachers)
        if joint < dim:
            raise ConfigError(f"the teachers' embeddings have {joint} numbers together, the student's {dim}")
        # In a list: they are files already, and belong into no checkpoint of the student.
        self._teachers = [FoldedNetwork(teacher, choose("auto", teacher.device)) for teacher in teachers]
        self.register_buffer("turned", torch.eye(joint, dim))

    @torch.no_grad()
    def joint(self, spectrogram: Tensor) -> Tensor:
        """Unit vectors ``[B, D]`` of spectrograms ``[B, C, mel + rows, frame]``, of all teachers side by side."""
        self._teachers = [teacher.to(spectrogram.device) for teacher in self._teachers]
        heard = [Heard(teacher, spectrogram).mixture.float() for teacher in self._teachers]
        return torch.cat(heard, dim=1) / len(heard) ** 0.5

    @torch.no_grad()
    def fit(self, spectrograms: Iterable[Tensor], student: FxEncoder) -> float:
        """Choose the map by clips: the directions that hold most of the joint embeddings, turned to the student.

        Args:
            spectrograms: batches of at least as many clips as the student's embedding has numbers.
            student: as training begins with it; heard in evaluation mode.

        Returns:
            The share 0-1 of the joint embeddings' energy that the map keeps.
        """
        network = FoldedNetwork(student)
        pairs = [(self.joint(x), Heard(network, x).mixture.float()) for x in spectrograms]
        joint, own = (torch.cat(part).double() for part in zip(*pairs, strict=True))
        # Cosines are of vectors from the origin: nothing is centred.
        _, strength, directions = torch.linalg.svd(joint, full_matrices=False)
        kept = directions[: own.shape[1]].T
        # The turn that brings one cloud of points nearest to another (Schönemann, Psychometrika 31, 1966).
        left, _, right = torch.linalg.svd((joint @ kept).T @ own)
        self.turned = (kept @ (left @ right)).float()
        energy = strength.square()
        return float(energy[: own.shape[1]].sum() / energy.sum())

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Targets ``[B, E]`` of unit length, without a gradient."""
        with torch.autocast(device_type=spectrogram.device.type, enabled=False):
            return F.normalize(self.joint(spectrogram) @ self.turned, dim=1)


def load_teachers(folders: Sequence[Path], student: FxEncoder) -> list[FxEncoder]:
    """Load models that can teach ``student`` from what it is shown.

    Raises:
        ConfigError: one has another front end.
    """
    teachers = []
    for folder in folders:
        teacher = FxEncoder.from_pretrained(folder)
        shown = dataclasses.replace(student.config.frontend, wave=teacher.config.frontend.wave)
        if teacher.config.frontend != shown or (teacher.config.frontend.wave and not student.config.frontend.wave):
            raise ConfigError(f"{folder}: its front end is another than `model.frontend`; it cannot hear what is shown")
        teachers.append(teacher)
    return teachers
