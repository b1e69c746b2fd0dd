"""Three seconds of music for every tree of files."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import RATE

from fxlens.data.synthesis.synthetic import synthesize_song


@pytest.fixture(scope="session")
def music() -> dict[str, np.ndarray]:
    stems = synthesize_song(0, 3.0, RATE, ("drums", "bass", "keys", "vocals"))
    stereo = {name: np.repeat(a, 2, axis=0) if a.shape[0] == 1 else a for name, a in stems.items()}
    return {name: (0.4 * a / np.abs(a).max()).astype(np.float32) for name, a in stereo.items()}
