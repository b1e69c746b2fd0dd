"""fxlens: embeddings of the audio effects in a mixture, whole or one instrument at a time."""

from __future__ import annotations

__version__ = "0.1.0"
