"""To and from the Hugging Face Hub, with its errors put into words that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fxlens.errors import ModelUnavailableError, OutputError

# The errors of huggingface_hub have no common base (bad name, no network, no permission, offline mode,
# another HTTP library from version to version), hence `except Exception` in this file.


def fetch(name: str, revision: str | None, files: Sequence[str], expected: str) -> Path:
    """Download a model, or find it in the Hub's cache.

    Args:
        name: ``"org/name"``.
        revision: branch, tag or commit.
        files: the files to fetch.
        expected: what a model consists of, for the message.

    Returns:
        The folder in the cache.

    Raises:
        ModelUnavailableError: no such model, or it cannot be reached.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(files)))
    except Exception as error:
        raise ModelUnavailableError(
            f"No model at {name}: {expected} in a folder, and as a name on the Hub it could not be fetched "
            f"({first_line(error)})"
        ) from error


def publish(folder: str | Path, name: str, private: bool = False, message: str = "Upload model") -> str:
    """Upload a model folder and return its address.

    Args:
        folder: what is to be uploaded, all of it.
        name: ``"org/name"``; made where missing.
        private: whether a new repository is private.
        message: of the commit.

    Raises:
        OutputError: not logged in, no network, no right to write there.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=str(folder), commit_message=message)
    except Exception as error:
        raise OutputError(
            f"{name}: the Hub did not take the model ({first_line(error)}); 'hf auth login' may be needed"
        ) from error
    return str(address)


def first_line(error: BaseException) -> str:
    """The first line of a message, without its full stop; the type's name where there is no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
