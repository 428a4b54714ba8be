from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from convq.client import AsyncClient, Client, Job, uploads
from convq.client.uploads import ASK_FIRST
from core.errors import (
    Conflict,
    ConvqError,
    IntegrityError,
    InvalidInput,
    NotFound,
    Unavailable,
)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content)


# -- uploading --------------------------------------------------------------------------------


def test_small_bytes_are_sent_at_once(convq_client: Any, service: Any) -> None:
    artifact = convq_client.upload(b"abc")
    assert artifact.digest == digest_of(b"abc")
    assert artifact.size == 3
    assert service.paths() == ["POST /v1/artifacts"]


def test_large_bytes_are_sent_once(convq_client: Any, service: Any) -> None:
    data = bytes(ASK_FIRST)
    sent: list[int] = []
    first = convq_client.upload(data, on_sent=sent.append)
    assert sent[-1] == ASK_FIRST
    assert sent == sorted(sent)
    second = convq_client.upload(data, on_sent=sent.append)
    assert sent[-1] == ASK_FIRST
    assert [path.split()[0] for path in service.paths()] == ["HEAD", "POST", "HEAD"]
    assert first == second


def test_very_large_bytes_are_digested_while_they_are_sent(
    convq_client: Any, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SEND_AT_ONCE", ASK_FIRST)
    assert convq_client.upload(bytes(ASK_FIRST)).digest == digest_of(bytes(ASK_FIRST))
    service.faults.append(lambda _: httpx.Response(503, headers={"Retry-After": "0"}))
    assert convq_client.upload(b"x" * ASK_FIRST).digest == digest_of(b"x" * ASK_FIRST)
    assert service.paths() == ["POST /v1/artifacts"] * 3


def test_an_uploaded_array_has_shape_and_dtype(convq_client: Any) -> None:
    artifact = convq_client.upload(np.zeros((2, 3), np.int16))
    assert (artifact.shape, artifact.dtype) == ((2, 3), "int16")


@pytest.mark.parametrize("shape", [(100, 200), (20_000,), ()])
def test_a_known_array_is_described_as_a_new_one(convq_client: Any, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.float64)
    first, second = convq_client.upload(array), convq_client.upload(array)
    assert first == second
    assert (second.shape, second.dtype) == (shape, "float64")


def test_a_file_that_changes_under_way_is_noticed(
    convq_client: Any, service: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(ASK_FIRST))

    def meanwhile(_: httpx.Request) -> httpx.Response:
        path.write_bytes(b"x" * ASK_FIRST)
        return httpx.Response(404)

    service.faults.append(meanwhile)
    with pytest.raises(IntegrityError, match="did the file change"):
        convq_client.upload(path)


class Drain(httpx.BaseTransport):
    """Reads a body piece by piece and keeps nothing but the size of its largest piece."""

    def __init__(self) -> None:
        self.largest = 0
        self.sha256 = hashlib.sha256()
        self.length = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(404)
        self.length = request.headers["Content-Length"]
        assert isinstance(request.stream, httpx.SyncByteStream)
        for piece in request.stream:
            self.largest = max(self.largest, len(piece))
            self.sha256.update(piece)
        about = {"size": int(self.length), "media_type": "application/octet-stream"}
        return httpx.Response(201, json=about | {"digest": f"sha256:{self.sha256.hexdigest()}"})


def test_a_file_is_streamed_in_small_pieces(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    transport = Drain()
    with Client("http://convq.test", transport=transport) as client:
        assert client.upload(path).size == 50_000_000
    assert transport.length == "50000000"
    assert transport.largest <= 1 << 18


# -- submitting -------------------------------------------------------------------------------


def test_inputs_of_every_form(convq_client: Any, service: Any, tmp_path: Path) -> None:
    path = tmp_path / "cat.bin"
    path.write_bytes(b"cat")
    known = convq_client.upload(b"known")
    inputs = [path, str(path), b"raw", np.ones(2), known, known.digest]
    inputs.append({"artifact": known.digest, "name": "dog.bin"})
    job = convq_client.submit(inputs=inputs, kernel={"preset": "box"}, label="all forms")
    body = body_of(service.requests[-1])
    assert body["inputs"] == [
        {"artifact": digest_of(b"cat"), "name": "cat.bin"},
        {"artifact": digest_of(b"cat"), "name": "cat.bin"},
        digest_of(b"raw"),
        body["inputs"][3],
        known.digest,
        known.digest,
        {"artifact": known.digest, "name": "dog.bin"},
    ]
    assert service.artifacts[body["inputs"][3]]["about"]["shape"] == [2]
    assert {name: body[name] for name in ("kind", "kernel", "label")} == {
        "kind": "convolve",
        "kernel": {"preset": "box"},
        "label": "all forms",
    }
    assert (job.kind, job.label, job.plan.groups[0].chosen) == (
        "convolve",
        "all forms",
        "separable",
    )


@pytest.mark.parametrize(
    ("kernel", "sent"),
    [
        ({"preset": "gaussian", "sigma": 2}, {"preset": "gaussian", "sigma": 2}),
        ("gaussian", {"preset": "gaussian"}),
        ([[0, 1], [1, 0]], {"values": [[0, 1], [1, 0]]}),
        (digest_of(b""), {"artifact": digest_of(b"")}),
    ],
)
def test_kernels_of_every_form(convq_client: Any, service: Any, kernel: Any, sent: Any) -> None:
    convq_client.submit(inputs=b"x", kernel=kernel)
    assert body_of(service.requests[-1])["kernel"] == sent


def test_files_are_uploaded_whichever_field_they_stand_for(
    convq_client: Any, service: Any, tmp_path: Path
) -> None:
    path = tmp_path / "digits.npz"
    path.write_bytes(b"digits")
    known = convq_client.upload(b"known")
    convq_client.plan("train", data=path, validation=known, start=known.digest, until=np.int64(3))
    assert body_of(service.requests[-1]) == {
        "kind": "train",
        "data": digest_of(b"digits"),
        "validation": known.digest,
        "start": known.digest,
        "until": 3,
    }


def test_an_array_is_one_input_and_may_be_the_kernel(convq_client: Any, service: Any) -> None:
    convq_client.submit(inputs=np.zeros((4, 4)), kernel=np.ones((3, 3)))
    body = body_of(service.requests[-1])
    assert len(body["inputs"]) == 1
    assert service.artifacts[body["kernel"]["artifact"]]["about"]["shape"] == [3, 3]


@pytest.mark.parametrize(
    ("kernel", "sent"),
    [
        ({"values": np.ones((2, 2))}, {"values": [[1.0, 1.0], [1.0, 1.0]]}),
        ([[np.int64(1), np.float32(0.5)]], {"values": [[1, 0.5]]}),
        ([np.arange(2), [True, np.bool_(False)]], {"values": [[0, 1], [True, False]]}),
        ({"preset": "gaussian", "sigma": np.float64(2)}, {"preset": "gaussian", "sigma": 2.0}),
    ],
)
def test_numbers_of_numpy(convq_client: Any, service: Any, kernel: Any, sent: Any) -> None:
    convq_client.submit(inputs=b"x", kernel=kernel, axes=np.array([0, 1]), cval=np.float32(1.5))
    body = body_of(service.requests[-1])
    assert (body["kernel"], body["axes"], body["cval"]) == (sent, [0, 1], 1.5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kernel": {"values": [[1, float("nan")]]}}, r"^kernel\.values\.0\.1: .*given: nan"),
        ({"kernel": {"values": np.ones(2) * 1j}}, r"^kernel\.values\.0: .*given: 'complex'"),
        ({"kernel": "box", "label": {1, 2}}, r"^label: .*given: 'set'"),
        ({"kernel": "box", "label": "\udcff"}, r"^label: "),
    ],
)
def test_what_json_does_not_know(
    convq_client: Any, service: Any, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        convq_client.submit(inputs=b"x", **spec)
    assert service.requests == []


# -- refused inputs ---------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("a.bin", "empty.png", "missing.png", "c.bin")}
    found["a.bin"].write_bytes(b"a")
    found["empty.png"].touch()
    found["c.bin"].write_bytes(b"c")
    return found


@pytest.mark.parametrize("method", ["submit", "plan"])
def test_a_refusal_names_the_file(
    convq_client: Any, service: Any, files: dict[str, Path], method: str
) -> None:
    inputs = [files["a.bin"], files["empty.png"], files["c.bin"]]
    with pytest.raises(InvalidInput, match=r"empty\.png: the body is empty") as caught:
        getattr(convq_client, method)(inputs=inputs, kernel="box")
    assert caught.value.field == "inputs.1"
    assert caught.value.accepted == "the bytes of a file"
    assert service.paths() == ["POST /v1/artifacts"] * 2


def test_what_has_no_name_is_named_by_its_place(convq_client: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^inputs\.1: the body is empty"):
        convq_client.submit(inputs=[b"x", b""], kernel="box")


@pytest.mark.parametrize("method", ["submit", "plan"])
def test_refused_inputs_are_left_out(
    convq_client: Any, service: Any, files: dict[str, Path], method: str
) -> None:
    refused: dict[str, str] = {}

    def on_refused(name: str, error: ConvqError) -> None:
        refused[name] = error.message

    inputs = [*files.values(), b""]
    getattr(convq_client, method)(inputs=inputs, kernel="box", on_refused=on_refused)
    sent = body_of(service.requests[-1])["inputs"]
    assert [item["name"] for item in sent] == ["a.bin", "c.bin"]
    assert refused == {
        str(files["empty.png"]): "the body is empty",
        str(files["missing.png"]): "there is no such file",
        "inputs.4": "the body is empty",
    }


def test_a_job_of_nothing_but_refused_inputs(
    convq_client: Any, service: Any, files: dict[str, Path]
) -> None:
    refused: list[str] = []
    with pytest.raises(InvalidInput, match="every input was refused"):
        convq_client.submit(
            inputs=[files["empty.png"], b""],
            kernel="box",
            on_refused=lambda name, _: refused.append(name),
        )
    assert refused == [str(files["empty.png"]), "inputs.1"]
    assert service.jobs == {}


def test_a_service_that_goes_away_is_no_refusal(convq_client: Any, service: Any, naps: Any) -> None:
    service.faults += [httpx.ConnectError("refused")] * 4
    with pytest.raises(Unavailable):
        convq_client.submit(inputs=[b"x", b"y"], kernel="box", on_refused=lambda *_: None)


def test_an_answer_that_is_lost_makes_no_second_job(
    convq_client: Any, service: Any, naps: Any
) -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        service(request)
        raise httpx.ReadError("connection reset", request=request)

    service.faults += [None, lost]
    convq_client.submit(inputs=b"x", kernel="box")
    assert len(service.jobs) == 1
    assert service.paths().count("POST /v1/jobs") == 3  # one of them by the fault itself
    convq_client.submit(inputs=b"x", kernel="box")
    assert len(service.jobs) == 2, "two calls are two jobs"


def test_the_same_idempotency_key_is_the_same_job(convq_client: Any, service: Any) -> None:
    first = convq_client.submit(inputs=b"x", kernel="box", idempotency_key="k")
    assert convq_client.submit(inputs=b"x", kernel="box", idempotency_key="k").id == first.id
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        convq_client.submit(inputs=b"y", kernel="box", idempotency_key="k")


def test_waiting_within_the_submission(convq_client: Any, service: Any) -> None:
    job = convq_client.submit(inputs=b"x", kernel="box", wait=7.5)
    assert job.ended
    request = service.requests[-1]
    assert request.headers["Prefer"] == "wait=7.5"
    assert request.extensions["timeout"]["read"] == 30 + 7.5


def test_planning(convq_client: Any, service: Any) -> None:
    plan = convq_client.plan(inputs=b"x", kernel="box")
    assert plan.groups[0].candidates[2].refused == "only for kernels of 3x3 and 5x5"
    assert service.jobs == {}


def test_a_problem_is_raised_as_its_exception(convq_client: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        convq_client.submit(inputs=b"x", kernel="box", mode="sam")
    assert str(caught.value) == "mode: no such mode (given: 'sam'; accepted: full, same, valid)"


# -- jobs -------------------------------------------------------------------------------------


def test_listing_walks_over_all_pages(convq_client: Any, service: Any) -> None:
    service.runs = False
    ids = [convq_client.submit(inputs=b"x", kernel="box").id for _ in range(205)]
    before = len(service.requests)
    assert [job.id for job in convq_client.jobs()] == ids[::-1]
    assert len(service.requests) - before == 3


def test_listing_stops_asking_when_the_caller_stops(convq_client: Any, service: Any) -> None:
    for _ in range(101):
        convq_client.submit(inputs=b"x", kernel="box")
    before = len(service.requests)
    jobs = convq_client.jobs()
    next(jobs)
    jobs.close()
    assert len(service.requests) - before == 1


def test_listing_filters(convq_client: Any, service: Any) -> None:
    wanted = convq_client.submit(inputs=b"x", kernel="box", label="a b&c")
    convq_client.submit(inputs=b"x", kernel="box")
    assert [job.id for job in convq_client.jobs(label="a b&c", state="succeeded")] == [wanted.id]
    assert list(convq_client.jobs(state="failed")) == []


def test_cancel_retry_delete(convq_client: Any, service: Any) -> None:
    service.runs = False
    job = convq_client.submit(inputs=b"x", kernel="box")
    assert convq_client.cancel(job).state == "cancelled"
    assert convq_client.retry(job.id).state == "succeeded"
    with pytest.raises(Conflict, match="succeeded already"):
        convq_client.cancel(job)
    assert convq_client.delete(job) is None
    with pytest.raises(NotFound, match="no such job"):
        convq_client.job(job.id)


def test_a_retry_is_not_sent_twice(convq_client: Any, service: Any, naps: list[float]) -> None:
    job = convq_client.submit(inputs=b"x", kernel="box")
    service.faults.append(httpx.ReadError("reset"))
    with pytest.raises(Unavailable, match="broke off"):
        convq_client.retry(job)
    assert naps == []


def test_ids_are_quoted(convq_client: Any, service: Any) -> None:
    with pytest.raises(NotFound):
        convq_client.job("../workers?x=1")
    assert service.requests[-1].url.raw_path == b"/v1/jobs/..%2Fworkers%3Fx%3D1"


def test_the_rest(convq_client: Any) -> None:
    assert convq_client.kinds().kinds[0].schema_ == {"type": "object"}
    assert convq_client.queue().depth == {"queued": 3, "running": 1}
    assert convq_client.workers()[0].device.kind == "cpu"


def test_fields_of_a_newer_service_are_kept() -> None:
    job = Job.model_validate({"id": "a", "kind": "convolve", "state": "paused", "colour": "red"})
    assert not job.ended
    assert job.model_dump()["colour"] == "red"


# -- results ----------------------------------------------------------------------------------


def test_results_as_array_bytes_and_file(convq_client: Any, tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    job = convq_client.submit(inputs=array, kernel="box")
    np.testing.assert_array_equal(convq_client.result(job), array)
    data = convq_client.result(job, as_="bytes")
    assert digest_of(data) == convq_client.results(job).results[0].digest
    path = convq_client.result(job, "0.bin", as_=tmp_path / "new" / "x.npy")
    assert path == tmp_path / "new" / "x.npy"
    assert path.read_bytes() == data


def test_pictures_become_arrays_on_the_service(convq_client: Any) -> None:
    job = convq_client.submit(inputs=b"\x01\x02\x03", kernel="box")
    np.testing.assert_array_equal(convq_client.result(job), np.array([1, 2, 3], np.uint8))


def test_which_result(convq_client: Any, service: Any) -> None:
    job = convq_client.submit(inputs=[b"x", b"y"], kernel="box")
    assert convq_client.result(job, "1.bin", as_="bytes") == b"y"
    with pytest.raises(InvalidInput, match=r"say which .*accepted: 0\.bin, 1\.bin"):
        convq_client.result(job)
    with pytest.raises(NotFound, match=r"no such result .*given: 'z'"):
        convq_client.result(job, "z")
    with pytest.raises(InvalidInput, match="as_: no such form"):
        convq_client.result(job, "0.bin", as_="picture")
    service.results[job.id] = {"results": [], "failures": []}
    with pytest.raises(NotFound, match="the job has no results"):
        convq_client.result(job)


def test_download(convq_client: Any, service: Any, tmp_path: Path) -> None:
    service.bad_names = {"bad.bin"}
    for name in ("a.bin", "bad.bin", "c.bin"):
        (tmp_path / name).write_bytes(name.encode())
    job = convq_client.submit(inputs=sorted(tmp_path.iterdir()), kernel="box")
    paths = convq_client.download(job, tmp_path / "out")
    assert [path.name for path in paths] == ["a.bin", "c.bin"]
    assert paths[1].read_bytes() == b"c.bin"
    assert sorted((tmp_path / "out").iterdir()) == paths, "no partial file is left"
    assert convq_client.results(job).failures[0].name == "bad.bin"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..", "", "a\\..\\evil"])
def test_results_stay_in_their_folder(
    convq_client: Any, service: Any, tmp_path: Path, name: str
) -> None:
    job = convq_client.submit(inputs=b"x", kernel="box")
    service.results[job.id]["results"][0]["name"] = name
    with pytest.raises(IntegrityError, match="leads out of its folder"):
        convq_client.download(job, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_download_goes_on_where_it_broke(
    convq_client: Any, service: Any, naps: list[float], broken: Any
) -> None:
    data = bytes(range(256))
    job = convq_client.submit(inputs=data, kernel="box")
    service.faults += [None, broken(data[:100]), broken(b"", status=206)]
    assert convq_client.result(job, as_="bytes") == data
    ranges = [request.headers.get("Range") for request in service.requests[-3:]]
    assert ranges == [None, "bytes=100-", "bytes=100-"]


def test_a_service_without_ranges_sends_it_all_again(
    convq_client: Any, service: Any, naps: list[float], broken: Any
) -> None:
    job = convq_client.submit(inputs=b"0123456789", kernel="box")
    whole = httpx.Response(200, content=b"0123456789")
    service.faults += [None, broken(b"01234"), lambda _: whole]
    assert convq_client.result(job, as_="bytes") == b"0123456789"


def test_a_download_that_never_gets_further_is_given_up(
    convq_client: Any, service: Any, naps: list[float], broken: Any
) -> None:
    job = convq_client.submit(inputs=b"0123456789", kernel="box")
    service.faults += [None, *[broken(b"01234")] * 100]
    with pytest.raises(Unavailable, match="broke off"):
        convq_client.result(job, as_="bytes")
    assert len(naps) == 3


def test_damaged_bytes_are_noticed(convq_client: Any, service: Any, tmp_path: Path) -> None:
    job = convq_client.submit(inputs=b"0123456789", kernel="box")
    service.faults += [None, lambda _: httpx.Response(200, content=b"012345678?")]
    with pytest.raises(IntegrityError, match="damaged on their way"):
        convq_client.result(job, as_=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


# -- when the service is away -----------------------------------------------------------------


def test_a_service_that_comes_back_is_not_noticed(
    convq_client: Any, service: Any, away: Any, naps: list[float]
) -> None:
    refused = httpx.ConnectError("connection refused")
    service.faults += [refused, httpx.ReadTimeout("silence"), away("3")]
    assert convq_client.queue().messages == 3
    for nap, base in zip(naps, (0.25, 0.5, 3), strict=True):
        assert base <= nap <= 1.25 * base


def test_a_service_that_stays_away_is_named(
    convq_client: Any, service: Any, naps: list[float]
) -> None:
    service.faults += [httpx.ConnectError("connection refused")] * 4
    with pytest.raises(Unavailable, match=r"at http://convq\.test cannot be reached; start one"):
        convq_client.queue()
    assert len(service.requests) == 4


def test_a_long_retry_after_is_not_waited_for(
    convq_client: Any, service: Any, away: Any, naps: list[float]
) -> None:
    service.faults.append(away("3600"))
    with pytest.raises(Unavailable, match="Redis does not answer"):
        convq_client.queue()
    assert naps == []


def test_the_other_errors_are_not_tried_again(convq_client: Any, service: Any) -> None:
    service.faults.append(lambda _: httpx.Response(500, text="bug"))
    with pytest.raises(ConvqError, match="HTTP 500: bug"):
        convq_client.queue()
    assert len(service.requests) == 1


def test_a_body_is_sent_again_from_its_beginning(
    convq_client: Any, service: Any, away: Any, naps: list[float]
) -> None:
    def half_read(request: httpx.Request) -> httpx.Response:
        raise httpx.WriteError("reset", request=request)

    service.faults += [half_read, away("0")]
    assert convq_client.upload(b"abc").digest == digest_of(b"abc")


# -- the address ------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_the_address(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVQ_URL", raising=False)
    assert client().url == "http://127.0.0.1:8000"
    monkeypatch.setenv("CONVQ_URL", "https://convq.example/base/")
    assert client().url == "https://convq.example/base"
    assert client("http://other:1").url == "http://other:1"
    for wrong in ("localhost:8000", "ftp://a", "http://", "http://a:port", "nonsense"):
        with pytest.raises(InvalidInput, match="url: this is no address"):
            client(wrong)


def test_a_base_path_is_kept(service: Any) -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, json={"workers": [str(request.url)]})
    )
    with (
        Client("http://convq.test/base", transport=transport) as client,
        pytest.raises(ValueError, match=r"http://convq\.test/base/v1/workers"),
    ):
        client.workers()


def test_an_interrupt_closes_its_stream(service: Any) -> None:
    closed = []

    class Interrupted(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b": hello\n\n"
            raise KeyboardInterrupt

        def close(self) -> None:
            closed.append(True)

    service.runs = False
    with Client("http://a", transport=httpx.MockTransport(service)) as client:
        job = client.submit(inputs=b"x", kernel="box")
        service.faults += [None, lambda _: httpx.Response(200, stream=Interrupted())]
        with pytest.raises(KeyboardInterrupt):
            client.wait(job)
        assert closed


def test_cancelling_a_task_closes_its_stream(service: Any) -> None:
    closed = asyncio.Event()

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b": hello\n\n"
            await asyncio.sleep(60)

        async def aclose(self) -> None:
            closed.set()

    async def scenario() -> None:
        service.runs = False
        async with AsyncClient("http://a", transport=httpx.MockTransport(service)) as client:
            job = await client.submit(inputs=b"x", kernel="box")
            service.faults += [None, lambda _: httpx.Response(200, stream=Endless())]
            waiting = asyncio.create_task(client.wait(job))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert closed.is_set()

    asyncio.run(scenario())
