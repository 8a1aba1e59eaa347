"""The static files of a service, which load nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import resources

from fastapi.responses import Response

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES: Mapping[str, str] = {
    "/": "index.html",
    "/docs": "docs.html",
    **{
        f"/page/{name}": name
        for name in (
            "page.css",
            "icon.svg",
            "app.js",
            "client.js",
            "records.js",
            "controls.js",
            "files.js",
            "summary.js",
            "elements.js",
            "texts.js",
            "docs.js",
        )
    },
    "/favicon.ico": "icon.svg",
}
"""The file of each path; no other file is ever read."""


def read_page(file: str) -> str:
    """Return the content of a static file."""
    return (resources.files(__package__) / "page" / file).read_text(encoding="utf-8")


def reader(file: str) -> Callable[[], Awaitable[Response]]:
    """Return the route of a static file, which is read once."""
    content, kind = read_page(file), _TYPES[file[file.rindex(".") :]]

    async def read() -> Response:
        return Response(content, media_type=kind)

    return read
