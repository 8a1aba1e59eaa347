"""Addresses that a server of this package listens on."""

from __future__ import annotations

import contextlib
import socket
from itertools import chain

from paddle_tasks.errors import UserError
from paddle_tasks.language import _

FIRST_PORT, LAST_PORT = 8040, 65_535
_LOCAL_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that mean all addresses of a machine, with the address at which the machine reaches itself."""


def check_address(host: str, port: int | None) -> None:
    """Check that a server may listen on an address; the port may be None.

    Raises:
        UserError: the port or the host is not valid.
    """
    if port is not None and not 1 <= port <= LAST_PORT:
        problem = _("--port {port}: expected a number from 1 to {last}")
        raise UserError(problem.format(port=port, last=LAST_PORT))
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        problem = _("--host {host}: not an address of this machine; 0.0.0.0 means all of them")
        raise UserError(problem.format(host=host)) from error


def is_every_address(host: str) -> bool:
    """Return whether a host means all addresses of a machine."""
    return host in _LOCAL_HOSTS


def reachable_host(host: str) -> str:
    """Return the host at which this machine reaches a server that listens on ``host``."""
    return _LOCAL_HOSTS.get(host, host)


def base_url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server, without a path: ``http://127.0.0.1:8040``."""
    reachable = reachable_host(host)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on a port, or on the first free one from 8040.

    Raises:
        UserError: the port is taken (the message names the nearest free one), or the host is not an address of this
            machine.
    """
    try:
        _open_listener(host, 0).close()
    except OSError as error:
        problem = _("--host {host}: not an address of this machine ({reason})")
        raise UserError(problem.format(host=host, reason=error.strerror)) from error
    if port is None:
        return _listen_on_free_port(host, FIRST_PORT)
    try:
        return _open_listener(host, port)
    except PermissionError:
        problem, next_port = _("--port {port}: may not be used; {free} is free"), FIRST_PORT
    except OSError:
        problem, next_port = _("--port {port}: is taken; {free} is free"), port + 1
    with _listen_on_free_port(host, next_port) as listener:
        raise UserError(problem.format(port=port, free=listener.getsockname()[1]))


def _listen_on_free_port(host: str, first: int) -> socket.socket:
    for port in chain(range(first, LAST_PORT + 1), range(FIRST_PORT, first)):
        with contextlib.suppress(OSError):
            return _open_listener(host, port)
    raise UserError(_("--host {host}: no port is free from {first}").format(host=host, first=FIRST_PORT))


def _open_listener(host: str, port: int) -> socket.socket:
    candidates = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A name such as localhost may have an IPv4 and an IPv6 address; people type 127.0.0.1.
    family, kind, protocol, _name, address = min(candidates, key=lambda candidate: candidate[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        # A server that ended a moment ago does not keep its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
