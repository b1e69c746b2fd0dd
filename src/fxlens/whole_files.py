"""Files that are whole or not there: written to a scratch file beside their place, which is then renamed.

Whoever reads a file meanwhile sees the old one or the new one, never half of either. A full disk, a missing permission
or Ctrl-C leaves the old file, and nothing beside it.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fxlens.errors import OutputError

_TOKEN_BYTES = 4


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give an empty file beside ``path`` to write to; rename it when the block ends well, remove it otherwise.

    Its name keeps the suffix, by which some writers choose their format. Every caller has one of their own, so of
    several that write ``path`` at the same time the last one to end has it. Nothing but the writing should be in the
    block: each ``OSError`` there is taken for one of the file.

    Args:
        path: the file; missing folders are made.

    Raises:
        OutputError: the file cannot be written; what was at ``path`` before is still there.
    """
    path = Path(path)
    scratch = path.parent / f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}.partial{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made here: the system then gives it the mode of an ordinary file, and refuses before the work.
        made = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        mode = stat.S_IMODE(os.fstat(made).st_mode)
        os.close(made)
        yield scratch
        with open(scratch, "rb+") as file:
            os.fsync(file.fileno())  # else a power failure after the rename could leave an empty file
        if stat.S_IMODE(scratch.stat().st_mode) != mode:  # some writers put a private file in its place
            scratch.chmod(mode)
        os.replace(scratch, path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):  # mostly it is no longer there
            scratch.unlink()


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file that is whole or not there; missing folders are made.

    Raises:
        OutputError: the file cannot be written; what was at ``path`` before is still there.
    """
    with whole_file(path) as scratch:
        scratch.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8 with the line ends of ``text`` on every system; otherwise as :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def remove_left_overs(path: str | Path, older_than_seconds: float = 0.0) -> None:
    """Remove what writers of ``path`` that were killed left beside it.

    Args:
        path: the file that was to be written.
        older_than_seconds: younger ones stay: another process may be at work on them.
    """
    path = Path(path)
    token = rf"[0-9a-f]{{{2 * _TOKEN_BYTES}}}"
    named = re.compile(rf"\.{re.escape(path.name)}\.{token}\.partial{re.escape(path.suffix)}")
    with suppress(OSError):
        for beside in path.parent.iterdir():
            if named.fullmatch(beside.name) and time.time() - beside.stat().st_mtime >= older_than_seconds:
                beside.unlink()


def _refused(path: Path, error: OSError) -> OutputError:
    reason, next_step = error.strerror or str(error), f"check permissions and free space of {path.parent}"
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason, next_step = f"{path.parent} is no folder", "choose another place"
    elif isinstance(error, IsADirectoryError):
        reason, next_step = "there is a folder of that name", "choose another name"
    return OutputError(f"{path}: cannot be written ({reason}); {next_step}")
