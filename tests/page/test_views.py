"""Every view of the dashboard in Chromium, with real jobs."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

import convq
from api.app import create_app
from api.server import make_server
from convq.stack import LocalStack
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore
from core.store.keys import SCOPES, KeyStore
from core.store.tenants import DEFAULT

pytestmark = pytest.mark.stack

Go = Callable[[str], Page]

# By view: what it is called, and what is there when it is complete.
VIEWS = {
    "/": ("Overview", "section[aria-label='Newest jobs'] tbody tr"),
    "/jobs": ("Jobs", "section[aria-label='Jobs'] tbody tr"),
    "/jobs/{album}": ("album", "section[aria-label='Results'] .pane canvas"),
    "/jobs/{array}": ("array", "section[aria-label='Results'] .pane canvas"),
    "/jobs/{sound}": ("sound", "section[aria-label='Results'] .sound canvas"),
    "/training": ("Training", "section[aria-label='Trainings'] tbody tr"),
    "/training/{train}": ("digits", "section[aria-label='Confusion'] td"),
    "/training/{sweep}": ("rates", "section[aria-label='Candidates'] tbody tr"),
    "/bench": ("Bench", "section[aria-label='Kernel'] canvas"),
    "/gallery": ("Gallery", ".exhibits img"),
    "/gallery/spectrum": ("spectrum", "section[aria-label='Input'] img"),
    "/models": ("Models", "section[aria-label='Models'] tbody tr"),
    "/models/digits": ("digits", "section[aria-label='Version'] li"),
    "/operate": ("Operate", "section[aria-label='Dead jobs'] tbody tr"),
}


def faults(page: Page) -> list[Any]:
    answer = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        (fault["id"], [node["html"][:200] for node in fault["nodes"][:3]])
        for fault in answer.response["violations"]
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_complete_and_accessible_in_both_themes_and_on_a_phone(
    go: Go, jobs: SimpleNamespace, view: str
) -> None:
    title, complete = VIEWS[view]
    page = go(view.format(**{name: getattr(job, "id", "") for name, job in vars(jobs).items()}))
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator(complete).first).to_be_visible()
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert faults(page) == []
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]


def test_the_page_comes_with_a_strict_policy_and_from_this_host_alone(
    visit: Any, jobs: SimpleNamespace, stack: LocalStack
) -> None:
    page, asked = visit.page, []
    page.on("request", lambda request: asked.append(request.url))
    response = visit.open(stack.url)
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(
        policy.split("; ")
    )
    expect(page.locator(".lanes li").first).to_be_visible()
    assert {httpx.URL(url).host for url in asked if not url.startswith("blob:")} == {"127.0.0.1"}


def test_the_overview_counts_what_the_service_counts(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    page = go("/")
    dead = client.queue().counts["failed"]
    tile = page.locator(".tile", has_text="Dead").locator(".figure")
    expect(tile).to_have_text(str(dead))
    expect(page.locator(".lanes .pill")).to_have_text("up")
    client.pause()
    try:
        job = client.submit(inputs=[np.zeros((4, 4))], kernel="box")
        expect(page.locator(".tile", has_text="Ready").locator(".figure")).to_have_text("1")
        expect(page.locator(".tile", has_text="Ready")).to_contain_text("paused")
        client.cancel(job)
        expect(page.locator(".tile", has_text="Ready").locator(".figure")).to_have_text("0")
    finally:
        client.resume()


def test_jobs_are_filtered_and_found_by_text(go: Go, jobs: SimpleNamespace) -> None:
    page = go("/jobs?state=failed")
    rows = page.locator("section[aria-label='Jobs'] tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("diverges")
    page.get_by_label("State").select_option("")
    page.get_by_label("Kind").select_option("sweep")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("rates")
    page.get_by_label("Kind").select_option("")
    page.get_by_label("Text").fill("ALBU")
    page.get_by_label("Text").press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("album")
    assert page.evaluate("location.hash") == "#/jobs?text=ALBU"


def test_pages_of_jobs_are_turned_and_never_loaded_as_a_whole(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    spec = {"inputs": [np.zeros((2, 2))], "kernel": "box", "label": "many"}
    client.pause()
    try:
        many = client.submit_many([spec] * 120)
        page = go("/jobs?label=many")
        rows = page.locator("section[aria-label='Jobs'] tbody tr")
        expect(rows).to_have_count(50)
        newest = rows.first.locator("a").get_attribute("href")
        for left in (50, 20):
            page.get_by_role("button", name="Older").click()
            expect(rows).to_have_count(left)
        expect(page.get_by_role("button", name="Older")).to_be_disabled()
        page.get_by_role("button", name="Newer").click()
        page.get_by_role("button", name="Newer").click()
        expect(rows.first.locator("a")).to_have_attribute("href", newest or "")
        # All that match are more than a page holds.
        page.goto(page.url.split("#")[0] + "#/jobs?label=many&state=queued")
        page.get_by_label("select all jobs of this page").check()
        page.get_by_role("button", name="Cancel all that match").click()
        page.get_by_role("button", name="Cancel all", exact=True).click()
        expect(page.get_by_text("No job matches these filters.")).to_be_visible()
        states = {client.job(job.id).state for job in many if not isinstance(job, Exception)}
        assert states == {"cancelled"}
    finally:
        client.resume()


def test_many_jobs_are_cancelled_and_retried_after_a_question(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    client.pause()
    try:
        three = [
            client.submit(inputs=[np.zeros((4, 4))], kernel="box", label="bulk") for _ in range(3)
        ]
        page = go("/jobs?label=bulk")
        for job in three[:2]:
            page.get_by_label(f"select job {job.id}").check()
        page.get_by_role("button", name="Cancel", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Leave it").click()
        assert [client.job(job.id).state for job in three] == ["queued"] * 3
        page.get_by_role("button", name="Cancel", exact=True).click()
        dialog.get_by_role("button", name="Cancel 2").click()
        expect(page.locator(".toast")).to_contain_text("2 cancelled")
        assert [client.job(job.id).state for job in three] == ["cancelled", "cancelled", "queued"]
        expect(page.locator("tbody .pill.is-cancelled")).to_have_count(2)
        page.get_by_label(f"select job {three[0].id}").check()
        page.get_by_role("button", name="Retry", exact=True).click()
        dialog.get_by_role("button", name="Retry 1").click()
        expect(page.locator("tbody .pill.is-queued")).to_have_count(2)
    finally:
        client.resume()
    assert client.wait(three[0], timeout=30).state == "succeeded"


def test_a_job_is_followed_while_it_happens(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    client.pause()
    try:
        job = client.submit(inputs=[np.ones((8, 8))], kernel="box", label="followed")
        page = go(f"/jobs/{job.id}")
        expect(page.locator("section[aria-label='State'] .pill")).to_have_text("queued")
        expect(page.get_by_text("Results are committed when the job has ended")).to_be_visible()
    finally:
        client.resume()
    expect(page.locator("section[aria-label='State'] .pill")).to_have_text("succeeded")
    expect(page.locator("section[aria-label='Results'] canvas")).to_have_count(2)
    expect(page.locator(".timeline li")).to_have_count(2)


def test_a_job_says_which_device_it_waits_for(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    job = client.submit(inputs=[np.ones((8, 8))], kernel="box", device="gpu")
    facts = go(f"/jobs/{job.id}").locator(".facts").first
    expect(facts).to_contain_text("Runs onworkers with a GPU")
    expect(facts).to_contain_text("Waits fora worker with a GPU")
    client.cancel(job)


def test_a_view_that_is_left_ends_its_stream(
    visit: Any, client: convq.Client, jobs: SimpleNamespace
) -> None:
    client.pause()
    try:
        job = client.submit(inputs=[np.ones((8, 8))], kernel="box")
        streams: list[Any] = []
        visit.page.on(
            "request", lambda request: streams.append(request) if "/events" in request.url else None
        )
        ended: list[str] = []
        visit.page.on("requestfailed", lambda request: ended.append(request.url))
        visit.go(f"/jobs/{job.id}")
        expect(visit.page.locator(".events li").first).to_be_visible()
        visit.go("/operate")
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("Operate")
        visit.page.wait_for_function("() => true")
        assert [stream.url for stream in streams] == [url for url in ended if "/events" in url]
        client.cancel(job)
    finally:
        client.resume()


def test_the_plan_marks_what_was_chosen_and_what_it_took(go: Go, jobs: SimpleNamespace) -> None:
    page = go(f"/jobs/{jobs.album.id}")
    (first, *_) = jobs.album.plan.groups
    chosen = page.locator("section[aria-label='Plan'] tr.chosen").first
    expect(chosen.locator("th")).to_have_text(f"{first.chosen} chosen")
    expect(chosen.locator("td").nth(1)).not_to_have_text("–")
    expect(page.locator("section[aria-label='Plan'] details")).to_have_count(1)
    told = page.locator("section[aria-label='Do it again'] pre")
    body = json.loads(re.search(r"-d '(.*)'$", told.first.inner_text(), re.DOTALL)[1])  # type: ignore[index]
    assert (body["kind"], body["label"]) == ("convolve", "album")
    assert "boundary" not in body
    again = httpx.post(f"{page.url.split('/#')[0]}/v1/plans", json=body)
    assert again.status_code == 200
    source = told.last.inner_text()
    compile(source, "python", "exec")
    assert "sigma" in source


def test_pictures_are_compared_and_zoomed_with_the_keyboard(go: Go, jobs: SimpleNamespace) -> None:
    page = go(f"/jobs/{jobs.album.id}")
    pane = page.locator(".pane")
    expect(pane.locator("canvas")).to_have_count(2)
    slider = page.get_by_label("where the input ends and the result begins")
    before = pane.locator("canvas").last.evaluate("node => node.style.clipPath")
    slider.press("ArrowRight")
    assert pane.locator("canvas").last.evaluate("node => node.style.clipPath") != before
    pane.press("+")
    expect(page.get_by_text("150 %")).to_be_visible()
    pane.press("0")
    expect(page.get_by_text("100 %")).to_be_visible()
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator(".pane")).to_have_count(2)
    page.locator(".strip button").nth(1).click()
    expect(page.locator(".strip button").nth(1)).to_have_attribute("aria-pressed", "true")


def test_the_numbers_of_an_array_are_told_under_the_pointer(go: Go, jobs: SimpleNamespace) -> None:
    page = go(f"/jobs/{jobs.array.id}")
    page.get_by_role("button", name="Result", exact=True).click()
    page.get_by_label("colour map").select_option("magma")
    canvas = page.locator(".pane canvas")
    expect(canvas).to_have_attribute("width", "30")
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": 0.5 / 30 * 30, "y": 0.5}, force=True)
    expect(page.locator(".viewer [role=status]")).to_have_text(f"[0, 0] = {jobs.values[0, 0]:.6g}")
    page.goto(page.url.split("#")[0] + f"#/jobs/{jobs.bank.id}")
    page.get_by_label("which map").select_option("2")
    expect(page.get_by_label("which map").locator("option")).to_have_count(3)


def test_hostile_names_are_text_everywhere(
    visit: Any, go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    from_label = jobs.hostile.label
    # The newest job is on every page.
    client.submit(inputs=[np.ones((4, 4))], kernel="box", label=from_label)
    for view in ("/jobs", f"/jobs/{jobs.hostile.id}", "/"):
        page = go(view)
        expect(page.get_by_text(from_label, exact=True).first).to_be_visible()
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x]").count() == 0
    page = go("/jobs?label=" + "%3Cb%3E")
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    page = go("/jobs/%3Cimg%20src%3Dx%3E")
    expect(page.get_by_role("alert")).to_contain_text("no such job")
    page = go("/models/%3Cimg%20src%3Dx%3E")
    expect(page.get_by_role("alert").last).to_be_visible()
    assert page.evaluate("window.hacked") is None
    # The browser itself tells of answers with 404, which were asked for here.
    visit.complaints = [text for text in visit.complaints if "404 (Not Found)" not in text]


def test_a_training_shows_its_curves_its_filters_and_its_mistakes(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    figures = json.loads(client.result(jobs.train, "metrics.json", as_="bytes"))
    page = go(f"/training/{jobs.train.id}")
    cells = page.locator("section[aria-label='Confusion'] tbody td")
    expect(cells).to_have_count(9)
    shown = [[int(text or 0)] for text in cells.all_inner_texts()]
    assert np.reshape(shown, (3, 3)).tolist() == figures["evaluation"]["confusion"]
    points = page.locator("section[aria-label='Loss'] .chart .point")
    expect(points).to_have_count(2 * 3)
    mistakes = page.locator("section[aria-label='Most wrong'] li")
    expect(mistakes).to_have_count(len(figures["evaluation"]["mistakes"]))
    expect(mistakes.first.locator("canvas")).to_have_attribute("width", "12")
    tiles = page.locator("section[aria-label='First layer'] canvas")
    expect(tiles).to_have_count(4)
    expect(page.get_by_text("after epoch 3")).to_be_visible()
    page.get_by_label("epoch", exact=True).press("Home")
    expect(page.get_by_text("after epoch 1")).to_be_visible()
    page.get_by_role("button", name="Feature maps").click()
    expect(tiles.first).to_have_attribute("width", "10")


def test_candidates_of_a_sweep_are_sorted_and_their_curves_chosen(
    go: Go, jobs: SimpleNamespace
) -> None:
    page = go(f"/training/{jobs.sweep.id}")
    table = page.locator("section[aria-label='Candidates']")
    expect(table.locator("tbody tr")).to_have_count(2)
    lines = page.locator("section[aria-label='Curves'] .chart .line")
    expect(lines).to_have_count(2)
    for _ in range(2):
        table.get_by_role("button", name="options.schedule.rate").click()
    expect(table.locator("tbody tr").first).to_contain_text("1.0e-4")
    table.locator("tbody input").first.uncheck()
    expect(lines).to_have_count(1)


def test_the_bench_plans_at_once_and_computes_what_was_typed(
    go: Go, jobs: SimpleNamespace, client: convq.Client, tmp_path: Path
) -> None:
    x = np.random.default_rng(2).normal(size=(24, 40))
    np.save(tmp_path / "field.npy", x)
    page = go("/bench")
    page.get_by_role("button", name="Type it").click()
    page.get_by_role("textbox").fill("0 1\n2 3 4")
    expect(page.get_by_text("the same number of taps")).to_be_visible()
    page.get_by_role("textbox").fill("0 1 0\n1 -4 1\n0 1 0")
    page.get_by_label("picture", exact=True).set_input_files(tmp_path / "field.npy")
    expect(page.locator("section[aria-label='Plan'] tr.chosen")).to_have_count(1)
    curves = page.locator("section[aria-label='Where algorithms cross'] .chart .line")
    expect(curves.nth(1)).to_be_visible()
    page.get_by_role("button", name="Convolve").click()
    expect(page.locator("section[aria-label='Result'] .pane canvas")).to_have_count(2)
    expect(page.locator("section[aria-label='Spectra'] canvas")).to_have_count(2)
    (job, *_) = client.jobs(label="bench: a typed kernel")
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    result = np.load(io.BytesIO(client.result(job, "field.npy", as_="bytes")))
    expected = convq.convolve(x, laplacian, mode="same", boundary="reflect")
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_every_sample_of_the_gallery_is_a_job_that_succeeds(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    page = go("/gallery")
    expect(page.locator(".exhibits li")).to_have_count(len(client.kinds().kinds))
    begun = page.evaluate(
        """async () => {
            const { SAMPLES } = await import("/ui/js/lib/samples.js");
            const { uploaded, within } = await import("/ui/js/parts/sample.js");
            const { post } = await import("/ui/js/lib/api.js");
            const begin = async ([kind, sample]) => {
                const { named } = await uploaded(sample);
                return [kind, (await post("/v1/jobs", within({ kind, ...sample.body }, named))).id];
            };
            const ready = Object.entries(SAMPLES).filter(([, { needs }]) => !needs);
            return Object.fromEntries(await Promise.all(ready.map(begin)));
        }"""
    )
    assert len(begun) > 10
    ended = {kind: client.wait(job, timeout=120).state for kind, job in begun.items()}
    assert set(ended.values()) == {"succeeded"}, ended
    # What one sample makes another one wants.
    page.evaluate("hash => { location.hash = hash }", "/gallery/train")
    page.get_by_role("button", name="Run it").click()
    page.get_by_role("button", name="Keep it as model shapes").click()
    expect(page.locator(".toast")).to_have_text("shapes has version 1.")
    page.get_by_role("link", name="Predict with it").click()
    page.get_by_role("button", name="Run it").click()
    expect(page.locator("section[aria-label='Result'] pre")).to_contain_text("triangle.png")


def test_a_kind_of_job_is_tried_on_a_file_of_ones_own_as_the_form_says(
    visit: Any, jobs: SimpleNamespace, client: convq.Client, tmp_path: Path
) -> None:
    page = visit.go("/gallery/diffuse")
    np.save(tmp_path / "field.npy", np.random.default_rng(3).normal(size=(24, 32)))
    page.get_by_label("file", exact=True).set_input_files(tmp_path / "field.npy")
    expect(page.locator("section[aria-label='Input']")).to_contain_text("field.npy, 24 × 32")
    page.get_by_role("combobox", name="method").select_option("heat")
    page.get_by_role("spinbutton", name="time").fill("3")
    page.get_by_role("spinbutton", name="edge").fill("")
    more = page.get_by_label("More, as JSON")
    more.fill("{")
    expect(page.locator("section[aria-label='Options'] [role=alert]")).not_to_be_empty()
    more.fill("{}")
    page.get_by_role("spinbutton", name="frames").fill("-1")
    expect(page.locator("section[aria-label='Plan']")).to_contain_text("frames:")
    page.get_by_role("spinbutton", name="frames").fill("4")
    expect(page.locator("section[aria-label='Plan']")).to_contain_text("1 × 24 × 32 float64")
    page.get_by_role("button", name="Run it").click()
    # The film is a picture that moves by itself.
    expect(page.locator("section[aria-label='Result'] .film img")).to_be_visible()
    (job, *_) = client.jobs(label="gallery: diffuse")
    body = httpx.get(f"{client.url}/v1/jobs/{job.id}/body").json()
    assert (body["method"], body["time"], body["frames"], body["edge"]) == ("heat", 3, 4, None)
    # The browser itself tells of the plan that was refused.
    visit.complaints = [text for text in visit.complaints if "status of 422" not in text]


def test_an_operator_holds_the_queue_drains_a_worker_and_looks_at_the_store(
    go: Go, jobs: SimpleNamespace, client: convq.Client
) -> None:
    page = go("/operate")
    queue = page.locator("section[aria-label='Queue']")
    queue.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(queue).to_contain_text("Paused")
    assert client.queue().paused
    queue.get_by_role("button", name="Resume").click()
    expect(queue.get_by_role("button", name="Pause")).to_be_visible()
    assert not client.queue().paused
    workers = page.locator("section[aria-label='Workers']")
    workers.get_by_role("button", name="Drain").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(workers.locator(".pill")).to_have_text("draining")
    workers.get_by_role("button", name="Resume").click()
    expect(workers.locator(".pill")).to_have_text("up")
    page.get_by_role("button", name="What would be deleted?").click()
    expect(page.locator("section[aria-label='Storage']")).to_contain_text("Would go")
    plans = page.locator("section[aria-label='Plans'] tbody tr")
    told = {figures.algorithm: f"{figures.inputs:,}" for figures in client.plan_figures()}
    assert told
    expect(plans).to_have_text([re.compile(f"^{name}{inputs}") for name, inputs in told.items()])
    dead = page.locator("section[aria-label='Dead jobs'] tbody tr", has_text="diverges")
    expect(dead.locator("code")).to_have_text("diverged")


def test_a_model_shows_its_lineage_and_is_made_production(
    go: Go, jobs: SimpleNamespace, stack: LocalStack
) -> None:
    page = go("/models/digits")
    version = page.locator("section[aria-label='Version']")
    expect(page.get_by_role("link", name=jobs.train.id)).to_be_visible()
    assert version.locator("ol li").count() == len(
        ["standardize", "conv", "relu", "flatten", "dense"]
    )
    page.get_by_role("button", name="Make production").click()
    page.get_by_role("button", name="Point it there").click()
    expect(page.locator(".alias", has_text="production")).to_be_visible()
    assert httpx.get(f"{stack.url}/v1/models/digits").json()["aliases"] == {"production": 1}


def test_the_theme_is_kept_and_the_page_is_used_without_a_mouse(
    go: Go, jobs: SimpleNamespace
) -> None:
    page = go("/")
    page.get_by_role("button", name="Theme: auto").press("Enter")
    page.get_by_role("button", name="Theme: light").press("Enter")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Operate").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Operate")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_while_the_service_is_away_the_page_says_so_and_comes_back(
    visit: Any, jobs: SimpleNamespace
) -> None:
    page = visit.go("/")
    expect(page.locator(".lanes li").first).to_be_visible()
    page.context.set_offline(True)
    alert = page.get_by_text("The service does not answer")
    expect(alert).to_be_visible()
    page.context.set_offline(False)
    expect(alert).to_be_hidden()
    # The browser itself tells of requests that did not get through.
    visit.complaints = [text for text in visit.complaints if "ERR_INTERNET_DISC" not in text]


@pytest.fixture
def guarded(stack: LocalStack) -> Iterator[str]:
    """Serve the same jobs with keys on; give the URL."""
    settings = Settings(redis_url=stack.redis_url, store_url=stack.store_url, keys=True)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = make_server(create_app(settings), "127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_with_keys_the_page_asks_for_one_and_forgets_it_with_the_tab(
    visiting: Any, stack: LocalStack, guarded: str, jobs: SimpleNamespace, client: convq.Client
) -> None:
    store = KeyStore(connect(Settings(redis_url=stack.redis_url)))
    right, reader = (
        store.create(tenant=DEFAULT, scopes=scopes)[1] for scopes in (SCOPES, ["read"])
    )
    lab = JobStore(connect(Settings(redis_url=stack.redis_url))).of("lab")
    client.pause()
    lab.cancel(lab.submit(kind="convolve", spec="{}", label="theirs")[0].id)
    client.resume()
    with visiting(guarded) as visit:
        page = visit.go("/jobs")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Key").fill("convq_nonsense")
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog).to_contain_text("does not take the key")
        dialog.get_by_label("Key").fill(right)
        dialog.get_by_role("button", name="Use this key").click()
        expect(page.locator("section[aria-label='Jobs'] tbody tr").first).to_be_visible()
        page.get_by_label("Tenant").select_option("lab")
        row = page.locator("section[aria-label='Jobs'] tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("theirs")
        expect(row.get_by_role("checkbox")).to_be_disabled()
        assert row.get_by_role("link").count() == 0
        page.get_by_label("Label").fill("album")
        page.get_by_label("Label").press("Enter")
        expect(page.get_by_text("No job matches these filters.")).to_be_visible()
        page.get_by_label("Tenant").select_option("all")
        expect(row.filter(has_text="album").get_by_role("link")).to_be_visible()
        visit.go(f"/jobs/{jobs.album.id}")
        expect(page.locator(".pane canvas")).to_have_count(2)
        assert right in page.evaluate("Object.values(sessionStorage)")
        assert right not in str(page.evaluate("Object.values(localStorage)"))
        assert right not in page.content()
        page.evaluate("key => sessionStorage.setItem('convq-key', key)", reader)
        visit.go("/operate")
        expect(page.get_by_role("alert").last).to_contain_text("lacks the scope admin")
        # The browser itself tells of answers with 401 and 403, which were asked for here.
        visit.complaints = [text for text in visit.complaints if "status of 40" not in text]
    with visiting(guarded) as other:
        page = other.go("/jobs")
        expect(page.get_by_role("dialog")).to_contain_text("wants an API key")
        other.complaints.clear()


def test_a_job_that_failed_has_room_on_a_phone(go: Go, jobs: SimpleNamespace) -> None:
    page = go(f"/jobs/{jobs.failed.id}")
    page.set_viewport_size({"width": 390, "height": 844})
    attempt = page.locator(".timeline li", has_text="attempt").last
    expect(attempt.locator(".reason")).to_be_visible()
    # Nothing is cut off, and the buttons stay in one line.
    assert attempt.locator(".who").evaluate("who => who.scrollWidth <= who.clientWidth")
    tops = page.locator(".top button").evaluate_all(
        "all => new Set(all.map(one => one.getBoundingClientRect())"
        ".map(({top, height}) => Math.round(top + height / 2))).size"
    )
    assert tops == 1
