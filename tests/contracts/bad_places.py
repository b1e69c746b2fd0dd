"""Folders that cannot be written and disks that are full, for real: by permissions, and by a limit on files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="fxlens-bad-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """All below a folder may be read, and nothing written; the superuser, to whom that does not apply, steps down."""
    if os.name == "nt":
        pytest.skip("permissions of folders are another matter there")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = os.geteuid() == 0
    try:
        if superuser:
            os.seteuid(_NOBODY)
        if os.access(folder, os.W_OK, effective_ids=True) or not os.access(folder, os.R_OK, effective_ids=True):
            pytest.skip("this system knows no folder that can be read and not written")
        yield
    finally:
        if superuser:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@contextmanager
def full_disk(bytes_a_file: int) -> Iterator[None]:
    """Writing fails as on a full disk: no file can become longer than that."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
