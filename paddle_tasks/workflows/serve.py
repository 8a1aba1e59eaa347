"""Serve models over HTTP, with a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from paddle_tasks import runtime
from paddle_tasks.addresses import base_url, check_address, listen
from paddle_tasks.errors import UserError
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.language import _


@dataclass(frozen=True)
class ServeSettings:
    """Where a service listens, and what it accepts.

    Attributes:
        host: the address to listen on.
        port: None for the first free one from 8040 on.
        further_hosts: names at which a proxy or another machine reaches the service.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        limits: what is accepted.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    further_hosts: Sequence[str] = ()
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)


def serve(names: Sequence[str], settings: ServeSettings, notify: Callable[[str, int], None]) -> int | None:
    """Load models and serve them until a signal arrives; return its number.

    Args:
        names: a run folder, a shipped model or a built-in pipeline each; ``NAME=RUN`` chooses the name in requests.
        settings: where, and what is accepted.
        notify: is told the URL and the number of models once they are loaded.

    Raises:
        UserError: a model or the address cannot be used.
    """
    check_address(settings.host, settings.port)
    _check_limits(settings.limits)
    runtime.share_threads(len(names))
    with listen(settings.host, settings.port) as listener:
        from paddle_tasks.inference.service import app, guard, models, server

        loaded = models.load_models(names, settings.device)
        hosts = guard.AllowedHosts.of(settings.host, settings.further_hosts)
        service = app.make_app(loaded, hosts, settings.limits)
        notify(base_url(settings.host, listener.getsockname()[1]), len(loaded))
        running = server.make_server(service, settings.limits)
        running.run(sockets=[listener])
        return running.stopped_by


def _check_limits(limits: Limits) -> None:
    """Check that a request can fill its limit of texts.

    Raises:
        UserError: the queue is too short.
    """
    if limits.n_queued < limits.n_texts:
        message = _("--queue {queue}: expected at least --max-texts, which is {texts}")
        raise UserError(message.format(queue=limits.n_queued, texts=limits.n_texts))
