"""Which fxlens made a figure: its version, and its commit where it runs from a checkout."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

import fxlens


@lru_cache(maxsize=1)
def source_version() -> str:
    """Version, with the commit in brackets where the package is part of a Git checkout; ``-dirty`` if it was changed.

    >>> source_version().split()[0] == fxlens.__version__
    True
    """
    package = Path(fxlens.__file__).resolve().parent
    commit = _commit(package)
    return fxlens.__version__ if commit is None else f"{fxlens.__version__} ({commit})"


def _commit(package: Path) -> str | None:
    root = package.parent.parent
    if not (root / ".git").exists():  # an installed copy may lie below somebody else's checkout
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
