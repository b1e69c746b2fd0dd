"""Forms with files, written to disk while they arrive: no limit is passed before it is noticed.

The multipart stream is split by python-multipart. Nothing is held in memory but the texts, which are short.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from fxlens.errors import UsageError
from fxlens.web.forms import Form, FormField, FormSpec, Upload
from fxlens.web.refusals import IncompleteFormError, NotAFormError, TooLargeError
from fxlens.web.settings import ServeSettings
from fxlens.web.storage import Storage, full

_MOST_TEXT_BYTES = 100_000
_MOST_HEADER_BYTES = 4_000
_LONGEST_NAME = 150
_DRAIN_SECONDS = 20.0
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


@asynccontextmanager
async def received(
    request: Request, spec: FormSpec, storage: Storage, settings: ServeSettings, ready: Callable[[], object]
) -> AsyncIterator[tuple[Form, Path]]:
    """Receive a form; its files are gone after the ``async with``, whatever happened.

    Args:
        request: the request.
        spec: what it may hold.
        storage: where files are written to.
        settings: the limits.
        ready: raises what the request can be refused for before anything of it is read.

    Yields:
        The form, and the folder its files lie in; who moves that folder away keeps them.

    Raises:
        TooLargeError, NotAFormError, IncompleteFormError: as they say.
        UsageError: a field that there is not, that is missing, or has a value it cannot have.
        OutputError: there is no room.
    """
    body, folder = _Body(request), None
    try:
        try:
            ready()
            declared = request.headers.get("content-length", "")
            if declared.isdigit() and int(declared) > settings.max_request_bytes:
                raise _too_large(settings)
            boundary, folder = _boundary(request), storage.new_folder()
            receiver = _Receiver(boundary, spec, folder, settings)
            await receiver.read(body)
        except Exception:
            await body.drain()
            raise
        yield receiver.form(), folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise NotAFormError("the body is no form with files; send multipart/form-data (curl: -F file=@mix.wav)")
    return options[b"boundary"]


class _Body:
    """The bytes of a request as they arrive, and whether more will come."""

    def __init__(self, request: Request) -> None:
        self._receive, self._more = request.receive, True

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield them; raise ClientDisconnect where the sender goes away before the end."""
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._more = False
                raise ClientDisconnect
            self._more = message.get("more_body", False)
            yield message.get("body", b"")

    async def drain(self) -> None:
        """Let the sender finish, for a while: one who is cut off while sending does not read why."""
        until = time.monotonic() + _DRAIN_SECONDS
        with suppress(ClientDisconnect, asyncio.TimeoutError):
            while self._more and (left := until - time.monotonic()) > 0.0:
                message = await asyncio.wait_for(self._receive(), left)
                self._more = message["type"] == "http.request" and message.get("more_body", False)


def _too_large(settings: ServeSettings, name: str | None = None) -> TooLargeError:
    what = f"{name}: the file is larger than" if name else f"the request is larger than {settings.max_files} files of"
    return TooLargeError(f"{what} {settings.max_upload_mb:g} MB; send less of it, or as flac, or raise --max-upload-mb")


class _Receiver:
    """One form while it arrives."""

    def __init__(self, boundary: bytes, spec: FormSpec, folder: Path, settings: ServeSettings) -> None:
        self.spec, self.folder, self.settings = spec, folder, settings
        self.texts: dict[str, list[str]] = {}
        self.files: dict[str, list[Upload]] = {}
        self.ended, self.count, self.text_bytes = False, 0, 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = b"", b""
        self._field: FormField | None = None
        self._text = bytearray()
        self._upload: Upload | None = None
        self._file: IO[bytes] | None = None
        self._file_bytes = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise NotAFormError(f"the form cannot be read ({error}); send another boundary") from None

    async def read(self, body: _Body) -> None:
        """Take in the whole body."""
        try:
            async for chunk in body.chunks():
                if chunk:
                    self._parser.write(chunk)
            self._parser.finalize()
        except FormParserError as error:
            raise IncompleteFormError(f"the form cannot be read ({error}); send it again") from None
        except OSError as error:
            raise full(error) from error
        finally:
            self._close()
        if not self.ended:
            raise IncompleteFormError("the form breaks off before its end; send it again")

    def form(self) -> Form:
        """What came; raise UsageError where something is missing."""
        for field in self.spec.fields:
            there = self.files.get(field.name) if field.file else self.texts.get(field.name)
            if field.required and not there:
                what = "a file" if field.file else "a value"
                raise UsageError(f"the field {field.name} needs {what}; send it as multipart/form-data")
        return Form(self.texts, self.files)

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._headers, self._header_name, self._header_value = {}, b"", b""
        self._field, self._upload, self._text = None, None, bytearray()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        if len(self._header_value) > _MOST_HEADER_BYTES:
            raise IncompleteFormError("a part of the form has a header of unreasonable length; shorten the file's name")

    def _on_header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        field = self._field = self.spec.named(options.get(b"name", b"").decode("utf-8", "replace"))
        if (len(self.files.get(field.name, ())) or len(self.texts.get(field.name, ()))) and not field.many:
            raise UsageError(f"the field {field.name} may be given only once; send one")
        if field.file != (b"filename" in options):
            raise UsageError(f"the field {field.name} holds {'a file' if field.file else 'text'}; send it as that")
        if field.file:
            self._open(options[b"filename"].decode("utf-8", "replace"))

    def _open(self, sent_name: str) -> None:
        """Begin a file; a browser's empty choice, a part without name, is none."""
        name = "".join(c for c in sent_name.replace("\\", "/").rpartition("/")[2] if c.isprintable())[-_LONGEST_NAME:]
        if not name:
            return
        self.count += 1
        if self.count > self.settings.max_files:
            raise TooLargeError(f"more than {self.settings.max_files} files; send them in several requests")
        suffix = Path(name).suffix
        path = self.folder / f"{self.count}{suffix.lower() if _SUFFIX.fullmatch(suffix) else ''}"
        self._upload, self._file, self._file_bytes = Upload(path, name), path.open("wb"), 0

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None and self._upload is not None:
            self._file_bytes += end - start
            if self._file_bytes > self.settings.max_upload_bytes:
                raise _too_large(self.settings, self._upload.name)
            self._file.write(data[start:end])
            return
        self.text_bytes += end - start
        if self.text_bytes > _MOST_TEXT_BYTES:
            raise TooLargeError(f"the fields hold more than {_MOST_TEXT_BYTES // 1000} kB of text; shorten them")
        self._text += data[start:end]

    def _on_part(self) -> None:
        assert self._field is not None
        if self._field.file:
            if self._file is not None and self._upload is not None:
                self._file.close()  # a full disk may show only here
                self._file = None
                self.files.setdefault(self._field.name, []).append(self._upload)
            return
        text = self._text.decode("utf-8", "replace")
        if self._field.values and text.strip() and text.strip() not in self._field.values:
            raise UsageError(f"{self._field.name} must be one of {', '.join(self._field.values)}, not {text!r}")
        self.texts.setdefault(self._field.name, []).append(text)

    def _on_end(self) -> None:
        self.ended = True
