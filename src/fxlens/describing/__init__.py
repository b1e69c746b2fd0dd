"""Which effects are on a recording, in words: heads on the frozen encoder, calibrated, with intervals.

See ``docs/describe.md`` for what the probabilities mean and how far they can be trusted.
"""

from fxlens.describing.description import Description, Finding, Setting
from fxlens.describing.reading import describe

__all__ = ["Description", "Finding", "Setting", "describe"]
