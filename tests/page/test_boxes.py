"""Boxes at the edge on the page, with an agent as boxes run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import convq
from convq.stack import LocalStack
from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec
from tests.api.test_edge_agent import Box
from tests.page.test_views import faults

pytestmark = pytest.mark.stack


@pytest.fixture
def signing() -> SigningKey:
    return SigningKey.new()


@pytest.fixture
def box(
    stack: LocalStack, client: convq.Client, tmp_path: Path, signing: SigningKey
) -> Iterator[Box]:
    made = Box(stack.url, tmp_path, signing.public.hex(), client.edge_token("cams"))
    made.start()
    yield made
    made.close()


def bundle(path: Path, sequence: int, key: SigningKey) -> Path:
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    model = Model(spec, Network(spec).init(seed=0), {})
    path.write_bytes(build(model, profile("x86"), key, name="net", sequence=sequence))
    return path


def test_a_roll_out_is_followed_box_by_box_and_steered(
    go: Callable[[str], Page], client: convq.Client, box: Box, signing: SigningKey, tmp_path: Path
) -> None:
    page = go("/models")
    group = page.locator("section[aria-label='Edge: cams']")
    row = group.locator("tbody tr").first
    expect(row).to_contain_text("well")
    expect(group).to_contain_text("runs nothing yet")
    client.roll_out("cams", bundle(tmp_path / "good", 1, signing))
    expect(group.locator("header .pill")).to_have_text("done")
    expect(group).to_contain_text("version 1 for 100 %: 1 of 1 boxes have proved it")
    expect(row).to_contain_text("net 1")
    # The box takes it from nobody else.
    client.roll_out("cams", bundle(tmp_path / "forged", 2, SigningKey.new()))
    expect(group.locator("header .pill")).to_have_text("stopped")
    expect(group.locator(".note")).to_contain_text("signed by another key")
    expect(group.locator("tr.more")).to_contain_text("refused")
    page.set_viewport_size({"width": 390, "height": 844})
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    group.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
    assert client.edge_group("cams").rollout.state == "stopped"  # type: ignore[union-attr]
    group.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Go on").click()
    expect(page.locator(".toast")).to_have_text("The next stage begins.")
