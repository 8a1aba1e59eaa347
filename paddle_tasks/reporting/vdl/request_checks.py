"""Checks around VisualDL's application: pages of other sites may not ask it, and a wrong request is answered as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

DEFAULT_PATH = "/app"
_AI_STUDIO = "STUDIO_MODEL_API_URL_PREFIX"
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def allowed_hosts(host: str, path: str) -> frozenset[str] | None:
    """Return the names under which a browser may ask the server; None if any will do.

    A page of another site can let a browser ask this machine under the site's own name (DNS rebinding). A server for
    other machines, or behind a proxy (which has a path of its own, or is AI Studio's), is asked under any name.

    Args:
        host: the address that the server listens on.
        path: the path of the page.
    """
    is_local = host in _LOCAL_NAMES and path == DEFAULT_PATH and _AI_STUDIO not in os.environ
    return _LOCAL_NAMES if is_local else None


def check_hosts(application: Application, hosts: frozenset[str] | None) -> Application:
    """Return an application that answers only requests under these names."""

    def checked(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        name = _host_name(environ.get("HTTP_HOST", ""))
        if hosts is None or not name or name in hosts:
            return application(environ, start_response)
        text = f"This dashboard answers requests to {', '.join(sorted(hosts))} only.\n"
        return Response(text, 403, mimetype="text/plain")(environ, start_response)

    return checked


def _host_name(header: str) -> str:
    """Return the name in a Host header without the port: ``[::1]:8040`` gives ``::1``."""
    name, _bracket, _port = header.strip().lower().removeprefix("[").partition("]" if header.startswith("[") else ":")
    return name.rstrip(".")


def answer_wrong_requests(app: Any) -> None:
    """Let a Flask application answer 404 where VisualDL fails at a run, tag, file or function that does not exist."""

    def answer(error: Exception) -> Any:
        if isinstance(error, HTTPException):
            return error
        app.logger.warning("%s: %s", type(error).__name__, error)
        return Response("There is nothing at this address.\n", 404, mimetype="text/plain")

    app.register_error_handler(Exception, answer)
