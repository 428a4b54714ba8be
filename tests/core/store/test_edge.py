from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from core.store.artifacts import ArtifactStore
from core.store.edge import EdgeStore, Release
from core.store.edge_results import EdgeResults
from core.store.garbage import Garbage
from core.store.keys import KeyStore


@pytest.fixture
def store(client: redis.Redis) -> EdgeStore:
    return EdgeStore(client)


@pytest.fixture
def enrol(store: EdgeStore) -> Callable[..., str]:
    """Return a function that adds a box to a group."""

    def add(group: str = "cams", name: str = "box", tenant: str = "default") -> str:
        token = store.of(tenant).invite(group, 60)
        return store.enrol(token, group, digest=digest_of(name), name=name, about={})

    return add


@pytest.fixture
def bundle(artifacts: ArtifactStore) -> Callable[[int], Release]:
    """Return a function that stores something in a bundle's place."""

    def make(sequence: int) -> Release:
        stored = artifacts.put(f"bundle {sequence}".encode(), "application/zip")
        return Release(
            digest=stored.digest,
            size=stored.size,
            name="net",
            sequence=sequence,
            profile="x86",
            key="00" * 32,
        )

    return make


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def prove(store: EdgeStore, box: str) -> None:
    """Let a box run what it should."""
    release = store.wanted(box)
    store.report(box, {}, proved=release and release.digest, refused=None)


def test_a_token_serves_one_box(store: EdgeStore, client: redis.Redis) -> None:
    token = store.of("lab").invite("cams", 60)
    with pytest.raises(InvalidInput, match="another group"):
        store.enrol(token, "others", digest=digest_of("s"), name="n", about={})
    box = store.enrol(token, "cams", digest=digest_of("s"), name="n", about={"board": "Nano"})
    # The answer was lost, and the box asks again.
    assert store.enrol(token, "cams", digest=digest_of("s"), name="n", about={}) == box
    with pytest.raises(InvalidInput, match="another box"):
        store.enrol(token, "cams", digest=digest_of("t"), name="n", about={})
    for wrong in (token[:-1] + "~", token[:-1], "convqbox_aaaaaaaaaa_x", "", "convqbox__"):
        with pytest.raises(InvalidInput, match="not known"):
            store.enrol(wrong, "cams", digest=digest_of("s"), name="n", about={})
    key = KeyStore(client).verify(f"convq_{box}_s")
    assert (key.tenant, key.scopes) == ("lab", {"edge"})
    found = store.of("lab").box(box)
    assert (found.group, found.name, found.about) == ("cams", "n", {"board": "Nano"})
    with pytest.raises(NotFound):
        store.box(box)


def test_a_token_ends(store: EdgeStore, client: redis.Redis) -> None:
    token = store.invite("cams", 60)
    (name,) = client.keys("convq:edge:token:*")
    assert 59_000 < client.pttl(name) <= 60_000
    client.delete(name)
    with pytest.raises(InvalidInput, match="expired"):
        store.enrol(token, "cams", digest=digest_of("s"), name="n", about={})


def test_a_roll_out_goes_in_stages(
    store: EdgeStore, enrol: Callable[..., str], bundle: Callable[[int], Release]
) -> None:
    boxes = [enrol(name=str(number)) for number in range(20)]
    first = store.roll_out("cams", bundle(1))
    assert first.rollout is not None
    assert (first.rollout.share, first.rollout.chosen, first.release) == (5, 1, None)
    proved: set[str] = set()
    for share, count in ((5, 1), (50, 10), (100, 20)):
        rollout = store.group("cams").rollout
        assert rollout is not None
        assert (rollout.state, rollout.share, rollout.chosen) == ("rolling", share, count)
        chosen = [box for box in boxes if store.wanted(box) is not None]
        assert len(chosen) == count
        for box in (box for box in chosen if box not in proved):
            assert store.group("cams").rollout.share == share  # type: ignore[union-attr]
            prove(store, box)
            proved.add(box)
    group = store.group("cams")
    assert (group.rollout.state, group.release) == ("done", bundle(1))  # type: ignore[union-attr]
    # Who comes later gets what all should run.
    assert store.wanted(enrol(name="late")) == bundle(1)


def test_a_roll_out_stops_at_the_first_refusal(
    store: EdgeStore, enrol: Callable[..., str], bundle: Callable[[int], Release]
) -> None:
    boxes = [enrol(name=str(number)) for number in range(4)]
    store.roll_out("cams", bundle(1), [100])
    for box in boxes:
        prove(store, box)
    store.roll_out("cams", bundle(2))
    (one,) = [box for box in boxes if store.wanted(box) == bundle(2)]
    # What others say of it does not count, nor what is said of other versions.
    other = next(box for box in boxes if box != one)
    store.report(other, {}, proved=None, refused=(bundle(2).digest, "no"))
    store.report(one, {}, proved=bundle(1).digest, refused=(bundle(1).digest, "no"))
    assert store.group("cams").rollout.state == "rolling"  # type: ignore[union-attr]
    store.report(one, {}, proved=bundle(1).digest, refused=(bundle(2).digest, "it hangs"))
    group = store.group("cams")
    assert group.rollout is not None
    assert (group.rollout.state, group.release) == ("stopped", bundle(1))
    assert "it hangs" in str(group.rollout.reason)
    prove(store, one)
    assert {store.wanted(box) for box in boxes if box != one} == {bundle(1)}
    # An operator knows better.
    group = store.resume("cams")
    assert group.rollout is not None
    assert (group.rollout.state, group.rollout.share) == ("rolling", 50)
    assert store.stop("cams", "no").rollout.state == "stopped"  # type: ignore[union-attr]
    assert store.roll_out("cams", bundle(2)).rollout.state == "stopped"  # type: ignore[union-attr]
    # The next one takes its place.
    assert store.roll_out("cams", bundle(3)).rollout.state == "rolling"  # type: ignore[union-attr]
    with pytest.raises(Conflict, match="not newer"):
        store.roll_out("cams", bundle(2))


def test_a_box_that_is_gone_is_waited_for_no_longer(
    store: EdgeStore,
    enrol: Callable[..., str],
    bundle: Callable[[int], Release],
    client: redis.Redis,
) -> None:
    boxes = [enrol(name=str(number)) for number in range(2)]
    store.roll_out("cams", bundle(1), [100])
    prove(store, boxes[0])
    assert store.group("cams").rollout.state == "rolling"  # type: ignore[union-attr]
    store.remove(boxes[1])
    assert store.group("cams").rollout.state == "done"  # type: ignore[union-attr]
    with pytest.raises(Unauthenticated):
        KeyStore(client).verify(f"convq_{boxes[1]}_1")
    with pytest.raises(NotFound):
        store.remove(boxes[1])
    assert [box.id for box in store.boxes("cams")] == [boxes[0]]


def test_what_there_is_not(store: EdgeStore, bundle: Callable[[int], Release]) -> None:
    for ask in (store.group, store.boxes, store.resume, lambda name: store.stop(name, "")):
        with pytest.raises(NotFound):
            ask("cams")
    with pytest.raises(InvalidInput, match="no name"):
        store.invite("a:b", 60)
    with pytest.raises(InvalidInput, match="no name"):
        store.roll_out("a b", bundle(1))
    missing = Release(**vars(bundle(1)) | {"digest": "sha256:" + "0" * 64})
    with pytest.raises(NotFound, match="artifact"):
        store.roll_out("cams", missing)
    store.invite("cams", 60)
    with pytest.raises(Conflict, match="nothing is rolled out"):
        store.resume("cams")
    # Without boxes there is nobody to ask.
    group = store.roll_out("cams", bundle(1))
    assert group.release == bundle(1)
    with pytest.raises(NotFound, match="artifact"):
        store.of("others").roll_out("cams", bundle(1))


def test_only_what_boxes_may_fetch_is_kept(
    store: EdgeStore,
    enrol: Callable[..., str],
    bundle: Callable[[int], Release],
    artifacts: ArtifactStore,
    client: redis.Redis,
) -> None:
    box = enrol()
    releases = [bundle(sequence) for sequence in (1, 2, 3)]
    store.roll_out("cams", releases[0], [100])
    prove(store, box)
    store.roll_out("cams", releases[1])
    store.roll_out("cams", releases[2])
    Garbage(artifacts, client).sweep(age=-1)
    assert artifacts.get(releases[0].digest)
    assert artifacts.get(releases[2].digest)
    with pytest.raises(NotFound):
        artifacts.get(releases[1].digest)
    found = Garbage(artifacts, client).collect(0)
    assert (found.referred, found.miscounted, found.missing) == (2, (), ())


def lines(artifacts: ArtifactStore, results: EdgeResults) -> list[dict[str, Any]]:
    deliveries, _ = results.page("default", "cams", limit=1000)
    return [
        json.loads(line)
        for delivery in deliveries
        for line in artifacts.read(delivery.artifact).splitlines()
    ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32))
def test_each_result_once(
    client: redis.Redis, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """However often, and in whatever pieces, a box hands its results in."""
    client.flushall()
    store, results = EdgeStore(client), EdgeResults(client)
    artifacts = ArtifactStore(str(tmp_path_factory.mktemp("store")), client)
    token = store.invite("cams", 60)
    box = store.box(store.enrol(token, "cams", digest=digest_of("s"), name="n", about={}))
    chance = random.Random(seed)
    every = [{"value": number} for number in range(12)]
    received = 0
    while received < len(every):
        before = chance.randint(0, received)
        until = chance.randint(before, len(every))
        now = results.take(artifacts, box, "a" * 16, before, every[before:until])
        assert now == max(received, until)
        received = now
        with pytest.raises(Conflict, match="missing before"):
            results.take(artifacts, box, "a" * 16, received + 1, every)
    assert [line["value"] for line in lines(artifacts, results)] == list(range(12))
    assert [line["number"] for line in lines(artifacts, results)] == list(range(1, 13))
    # Another spool counts anew.
    assert results.take(artifacts, box, "b" * 16, 0, every) == 12
    assert len(lines(artifacts, results)) == 24


def test_two_requests_at_once(
    store: EdgeStore, enrol: Callable[..., str], artifacts: ArtifactStore, client: redis.Redis
) -> None:
    results = EdgeResults(client)
    box = store.box(enrol())
    results.take(artifacts, box, "a" * 16, 0, [{"value": 0}])
    # The second request has read the count before the first one changed it.
    results._redis = _Stale(client)
    assert results.take(artifacts, box, "a" * 16, 0, [{"value": 0}, {"value": 1}]) == 2
    results._redis = client
    assert [line["value"] for line in lines(artifacts, results)] == [0, 1]


class _Stale:
    """Says of every count that it is nothing yet."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def hget(self, key: str, field: str) -> None:
        return None


def test_results_are_forgotten_after_a_while(
    store: EdgeStore, enrol: Callable[..., str], artifacts: ArtifactStore, client: redis.Redis
) -> None:
    results = EdgeResults(client)
    for tenant in ("default", "lab"):
        box = store.of(tenant).box(enrol(tenant=tenant))
        results.take(artifacts.of(tenant), box, "a" * 16, 0, [{"value": 0}])
        results.take(artifacts.of(tenant), box, "a" * 16, 1, [{"value": 0}])
    assert results.sweep(60) == 0
    Garbage(artifacts, client).sweep(age=-1)
    assert len(lines(artifacts, results)) == 2
    assert results.sweep(-1) == 4
    assert results.page("lab", "cams") == ([], None)
    assert Garbage(artifacts, client).sweep(age=-1) == 4


def test_pages(
    store: EdgeStore, enrol: Callable[..., str], artifacts: ArtifactStore, client: redis.Redis
) -> None:
    results = EdgeResults(client)
    box = store.box(enrol())
    for number in range(5):
        results.take(artifacts, box, "a" * 16, number, [{"value": number}])
    found, cursor = [], None
    while True:
        page, cursor = results.page("default", "cams", after=cursor, limit=2)
        found += page
        if cursor is None:
            break
    assert [delivery.before for delivery in found] == list(range(5))


def test_a_removed_box_hands_in_nothing(
    store: EdgeStore, enrol: Callable[..., str], artifacts: ArtifactStore, client: redis.Redis
) -> None:
    box = store.box(enrol())
    store.remove(box.id)
    with pytest.raises(NotFound):
        EdgeResults(client).take(artifacts, box, "a" * 16, 0, [{}])
