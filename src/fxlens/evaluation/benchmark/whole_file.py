"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fxlens.errors import OutputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; rename it when the block ends well, remove it otherwise.

    The name keeps the suffix, by which some writers choose their format.

    Raises:
        OutputError: the file cannot be written; what was at ``path`` before is still there.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); check permissions and free space of {path.parent}"
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink()
