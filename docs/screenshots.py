"""Draw docs/images/dashboard-*.png: a stack of its own, real jobs, and Chromium.

``python docs/screenshots.py docs/images``
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from skimage import data as photographs
from skimage.io import imsave

import convq
from convq.client.models import Job
from convq.datasets.mnist_small import SAMPLE
from convq.stack import LocalStack
from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import load

CHROMIUM = "/usr/bin/chromium"
DESKTOP, PHONE = (1280, 1080), (390, 844)
ALBUM = ("astronaut", "coffee", "chelsea", "rocket", "camera", "moon")


class Shot(NamedTuple):
    """One picture: a view, what must be there, and how it is looked at."""

    name: str
    view: str
    complete: str
    theme: str = "light"
    size: tuple[int, int] = DESKTOP


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    with (
        tempfile.TemporaryDirectory(prefix="convq-") as kept,
        LocalStack(Path(kept) / "data", workers=2, settings={"heartbeat_interval": 1}) as stack,
        convq.Client(stack.url) as client,
        opened() as browser,
    ):
        material = Path(kept)
        jobs = run_jobs(client, material)
        with looked_at(browser, stack.url, Shot("bench", "#/bench", ".drop")) as page:
            use_the_bench(page, material)
            page.screenshot(path=folder / "dashboard-bench.png")
        with looked_at(browser, stack.url, Shot("kind", "#/gallery/match", ".inputs img")) as page:
            page.set_viewport_size({"width": 1280, "height": 1200})
            page.get_by_role("button", name="Run it").click()
            page.wait_for_selector("section[aria-label=Result] .pane canvas")
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / "dashboard-kind.png")
        with boxes(stack, client, material):
            draw(browser, stack.url, folder, Shot("boxes", "#/models", "tr.more", size=(1280, 720)))
        # Something to see in the lanes and the queue.
        busy(client, material)
        for shot in shots(jobs):
            draw(browser, stack.url, folder, shot)


def draw(browser: Browser, url: str, folder: Path, shot: Shot) -> None:
    """Write the picture of a view."""
    with looked_at(browser, url, shot) as page:
        page.wait_for_timeout(9000 if shot.view == "#/" else 1500)
        page.screenshot(path=folder / f"dashboard-{shot.name}.png")


def shots(jobs: dict[str, Job]) -> list[Shot]:
    """Return what is drawn while jobs run."""
    album, digits, sweep = (jobs[name].id for name in ("album", "digits", "sweep"))
    return [
        Shot("overview", "#/", ".lanes li"),
        Shot("overview-dark", "#/", ".lanes li", "dark"),
        Shot("overview-phone", "#/", ".lanes li", "dark", PHONE),
        Shot("jobs", "#/jobs", "tbody tr"),
        Shot("jobs-phone", "#/jobs", "tbody tr", "light", PHONE),
        Shot("job", f"#/jobs/{album}", ".pane canvas"),
        Shot("sound", f"#/jobs/{jobs['sound'].id}", ".sound canvas", "dark"),
        Shot("training", f"#/training/{digits}", ".confusion td", "dark", (1280, 1560)),
        Shot("sweep", f"#/training/{sweep}", "section[aria-label=Candidates] tbody tr"),
        Shot("gallery", "#/gallery", ".exhibits img", size=(1280, 1120)),
        Shot("model", "#/models/digits", "section[aria-label=Version] li"),
        Shot("operate", "#/operate", "section[aria-label=Workers] tbody tr", "dark"),
    ]


@contextmanager
def opened() -> Iterator[Browser]:
    """Start Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def looked_at(browser: Browser, url: str, shot: Shot) -> Iterator[Page]:
    """Open a view and wait until it is complete."""
    width, height = shot.size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.theme == "dark" else "light",
        device_scale_factor=2 if shot.size == PHONE else 1,
    )
    page.goto(f"{url}/{shot.view}")
    page.wait_for_selector(shot.complete)
    yield page
    page.close()


def use_the_bench(page: Page, material: Path) -> None:
    """Find the edges of a photograph."""
    page.set_viewport_size({"width": 1280, "height": 1580})
    page.get_by_label("picture", exact=True).set_input_files(material / "coffee.png")
    page.get_by_label("Preset").select_option("laplacian-of-gaussian")
    page.get_by_label("range").select_option("signed")
    page.wait_for_selector(".chosen")
    page.get_by_role("button", name="Convolve").click()
    page.wait_for_selector("section[aria-label=Spectra] canvas")
    page.wait_for_timeout(4000)


def run_jobs(client: convq.Client, material: Path) -> dict[str, Job]:
    """Run jobs of many sorts to their ends."""
    for name in ALBUM:
        imsave(material / f"{name}.png", getattr(photographs, name)(), check_contrast=False)
    pictures = [material / f"{name}.png" for name in ALBUM]
    (material / "chirp.wav").write_bytes(chirp())
    SAMPLE.write(material / "digits.npz")
    digits = client.upload(material / "digits.npz").digest
    train = {
        "data": digits,
        "model": {"architecture": "small-cnn"},
        "options": {"epochs": 12, "batch": 64, "schedule": {"schedule": "cosine", "rate": 0.003}},
    }
    blur: dict[str, Any] = {"preset": "gaussian", "sigma": 4}
    begun = {
        "album": client.submit(inputs=pictures, kernel=blur, label="soften the album"),
        "sound": client.submit(
            inputs=[material / "chirp.wav"], kernel={"values": [0.04] * 25}, label="chirp"
        ),
        "digits": client.submit("train", **train, label="digits"),
        "sweep": client.submit(
            "sweep",
            train={"kind": "train", **train, "options": {"epochs": 4}},
            vary={"options.schedule.rate": [0.0003, 0.003, 0.03], "options.batch": [32, 128]},
            objective="validation_accuracy",
            label="rates and batches",
        ),
        "failed": client.submit("train", **too_fast(client), label="too fast a rate"),
    }
    ended = {name: client.wait(job, timeout=900) for name, job in begun.items()}
    client.register_model("digits", ended["digits"])
    return ended


@contextmanager
def boxes(stack: LocalStack, client: convq.Client, material: Path) -> Iterator[None]:
    """Let three boxes run a model, and refuse one that somebody else has signed."""
    signing = SigningKey.new()
    command = (sys.executable, "-m", "core.edge.agent", "--server", stack.url, "--group", "cameras")
    often = ("--poll", "0.5", "--report", "1", "--trial", "1", "--any-board")
    agents = []
    for name in ("gate", "dock", "roof"):
        inbox = material / name
        inbox.mkdir()
        np.save(inbox / "one.npy", np.zeros((1, 28, 28), np.float32))
        own = ("--input", str(inbox), "--state", str(material / f"{name}-state"))
        token = ("--token", client.edge_token("cameras"), "--key", signing.public.hex())
        log = (material / f"{name}.log").open("wb")
        agents.append(subprocess.Popen([*command, *often, *own, *token], stderr=log))  # noqa: S603
    model = load(client.download_model("digits", material / "digits.safetensors"))
    for sequence, key in ((1, signing), (2, SigningKey.new())):
        while len(client.edge_boxes("cameras")) < len(agents):
            time.sleep(0.2)
        bundle = material / f"digits-{sequence}.convq"
        bundle.write_bytes(build(model, profile("x86"), key, name="digits", sequence=sequence))
        client.roll_out("cameras", bundle)
        while client.edge_group("cameras").rollout.state == "rolling":
            time.sleep(0.2)
    yield
    for agent in agents:
        agent.terminate()
        agent.wait()


def busy(client: convq.Client, material: Path) -> None:
    """Queue work for a few minutes."""
    priorities = ("interactive", "normal", "batch")
    client.submit_many(
        [
            {
                "inputs": [material / f"{ALBUM[number % len(ALBUM)]}.png"],
                "kernel": {"preset": "gaussian", "sigma": 1 + number % 5},
                "label": f"album, picture {number:03d}",
                "priority": priorities[number % 3],
            }
            for number in range(300)
        ]
    )
    slow = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    for number in range(4):
        client.submit(
            inputs=[np.zeros((6000, 6000), np.float32)],
            kernel=slow,
            method="direct",
            label=f"survey, strip {number + 1}",
            priority="interactive",
        )


def too_fast(client: convq.Client) -> dict[str, Any]:
    """Return a training that diverges."""
    random = np.random.default_rng(0)
    y = np.arange(600) % 3
    x = random.normal(size=(600, 16, 16)).astype(np.float32) + y[:, None, None] / 8
    file = io.BytesIO()
    np.savez(file, x=x, y=y)
    layers = [
        {"layer": "conv", "filters": 8, "kernel": 3},
        {"layer": "relu"},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ]
    return {
        "data": client.upload(file.getvalue()).digest,
        "model": {"input": [1, 16, 16], "layers": layers},
        "options": {
            "epochs": 40,
            "batch": 8,
            "optimiser": {"optimiser": "sgd", "momentum": 0.99},
            "schedule": {"schedule": "constant", "rate": 100.0},
        },
    }


def chirp() -> bytes:
    """Return three seconds of a tone that rises."""
    time = np.arange(24_000) / 8000
    samples = (0.5 * 32767 * np.sin(2 * np.pi * (200 + 500 * time) * time)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(samples.tobytes())
    return file.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
