"""API keys in the store: what is kept of them, and how they are checked and limited."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.errors import InvalidInput, NotFound, RateLimited, Unauthenticated
from core.store.connection import Scripts
from core.store.keys import KeyStore


@pytest.fixture
def keys(client: redis.Redis) -> KeyStore:
    return KeyStore(client)


def test_a_key_is_found_by_its_text_and_nothing_of_the_secret_is_stored(
    keys: KeyStore, client: redis.Redis
) -> None:
    key, text = keys.create(tenant="lab", scopes=["read", "submit"], label="Ada's", lasts=3600)
    assert re.fullmatch(r"convq_[2-9a-z]{10}_[A-Za-z0-9_-]{43}", text)
    assert keys.verify(text) == keys.get(key.id) == key
    assert (key.tenant, key.scopes, key.label) == ("lab", {"read", "submit"}, "Ada's")
    assert key.created == pytest.approx(time.time(), abs=5)
    assert key.expires == pytest.approx(key.created + 3600, abs=0.01)
    secret = text.split("_", 2)[2]
    assert secret not in repr(key)
    assert key.digest not in repr(key)
    for name in client.scan_iter():
        kept: Any = client.dump(name)
        assert secret.encode() not in str(kept).encode()
        if client.type(name) == "hash":
            assert secret not in str(client.hgetall(name))


def test_two_keys_differ_in_all_their_bits(keys: KeyStore) -> None:
    texts = {keys.create(tenant="lab", scopes=["read"])[1] for _ in range(20)}
    assert len({text.split("_", 2)[1] for text in texts}) == 20
    assert len({text.split("_", 2)[2] for text in texts}) == 20


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text.replace("convq_", "other_"),
        lambda text: text.rpartition("_")[0],
        lambda text: "convq_" + "2" * 10 + "_" + text.split("_", 2)[2],
        lambda text: "convq_*_" + text.split("_", 2)[2],
        lambda text: f"convq_{'x' * 100_000}_",
        lambda text: f"convq_{text.split('_', 2)[1]}_\ud800",
    ],
)
def test_what_is_not_the_text_of_a_key_is_refused(keys: KeyStore, spoil: Any) -> None:
    _, text = keys.create(tenant="lab", scopes=["read"])
    with pytest.raises(Unauthenticated):
        keys.verify(spoil(text))


def test_the_digest_in_the_record_is_not_a_key(keys: KeyStore) -> None:
    key, _ = keys.create(tenant="lab", scopes=["read"])
    with pytest.raises(Unauthenticated):
        keys.verify(f"convq_{key.id}_{key.digest}")


def test_a_revoked_key_is_gone(keys: KeyStore, client: redis.Redis) -> None:
    key, text = keys.create(tenant="lab", scopes=["read"])
    keys.use(key, rate=1, burst=5)
    keys.revoke(key.id)
    with pytest.raises(Unauthenticated):
        keys.verify(text)
    with pytest.raises(Unauthenticated):
        keys.use(key, rate=1, burst=5)
    with pytest.raises(NotFound):
        keys.revoke(key.id)
    assert client.keys("*") == []


def test_an_expired_key_is_refused_by_the_clock_of_the_server(
    keys: KeyStore, client: redis.Redis
) -> None:
    key, text = keys.create(tenant="lab", scopes=["read"], lasts=3600)
    keys.use(key, rate=0, burst=1)
    client.hset(f"convq:key:{key.id}", "expires", round(time.time() * 1000) - 1)
    with pytest.raises(Unauthenticated, match="expired"):
        keys.use(keys.verify(text), rate=0, burst=1)


def test_keys_are_listed_by_tenant(keys: KeyStore) -> None:
    made = [keys.create(tenant=tenant, scopes=["read"])[0] for tenant in ("b", "a", "b")]
    assert keys.all() == [made[1], made[0], made[2]] or keys.all() == [made[1], made[2], made[0]]


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("tenant", {"tenant": "A:b"}),
        ("scopes", {"scopes": ["read", "fly"]}),
        ("scopes", {"scopes": []}),
        ("label", {"label": "x" * 101}),
        ("expires", {"lasts": 0.0}),
        ("expires", {"lasts": math.nan}),
        ("rate", {"rate": -1.0}),
        ("burst", {"burst": 0}),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    keys: KeyStore, client: redis.Redis, field: str, more: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        keys.create(**({"tenant": "lab", "scopes": ["read"]} | more))
    assert caught.value.field == field
    assert client.keys("*") == []


def test_a_bucket_gives_what_it_holds_and_then_what_flows_in(
    keys: KeyStore, client: redis.Redis
) -> None:
    key, _ = keys.create(tenant="lab", scopes=["read"], rate=20, burst=3)
    # A token flows in every 50 ms, which three calls may take on a busy machine.
    keys._scripts = Clocked(client)
    client.mset({"s": 1_000_000, "us": 0})
    left = [keys.use(key, rate=1, burst=1) for _ in range(3)]
    assert [allowance and allowance[:2] for allowance in left] == [(2, 3), (1, 3), (0, 3)]
    with pytest.raises(RateLimited) as caught:
        keys.use(key, rate=1, burst=1)
    assert 0 < caught.value.seconds <= 0.05
    client.set("us", round(caught.value.seconds * 1e6))
    assert keys.use(key, rate=1, burst=1) is not None


def test_a_key_without_a_limit_is_never_refused_and_leaves_no_bucket(
    keys: KeyStore, client: redis.Redis
) -> None:
    key, _ = keys.create(tenant="lab", scopes=["read"], rate=0)
    assert [keys.use(key, rate=1, burst=1) for _ in range(5)] == [None] * 5
    assert client.keys("convq:bucket:*") == []


def test_the_last_use_is_known_to_the_minute(keys: KeyStore, client: redis.Redis) -> None:
    key, _ = keys.create(tenant="lab", scopes=["read"])
    assert key.used is None
    keys.use(key, rate=0, burst=1)
    used = keys.get(key.id).used
    assert used == pytest.approx(time.time(), abs=5)
    keys.use(key, rate=0, burst=1)
    assert keys.get(key.id).used == used
    client.hincrby(f"convq:key:{key.id}", "used", -61_000)
    keys.use(key, rate=0, burst=1)
    assert keys.get(key.id).used == pytest.approx(time.time(), abs=5)


class Clocked(Scripts):
    """Scripts whose clock stands in a key of Redis."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client, "convq")
        for name, script in self._scripts.items():
            text = str(script.script).replace("redis.call('TIME')", "redis.call('MGET', 's', 'us')")
            self._scripts[name] = client.register_script(text)


@hypothesis_settings(max_examples=40)
@given(
    rate=st.integers(1, 50),
    burst=st.integers(1, 20),
    pauses=st.lists(st.integers(-500, 3000), max_size=40),
)
def test_a_bucket_fills_and_empties_as_its_definition_says(
    redis_server: Any, rate: int, burst: int, pauses: list[int]
) -> None:
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.flushall()
        keys = KeyStore(client)
        key = replace(keys.create(tenant="lab", scopes=["read"])[0], rate=rate, burst=burst)
        keys._scripts = Clocked(client)
        clock = 1_000_000_000
        tokens, last = float(burst), clock
        for pause in pauses:
            clock += pause  # backwards, too
            client.mset({"s": clock // 1000, "us": clock % 1000 * 1000})
            now = min(burst, tokens + max(0, clock - last) * rate / 1000)
            if now >= 1 - 1e-9:
                tokens, last = now - 1, clock
                allowance = keys.use(key, rate=1, burst=1)
                assert allowance is not None
                assert allowance.left in (math.floor(tokens), round(tokens))
            else:
                with pytest.raises(RateLimited) as caught:
                    keys.use(key, rate=1, burst=1)
                assert caught.value.seconds * 1000 == pytest.approx(
                    (1 - now) * 1000 / rate, abs=1.01
                )
