"""Reads TensorFlow checkpoints ("tensor bundles") without TensorFlow.

A bundle is an index and data files. The index is a sorted string table as LevelDB writes it (*table_format.md* of its
documentation): blocks of prefix-compressed keys, an index of the blocks, and a footer. Its values are protocol
buffers ``BundleEntryProto`` (``tensor_bundle.proto``) that say type, shape, offset and size of a tensor in the data
file, where it lies as little-endian numbers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_BLOCK_TRAILER_BYTES = 5  # type of compression, checksum
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 9: "<i8", 10: "?"}  # of types.proto


class BundleError(ValueError):
    """These bytes are no tensor bundle that can be read here."""


def read_bundle(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """All tensors of a bundle with one data file, by name.

    Args:
        index: content of the ``.index`` file.
        data: content of the ``.data-00000-of-00001`` file.

    Raises:
        BundleError: broken, compressed, sharded, or of a type that is not a plain number.
    """
    try:
        tensors = {}
        for key, value in _table(index):
            if key:  # the empty key is the header of the bundle
                name = key.decode()
                tensors[name] = _tensor(name, value, data)
        return tensors
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise BundleError(f"the index breaks off ({error})") from error


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = index[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise BundleError("the index has no footer of a sorted string table")
    *_, at = _handle(footer, 0)  # the metaindex is not needed
    offset, size, _ = _handle(footer, at)
    for _, block in _block(index, offset, size):
        yield from _block(index, *_handle(block, 0)[:2])


def _handle(buffer: bytes, at: int) -> tuple[int, int, int]:
    """(offset, size, where it ends) of a block."""
    offset, at = _varint(buffer, at)
    size, at = _varint(buffer, at)
    return offset, size, at


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block = index[offset : offset + size + _BLOCK_TRAILER_BYTES]
    if len(block) < size + _BLOCK_TRAILER_BYTES:
        raise BundleError("the index breaks off inside a block")
    if block[size] != 0:
        raise BundleError("the index is compressed, which is not supported")
    restarts = struct.unpack_from("<I", block, size - 4)[0]
    end = size - 4 - 4 * restarts
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _tensor(name: str, entry: bytes, data: bytes) -> np.ndarray:
    fields = _message(entry)
    code, shard = _number(fields, 1), _number(fields, 3)
    offset, size = _number(fields, 4), _number(fields, 5)
    if shard or code not in _DTYPES:
        raise BundleError(f"{name} is of type {code} in shard {shard}; only numbers in one shard are supported")
    packed = fields.get(2, [b""])[0]
    assert isinstance(packed, bytes)
    shape = [_number(_message(d), 1) for d in _message(packed).get(2, []) if isinstance(d, bytes)]
    dtype = np.dtype(_DTYPES[code])
    if size != math.prod(shape) * dtype.itemsize or offset + size > len(data):
        raise BundleError(f"{name} {shape} does not fit its {size} bytes at {offset} of {len(data)}")
    return np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape)


def _message(buffer: bytes) -> dict[int, list[int | bytes]]:
    """Fields of a protocol buffer by number; submessages stay bytes."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(buffer):
        tag, at = _varint(buffer, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = _varint(buffer, at)
        elif tag & 7 == 2:
            length, at = _varint(buffer, at)
            value, at = buffer[at : at + length], at + length
        elif tag & 7 in (1, 5):
            width = 8 if tag & 7 == 1 else 4
            value, at = int.from_bytes(buffer[at : at + width], "little"), at + width
        else:
            raise BundleError(f"unknown wire type {tag & 7} in the index")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: dict[int, list[int | bytes]], field: int) -> int:
    value = fields.get(field, [0])[0]
    if not isinstance(value, int):
        raise BundleError(f"field {field} of an entry is no number")
    return value


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
