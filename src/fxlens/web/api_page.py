"""The description of the interface as a page: written by the server, complete, and without a script.

FastAPI's own pages fetch Swagger UI from a content delivery network, so they say nothing where there is no internet,
and tell a third party that they were opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

_ICON = Path(__file__).parent / "static" / "icon.svg"
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --accent: #0f766e; }
@media (prefers-color-scheme: dark) { :root { --accent: #5eead4; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; padding: .6rem .9rem; }
summary { cursor: pointer; } summary code { font-weight: 600; }
.method { display: inline-block; min-width: 4.2rem; font: 700 .8rem ui-monospace, monospace; color: var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } th, td { text-align: left; vertical-align: top;
padding: .35rem .6rem .35rem 0; border-top: 1px solid var(--line); }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; padding: .6rem; font-size: .85rem; }
code { font-family: ui-monospace, monospace; } .what { opacity: .75; }
"""


def routes(app: FastAPI, page: bool) -> APIRouter:
    """``/docs``, where ``/`` leads, and the icon of both."""
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(written(app.openapi(), str(request.base_url).rstrip("/")))

    @router.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(_ICON, media_type="image/svg+xml")

    @router.get("/", include_in_schema=False)
    def root() -> Response:
        return RedirectResponse("/page/" if page else "/docs")

    return router


def written(schema: dict[str, Any], address: str) -> str:
    """An OpenAPI description as HTML.

    Args:
        schema: the description.
        address: of the server, for the examples.
    """
    info = schema["info"]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(info['title'])}: the interface</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        *(f"<p>{_code(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        "<p>For programs: <a href='/openapi.json'>openapi.json</a>.</p>",
    ]
    tags = list(dict.fromkeys(tag for _, _, operation in _operations(schema) for tag in operation["tags"]))
    for tag in tags:
        parts.append(f"<h2>{escape(tag)}</h2>")
        parts += [_operation(*one, address) for one in _operations(schema) if tag in one[2]["tags"]]
    return "".join([*parts, "</main></body></html>"])


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _operation(path: str, method: str, operation: dict[str, Any], address: str) -> str:
    rows = [
        (f"{one['name']} ({one['in']})", _kind(one["schema"]), one.get("description", ""), one.get("required", False))
        for one in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    needed = body.get("required", ())
    for name, field in body.get("properties", {}).items():
        rows.append((name, _kind(field), field.get("description", ""), name in needed))
    table = "".join(
        f"<tr><td><code>{escape(name)}</code>{' <b>needed</b>' if must else ''}</td><td>{escape(kind)}</td>"
        f"<td>{escape(text)}</td></tr>"
        for name, kind, text, must in rows
    )
    table = f"<table><tr><th>field</th><th>holds</th><th>meaning</th></tr>{table}</table>" if rows else ""
    return (
        f"<details><summary><span class='method'>{method}</span> <code>{escape(path)}</code> "
        f"<span class='what'>{escape(operation['summary'])}</span></summary>"
        f"<p>{_code(operation.get('description', ''))}</p>{table}"
        f"<pre><code>{escape(_example(path, method, body, address))}</code></pre></details>"
    )


def _kind(schema: dict[str, Any]) -> str:
    one = schema.get("items", schema)
    kind = "file" if one.get("format") == "binary" else " or ".join(one.get("enum", ())) or one.get("type", "number")
    kind = {"string": "text"}.get(kind, kind)
    many = ", may be repeated" if schema.get("type") == "array" else ""
    default = f"; default: {schema['default']}" if schema.get("default") not in (None, "") else ""
    return f"{kind}{many}{default}"


def _example(path: str, method: str, body: dict[str, Any], address: str) -> str:
    for name in ("id", "name", "token"):
        path = path.replace(f"{{{name}}}", name.upper())
    sent = "".join(f" -F {name}=@{name}.wav" for name in body.get("required", ()))
    verb = f" -X {method}" if method not in ("GET", "POST") else ""
    return f"curl{verb}{sent} {address}{path}"


def _code(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    pieces = escape(text, quote=False).split("`")
    return "".join(f"<code>{piece}</code>" if k % 2 else piece for k, piece in enumerate(pieces))
