"""Serving the application with uvicorn."""

from __future__ import annotations

import gc
import logging
import socket

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.direct import Protocol
from api.services import Services
from core import logs
from core.addresses import check_address
from core.settings import Settings

log = logging.getLogger(__name__)

# Uploads and downloads that are under way when the service stops may take this long.
_GRACE_SECONDS = 10
# Longer than clients keep idle connections, so that none is closed under a request.
_KEEP_ALIVE_SECONDS = 75


class _Server(uvicorn.Server):
    """Ends event streams when it stops; they would keep it waiting otherwise."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services: Services = self.config.app.state.services  # type: ignore[union-attr]
        services.watching.stop()
        await super().shutdown(sockets)


def make_server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """Return a server of ``app`` that is not running yet."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve the HTTP API until SIGINT or SIGTERM; running requests are finished first.

    Parameters
    ----------
    settings : Settings
        Of the service.
    host, port : str, int
        Where to listen.

    Raises
    ------
    InvalidInput
        Keys are off, and other machines could reach ``host``.
    """
    check_address(settings, host)
    logs.setup(settings.log_format, level=settings.log_level)
    if not settings.keys:
        log.warning("API keys are off: everybody on this machine may do everything")
    app = create_app(settings)
    # What was made until now stays for ever. To look through all of it again for garbage takes a
    # tenth of a second, in which no request goes on.
    gc.collect()
    gc.freeze()
    make_server(app, host, port).run()
