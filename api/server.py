"""Serving the application with uvicorn."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

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


def make_server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """Return a server of ``app`` that is not running yet."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
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
    """
    make_server(create_app(settings), host, port).run()
