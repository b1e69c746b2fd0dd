"""fxlens: embeddings of the audio effects in a mixture, whole or one instrument at a time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fxlens.describing import describe
    from fxlens.effects.chain import EffectChain
    from fxlens.fxnorm.normalize import fx_normalize
    from fxlens.index.fx_index import FxIndex
    from fxlens.matching.match import match
    from fxlens.models.fx_encoder import FxEncoder

__version__ = "0.1.0"
__all__ = ["EffectChain", "FxEncoder", "FxIndex", "__version__", "describe", "fx_normalize", "match"]

_HOMES = {
    "EffectChain": "fxlens.effects.chain",
    "FxEncoder": "fxlens.models.fx_encoder",
    "FxIndex": "fxlens.index.fx_index",
    "describe": "fxlens.describing",
    "fx_normalize": "fxlens.fxnorm.normalize",
    "match": "fxlens.matching.match",
}


def __getattr__(name: str) -> Any:
    """Fetch a public name at its first use: ``import fxlens`` alone does not load torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
