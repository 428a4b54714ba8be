from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.negotiation import choose

OFFERED = ["image/jpeg", "image/png", "application/x-npy", "application/json"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "image/jpeg"),
        ("", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("application/*", "application/x-npy"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/png;q=0.5, application/json;q=0.6", "application/json"),
        ("image/*, image/jpeg;q=0.1", "image/png"),
        ("*/*;q=0.1, image/*;q=0", "application/x-npy"),
        ("image/jpeg;q=0, */*", "image/png"),
        ("image/png; q=0.3 , application/x-npy;Q=0.4", "application/x-npy"),
        ("image/png;level=1", "image/png"),
        ("text/html", None),
        ("image/png;q=0", None),
        ("image/png;q=nonsense", None),
        (",,", None),
    ],
)
def test_choices(accept: str | None, chosen: str | None) -> None:
    assert choose(accept, OFFERED) == chosen


@given(st.text(max_size=60))
def test_any_header_has_an_answer(accept: str) -> None:
    assert choose(accept, OFFERED) in (*OFFERED, None)


RANGES = st.sampled_from(["*/*", "image/*", "application/*", *OFFERED])


@given(st.dictionaries(RANGES, st.integers(0, 10), min_size=1))
def test_against_the_definition(qualities: dict[str, int]) -> None:
    def quality(media_type: str) -> int:
        if media_type in qualities:
            return qualities[media_type]
        general = media_type.split("/")[0] + "/*"
        return qualities.get(general, qualities.get("*/*", 0))

    best = max(quality(media_type) for media_type in OFFERED)
    expected = next(m for m in OFFERED if quality(m) == best) if best else None
    header = ", ".join(f"{name};q={value / 10}" for name, value in qualities.items())
    assert choose(header, OFFERED) == expected
