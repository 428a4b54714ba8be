"""One stack with real jobs, and one browser, for all tests of the dashboard."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

import convq
from convq.stack import LocalStack

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '<img src=x onerror="window.hacked=1">&amp;"\'`${1}'
# Seconds. CI is up to ten times slower than a quiet machine.
expect.set_options(timeout=30_000)

MODEL = {
    "input": [1, 12, 12],
    "layers": [
        {"layer": "conv", "filters": 4, "kernel": 3},
        {"layer": "relu"},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ],
}
OPTIONS = {"epochs": 3, "batch": 32, "validation": 0.2}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    data = tmp_path_factory.mktemp("page")
    settings = {"store_url": str(data / "artifacts"), "heartbeat_interval": 0.5}
    with LocalStack(data, settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def client(stack: LocalStack) -> Iterator[convq.Client]:
    with convq.Client(stack.url) as client:
        yield client


def picture(side: int = 96) -> bytes:
    y, x = np.mgrid[:side, :side]
    rings = 127 + 120 * np.cos((x**2 + y**2) / side)
    file = io.BytesIO()
    Image.fromarray(np.stack([rings, rings.T, 255 - rings], -1).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def sound(samples: int = 4000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes((9000 * np.sin(np.arange(samples) ** 2 / 9000)).astype("<i2").tobytes())
    return file.getvalue()


def data_set() -> bytes:
    """Return images that a net can tell apart but for a few, whose labels are wrong."""
    random = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = random.normal(size=(150, 12, 12)) + 2 * (y[:, None, None] - 1)
    y[:12] = (y[:12] + 1) % 3
    file = io.BytesIO()
    np.savez(file, x=x.astype(np.float32), y=y)
    return file.getvalue()


@pytest.fixture(scope="session")
def jobs(client: convq.Client) -> SimpleNamespace:
    """Run one job of every sort that the page shows in its own way."""
    array = np.random.default_rng(1).normal(size=(20, 30))
    named = {"artifact": client.upload(picture()).digest, "name": f"{HOSTILE}.png"}
    data = client.upload(data_set())
    train = {"data": data.digest, "model": MODEL, "options": OPTIONS}
    submitted = {
        "album": client.submit(
            inputs=[picture(), picture(64)],
            kernel={"preset": "gaussian", "sigma": 2},
            label="album",
        ),
        "array": client.submit(inputs=[array], kernel={"values": [[1.0]]}, label="array"),
        "bank": client.submit(inputs=[array], kernel={"values": np.ones((3, 2, 2)).tolist()}),
        "sound": client.submit(inputs=[sound()], kernel={"values": [0.5, 0.5]}, label="sound"),
        "hostile": client.submit(inputs=[named], kernel="box", label=HOSTILE),
        "train": client.submit("train", **train, label="digits"),
        "sweep": client.submit(
            "sweep",
            train={"kind": "train", **train, "options": OPTIONS | {"epochs": 2}},
            vary={"options.schedule.rate": [0.0001, 0.01]},
            objective="validation_loss",
            label="rates",
        ),
        "failed": client.submit(
            "train",
            **train
            | {
                "options": OPTIONS
                | {
                    "optimiser": {"optimiser": "sgd", "momentum": 0.99},
                    "schedule": {"schedule": "constant", "rate": 100.0},
                    "batch": 8,
                    "epochs": 40,
                }
            },
            label="diverges",
        ),
    }
    ended = {name: client.wait(job, timeout=120) for name, job in submitted.items()}
    assert {name for name, job in ended.items() if job.state != "succeeded"} == {"failed"}
    client.register_model("digits", ended["train"])
    return SimpleNamespace(values=array, **ended)


# Not of the session: as long as it lives its event loop runs in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM} (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # As root, as in many containers, Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that has been opened, and what it complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: Any) -> None:
        # The policy, and what a script throws, are told as errors.
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, view: str) -> Page:
        """Show a view, as a click on a link to it does."""
        if self.page.url.startswith(self.url):
            self.page.evaluate("hash => { location.hash = hash }", view)
            return self.page
        self.open(f"{self.url}/#{view}")
        return self.page

    def open(self, url: str) -> Response | None:
        """Load a page, and again where what it consists of was cut.

        Chromium cuts all that it loads when an interface of this machine comes or goes.
        """
        response = self.page.goto(url)
        while any("ERR_NETWORK_CHANGED" in text for text in self.complaints):
            self.complaints.clear()
            response = self.page.reload()
        return response


@contextmanager
def visited(browser: Browser, url: str) -> Iterator[Visit]:
    """Open a page of its own; it must not complain of anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(context.new_page(), url)
    yield visit
    context.close()
    assert visit.complaints == []


@pytest.fixture
def visiting(browser: Browser) -> Callable[[str], AbstractContextManager[Visit]]:
    """Return a function that opens a page of the service at a URL."""
    return partial(visited, browser)


@pytest.fixture
def visit(browser: Browser, stack: LocalStack) -> Iterator[Visit]:
    with visited(browser, stack.url) as visit:
        yield visit


@pytest.fixture
def go(visit: Visit) -> Callable[[str], Page]:
    return visit.go
