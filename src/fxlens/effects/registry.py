"""Every processor by its name in presets, and what must be known of them to count what can be heard."""

from __future__ import annotations

from fxlens.effects.delay import Delay
from fxlens.effects.distortion import Distortion
from fxlens.effects.dynamics import Compressor, Limiter
from fxlens.effects.equalizer import BANDS, Equalizer
from fxlens.effects.gain import Gain
from fxlens.effects.multiband import BANDS as COMPRESSOR_BANDS
from fxlens.effects.multiband import MultibandCompressor
from fxlens.effects.processor import Processor
from fxlens.effects.reverb import Reverb
from fxlens.effects.stereo import StereoImager
from fxlens.errors import PresetError

PROCESSORS: dict[str, Processor] = {
    processor.type: processor
    for processor in (
        Equalizer(),
        Distortion(),
        MultibandCompressor(),
        Compressor(),
        Limiter(),
        Gain(),
        StereoImager(),
        Delay(),
        Reverb(),
    )
}
"""All processors, in the order in which messages list them."""

SWITCHES: dict[str, tuple[tuple[str, ...], ...]] = {
    "equalizer": (tuple(f"{name}_gain_db" for name, *_ in BANDS),),
    "distortion": (("drive_db",),),
    "multiband_compressor": (
        ("mix",),
        tuple(f"{band}_{name}" for band in COMPRESSOR_BANDS for name in ("ratio", "expander_ratio")),
    ),
    "compressor": (("ratio", "makeup_db"), ("threshold_db", "makeup_db")),
    "limiter": (("threshold_db",),),
    "gain": (("gain_db",),),
    "stereo_imager": (("width",),),
    "delay": (("wet",),),
    "reverb": (("wet",),),
}
"""Groups of parameters that switch an effect off: it does nothing once all of any one group are neutral."""

LINEAR = frozenset({"equalizer", "gain", "stereo_imager", "delay", "reverb"})
"""Processors that commute with one another (the imager and a stereo room: nearly)."""


def processor_named(name: str) -> Processor:
    """Look a processor up.

    Raises:
        PresetError: there is none of that name; the message lists those there are.
    """
    try:
        return PROCESSORS[name]
    except (KeyError, TypeError):
        raise PresetError(f"there is no effect {name!r}; there are: {', '.join(PROCESSORS)}") from None
