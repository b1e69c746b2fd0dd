"""Memory that is freed is kept for the next clip.

glibc gives every large array back to the system and fetches it again, page by page, for the next one. Where pages are
dear, as on virtual machines, that takes as long as the work itself.
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_SETTINGS = (
    ("MALLOC_MMAP_THRESHOLD_", _MMAP_THRESHOLD, 1 << 30),
    ("MALLOC_TRIM_THRESHOLD_", _TRIM_THRESHOLD, 1 << 29),
)


def keep_freed_memory() -> None:
    """Let this process and those it starts keep up to 512 MB that they have freed.

    Does nothing where the C library is another one, or where the environment says what to do.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, parameter, size_bytes in _SETTINGS:
        if mallopt is not None and name not in os.environ and mallopt(parameter, size_bytes):
            os.environ[name] = str(size_bytes)
