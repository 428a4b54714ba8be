"""The dashboard at ``/``: a page that uses the public API alone, and its assets at ``/ui``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

_ASSETS = "/ui"

# Nothing inline, nothing of another host, and no script can make text into elements.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    # Its assets bear no version in their names: each is asked for again, by its ETag.
    "Cache-Control": "no-cache",
}


def register(app: FastAPI) -> None:
    """Serve the page and its assets from the files of this package."""
    folder = Path(str(files("api.dashboard") / "static"))
    app.mount(_ASSETS, StaticFiles(directory=folder))

    @app.get("/", include_in_schema=False)
    async def dashboard() -> FileResponse:
        return FileResponse(folder / "index.html", headers=_HEADERS)
