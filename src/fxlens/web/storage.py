"""Where uploads lie while they are worked on: one private folder a server, which never outlives it.

A server that is killed cannot clean up. Each holds a lock on its folder as long as it lives, and the next one to start
removes every folder whose lock is free.
"""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
import time
from pathlib import Path

from fxlens import file_locks
from fxlens.errors import OutputError

_LOCK = "lock"
_LEFT_OVER_SECONDS = 86_400.0


class Storage:
    """The folder of a running server. Close it at the end.

    Args:
        place: folder for the folders of all servers of this user; one of the system's if not given.
        most_bytes: what may lie in it at once.

    Raises:
        OutputError: the folder cannot be made, or belongs to somebody else.
    """

    def __init__(self, place: Path | None, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.place = place or Path(tempfile.gettempdir()) / f"fxlens-serve-{_user()}"
        try:
            self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.place.is_symlink() or (hasattr(os, "getuid") and self.place.stat().st_uid != os.getuid()):
                raise OutputError(f"{self.place}: belongs to somebody else; set TMPDIR to a folder of your own")
            with file_locks.hold(self.place / _LOCK):  # one server at a time starts: a new folder is not yet locked
                self.removed = self._remove_left_overs()
                self.folder = Path(tempfile.mkdtemp(prefix="server-", dir=self.place))
                self._lock = file_locks.hold(self.folder / _LOCK)
            self.page.mkdir()
        except OSError as error:
            raise OutputError(f"{self.place}: uploads cannot be kept there ({error}); set TMPDIR") from error

    @property
    def page(self) -> Path:
        """What was dropped on the page."""
        return self.folder / "page"

    def new_folder(self) -> Path:
        """A folder for the files of one request.

        Raises:
            OutputError: too much lies here already, or the disk is full.
        """
        self.check_room()
        try:
            return Path(tempfile.mkdtemp(prefix="request-", dir=self.folder))
        except OSError as error:
            raise full(error) from error

    def check_room(self) -> None:
        """Refuse to take more than was allowed for all requests together.

        Raises:
            OutputError: that much lies here already.
        """
        if self.used_bytes() > self.most_bytes:
            raise OutputError("the server holds as many uploads as it may; try again in some minutes")

    def used_bytes(self) -> int:
        """Size of all files of this server."""
        return sum(size for _, _, size in self._files(self.folder))

    def sweep_page(self, older_than_seconds: float) -> int:
        """Delete what was dropped on the page that long ago; return the number of files."""
        now, count = time.time(), 0
        for path, modified, _ in self._files(self.page):
            if now - modified > older_than_seconds:
                path.unlink(missing_ok=True)
                count += 1
        return count

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def _files(self, folder: Path) -> list[tuple[Path, float, int]]:
        found = []
        for path in folder.rglob("*"):
            try:
                status = path.stat()
            except OSError:  # deleted meanwhile
                continue
            if path.is_file():
                found.append((path, status.st_mtime, status.st_size))
        return found

    def _remove_left_overs(self) -> int:
        """Delete the folders of servers that live no more; return their number."""
        count = 0
        for folder in self.place.glob("server-*"):
            if not file_locks.AVAILABLE:  # only what nobody has touched for long is taken for left over there
                dead = time.time() - folder.stat().st_mtime > _LEFT_OVER_SECONDS
            else:
                try:
                    file_locks.hold(folder / _LOCK, wait=False).close()
                    dead = True
                except OSError:
                    dead = False
            if dead:
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
        return count


def _user() -> str:
    """Who runs the server; a number where users have one, since not every container knows their names."""
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()


def full(error: OSError) -> OutputError:
    """The error of a server whose disk takes no more."""
    return OutputError(f"the server cannot keep the upload ({error.strerror or error}); try again later")
