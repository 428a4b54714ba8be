"""A page that stays open holds no more after many visits than after a few."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import expect

from bench.page.day import FAST, held
from tests.page.test_views import VIEWS

pytestmark = pytest.mark.stack

# One view that is not let go of has hundreds of elements.
_GROWTH = 1.2
_TRIES = 50


def test_views_that_were_left_are_let_go_of(visit: Any, jobs: SimpleNamespace) -> None:
    page = visit.page
    page.add_init_script(FAST.replace("TIMES", "100"))
    devtools = page.context.new_cdp_session(page)
    ids = {name: getattr(job, "id", "") for name, job in vars(jobs).items()}

    def visit_all() -> None:
        for view, (title, complete) in VIEWS.items():
            visit.go(view.format(**ids))
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            expect(page.locator(complete).first).to_be_visible()
        # This one asks for nothing while it is shown.
        visit.go("/gallery")
        expect(page.locator(VIEWS["/gallery"][1]).first).to_be_visible()

    # Scripts are loaded and compiled in the first round.
    visit_all()
    once = held(devtools)
    visit_all()
    visit_all()
    for _ in range(_TRIES):
        now = held(devtools)
        if all(now[name] < _GROWTH * once[name] for name in once):
            break
        # Requests that were under way have yet to end.
        page.wait_for_timeout(100)
    else:
        pytest.fail(f"held {once}, now {now}")
