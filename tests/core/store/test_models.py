"""The registry of models, against a real Redis."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from core.errors import Conflict, InvalidInput, NotFound
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage
from core.store.models import ModelStore, Version
from core.store.references import parse_reference


@pytest.fixture
def models(client: redis.Redis) -> ModelStore:
    return ModelStore(client)


def register(
    models: ModelStore, artifacts: ArtifactStore, data: bytes = b"one", name: str = "digits"
) -> Version:
    digest = artifacts.put(data, "application/octet-stream").digest
    return models.register(name, digest=digest, document="{}", metrics={"loss": 0.5}, job="j")[0]


def test_versions_are_counted(models: ModelStore, artifacts: ArtifactStore) -> None:
    first, second = (register(models, artifacts, data) for data in (b"one", b"two"))
    assert (first.number, second.number) == (1, 2)
    assert models.version("digits", 2) == second
    assert (second.job, second.metrics, second.document) == ("j", {"loss": 0.5}, "{}")
    model = models.model("digits")
    assert (model.versions, model.latest, model.aliases) == (2, 2, {})
    assert model.created == first.created <= second.created
    assert register(models, artifacts, name="other").number == 1


def test_the_same_file_is_the_same_version(models: ModelStore, artifacts: ArtifactStore) -> None:
    digest = artifacts.put(b"one", "application/octet-stream").digest
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: models.register("digits", digest=digest, document="{}", metrics={}),
                range(32),
            )
        )
    assert [version.number for version, _ in answers] == [1] * 32
    assert sum(is_new for _, is_new in answers) == 1


def test_many_at_once_get_numbers_of_their_own(
    models: ModelStore, artifacts: ArtifactStore
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: register(models, artifacts, bytes([n])).number, range(32))
    assert sorted(found) == list(range(1, 33))


def test_a_version_keeps_its_artifacts(
    models: ModelStore, artifacts: ArtifactStore, garbage: Garbage
) -> None:
    document = artifacts.put(b"{}", "application/json").digest
    file = artifacts.put(b"one", "application/octet-stream").digest
    loose = artifacts.put(b"loose", "application/octet-stream").digest
    models.register("digits", digest=file, document=document, metrics={}, artifacts=[document])
    assert garbage.sweep(age=-1) == 1
    assert artifacts.read(file) == b"one"
    assert artifacts.read(document) == b"{}"
    with pytest.raises(NotFound):
        artifacts.get(loose)
    models.delete("digits", 1)
    assert garbage.sweep(age=-1) == 2


def test_a_version_needs_its_artifacts(models: ModelStore) -> None:
    missing = "sha256:" + "0" * 64
    with pytest.raises(NotFound, match="upload"):
        models.register("digits", digest=missing, document="{}", metrics={})
    with pytest.raises(NotFound, match="no such model"):
        models.model("digits")


def test_aliases(models: ModelStore, artifacts: ArtifactStore) -> None:
    register(models, artifacts, b"one")
    register(models, artifacts, b"two")
    models.point("digits", "production", 1)
    models.point("digits", "canary", 1)
    assert models.version("digits", 1).aliases == ("canary", "production")
    models.point("digits", "canary", 2)
    assert models.model("digits").aliases == {"canary": 2, "production": 1}
    assert models.resolve("digits@production").number == 1
    assert models.resolve("digits@canary").number == 2
    assert models.resolve("digits@1").number == 1
    assert models.resolve("digits").number == models.resolve("digits@latest").number == 2
    models.unpoint("digits", "canary")
    with pytest.raises(NotFound, match="accepted: latest, production"):
        models.resolve("digits@canary")
    with pytest.raises(NotFound, match="no such alias"):
        models.unpoint("digits", "canary")
    with pytest.raises(NotFound, match="no such version"):
        models.point("digits", "canary", 3)
    with pytest.raises(NotFound, match="no such model"):
        models.point("letters", "canary", 1)
    for bad in ("latest", "3", "", "a b"):
        with pytest.raises(InvalidInput):
            models.point("digits", bad, 1)


def test_a_version_with_an_alias_is_not_deleted(
    models: ModelStore, artifacts: ArtifactStore
) -> None:
    register(models, artifacts)
    models.point("digits", "production", 1)
    with pytest.raises(Conflict, match="production"):
        models.delete("digits", 1)
    models.unpoint("digits", "production")
    models.delete("digits", 1)
    for name in ("digits", "letters"):
        with pytest.raises(NotFound, match="no such model"):
            models.delete(name, 1)


def test_a_number_is_never_given_twice(models: ModelStore, artifacts: ArtifactStore) -> None:
    register(models, artifacts)
    models.delete("digits", 1)
    assert models.models().models == []
    for call in (models.model, models.versions, models.resolve):
        with pytest.raises(NotFound, match="no such model"):
            call("digits")
    assert register(models, artifacts).number == 2
    with pytest.raises(NotFound, match="no such version"):
        models.resolve("digits@1")


def test_pages(models: ModelStore, artifacts: ArtifactStore) -> None:
    for name in ("c", "a", "b"):
        register(models, artifacts, name=name)
    page = models.models(limit=2)
    assert ([model.name for model in page.models], page.cursor) == (["a", "b"], "b")
    page = models.models(limit=2, cursor=page.cursor)
    assert ([model.name for model in page.models], page.cursor) == (["c"], None)
    for data in (b"2", b"3"):
        register(models, artifacts, data, "a")
    versions = models.versions("a", limit=2)
    assert ([version.number for version in versions.versions], versions.cursor) == ([3, 2], 2)
    versions = models.versions("a", limit=2, before=versions.cursor)
    assert ([version.number for version in versions.versions], versions.cursor) == ([1], None)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "@",
        "a@",
        "@3",
        "a b",
        "a@0",
        "a@-1",
        "a@01",
        "a@b c",
        "a" * 65,
        "a\n",
        f"a@{2**53}",
        "a@1@2",
    ],
)
def test_what_is_no_reference_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match="name@version"):
        parse_reference(bad)


@pytest.mark.parametrize("bad", ["", "a/b", "a:b", ".a", "a" * 65, "ä", "a\n"])
def test_what_is_no_name_is_refused(models: ModelStore, bad: str) -> None:
    with pytest.raises(InvalidInput, match="no name"):
        models.register(bad, digest="sha256:" + "0" * 64, document="{}", metrics={})
