"""Files that one process at a time holds: whoever shares a folder with others asks for one first.

The system lets go of a lock when its process ends, however it ends, so a lock never outlives who held it.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

AVAILABLE = fcntl is not None
"""Whether locks keep anybody out here; without them every file is free."""


def hold(path: Path, wait: bool = True) -> IO[bytes]:
    """Open a file, made where it is missing, and hold its lock until it is closed or the process ends.

    Args:
        path: of the file; its folder exists.
        wait: until nobody else holds it.

    Raises:
        BlockingIOError: somebody holds it, and ``wait`` is false.
        OSError: it cannot be opened, or its file system knows no locks.
    """
    file = path.open("ab")
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        file.close()
        raise
    return file
