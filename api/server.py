"""Serving the application with uvicorn."""

from __future__ import annotations

import socket

import uvicorn

from api.app import create_app
from api.services import Services
from core.settings import Settings

# Uploads and downloads that are under way when the service stops may take this long.
_GRACE_SECONDS = 10


class _Server(uvicorn.Server):
    """Ends event streams when it stops; they would keep it waiting otherwise."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services: Services = self.config.app.state.services  # type: ignore[union-attr]
        services.watching.stop()
        await super().shutdown(sockets)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve the HTTP API until SIGINT or SIGTERM; running requests are finished first.

    Parameters
    ----------
    settings : Settings
        Of the service.
    host, port : str, int
        Where to listen.
    """
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _Server(config).run()
