"""The end of an Ogg file (RFC 3533), where libsndfile needs help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PAGE_HEADER_BYTES, _LARGEST_PAGE_BYTES = 27, 65_307


@dataclass(frozen=True)
class OggEnd:
    """What the last pages say.

    Args:
        is_cut: the file ends inside a page.
        last_page_frame: the first frame of the last page, 0 if it is not known.
    """

    is_cut: bool
    last_page_frame: int


def read_end(path: Path) -> OggEnd:
    """Look at the last two pages of a file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 4 * _LARGEST_PAGE_BYTES))
        tail = file.read()
    last = tail.rfind(b"OggS")
    if last < 0:
        return OggEnd(False, 0)
    page = tail[last:]
    table_end = _PAGE_HEADER_BYTES + (page[26] if len(page) >= _PAGE_HEADER_BYTES else 0)
    is_cut = len(page) < _PAGE_HEADER_BYTES or len(page) < table_end + sum(page[_PAGE_HEADER_BYTES:table_end])
    before = tail.rfind(b"OggS", 0, last)
    # The granule position of a page is the frame at which it ends; -1 if no packet ends on it.
    granule = int.from_bytes(tail[before + 6 : before + 14], "little", signed=True) if before >= 0 else 0
    return OggEnd(is_cut, max(0, granule))
