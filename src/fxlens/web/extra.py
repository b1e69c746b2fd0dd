"""Whether the optional extra is there, told before anything of it is imported."""

from __future__ import annotations

import importlib.util

from fxlens.errors import MissingExtraError

_SERVER = ("fastapi", "uvicorn", "python_multipart")


def require_extra(page: bool) -> None:
    """Refuse to begin without the extra ``web``.

    Args:
        page: whether the page is wanted, too; it alone needs Gradio.

    Raises:
        MissingExtraError: a part of it is not installed.
    """
    for module in _SERVER:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f"The server (module {module})", "web")
    if page and importlib.util.find_spec("gradio") is None:
        raise MissingExtraError("The page (the interface alone does without: --no-page)", "web")
