"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast, overload

import httpx

from convq.client import downloads, edge, operations, registry, statistics, uploads, watching
from convq.client.body import achunks
from convq.client.driving import (
    DEFAULT_TIMEOUT,
    connection_error,
    counted,
    http_options,
    request_options,
    service_url,
)
from convq.client.edge_models import Delivery, EdgeBox, EdgeGroup
from convq.client.flow import (
    Close,
    Effect,
    Feed,
    Flow,
    Open,
    Read,
    Request,
    Send,
    Sleep,
    Stream,
    Work,
)
from convq.client.models import (
    Artifact,
    Event,
    Garbage,
    Job,
    JobPlan,
    Kinds,
    LogLine,
    ModelVersion,
    Queue,
    RegisteredModel,
    Results,
    Storage,
    Worker,
)
from convq.client.sources import Uploadable
from convq.client.statistics import History, PlanFigures, Stats
from convq.client.uploads import OnRefused
from core.errors import ConvqError

if TYPE_CHECKING:
    import numpy.typing as npt

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same methods with the same parameters, to be awaited.

    `jobs` and `events` are asynchronous iterators. Hashing and files are left to threads.

    Parameters
    ----------
    url : str, optional
        Address of the service; without it ``CONVQ_URL``, then ``http://127.0.0.1:8000``.
    api_key : str, optional
        Sent with every request; without it ``CONVQ_API_KEY``, if that is set.
    timeout : float, optional
        Longest silence of the service in seconds.
    transport : httpx.AsyncBaseTransport, optional
        Carries the requests in place of the network.

    Raises
    ------
    InvalidInput
        If ``url`` is no http or https address, or ``api_key`` cannot be one.

    Examples
    --------
    ::

        async with convq.AsyncClient() as client:
            job = await client.submit(inputs=["cat.jpg"], kernel="sobel-magnitude")
            async for event in client.events(job):
                print(event.name, event.data)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = service_url(url)
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            transport=transport, **http_options(self.url, api_key, timeout)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload(
        self, value: Uploadable, *, on_sent: Callable[[int], None] | None = None
    ) -> Artifact:
        """Store bytes on the service: see `Client.upload`."""
        return await self._run(uploads.upload(value, on_sent))

    async def submit(
        self,
        kind: str = "convolve",
        *,
        inputs: Any = None,
        wait: float | None = None,
        idempotency_key: str | None = None,
        on_refused: OnRefused | None = None,
        **spec: Any,
    ) -> Job:
        """Upload what is needed and queue a job: see `Client.submit`."""
        return await self._run(
            operations.submit(kind, inputs, wait, idempotency_key, spec, self._timeout, on_refused)
        )

    async def submit_many(self, jobs: Sequence[Mapping[str, Any]]) -> list[Job | ConvqError]:
        """Queue many jobs in few requests: see `Client.submit_many`."""
        return await self._run(operations.submit_many(jobs, self._timeout))

    async def plan(
        self,
        kind: str = "convolve",
        *,
        inputs: Any = None,
        on_refused: OnRefused | None = None,
        **spec: Any,
    ) -> JobPlan:
        """Plan a job without queueing it: see `Client.plan`."""
        return await self._run(operations.plan(kind, inputs, spec, on_refused))

    async def job(self, job_id: str) -> Job:
        """Read a job's record: see `Client.job`."""
        return await self._run(operations.job(job_id))

    def jobs(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        label: str | None = None,
        tenant: str | None = None,
    ) -> AsyncIterator[Job]:
        """Iterate over jobs, newest first: see `Client.jobs`."""
        filters = {"state": state, "kind": kind, "label": label, "tenant": tenant}
        return self._each(operations.JobPages(filters))

    async def wait(
        self,
        job: Job | str,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait for a job's end and return its record: see `Client.wait`."""
        return await self._run(watching.wait(job, timeout, on_progress))

    def events(self, job: Job | str, after: str | None = None) -> AsyncIterator[Event]:
        """Iterate over a job's events until its end: see `Client.events`."""
        return self._each(watching.EventFeed(job, after))

    async def results(self, job: Job | str) -> Results:
        """List a job's results and failures: see `Client.results`."""
        return await self._run(operations.results(job))

    @overload
    async def result(
        self, job: Job | str, name: str | None = None, as_: Literal["array"] = "array"
    ) -> npt.NDArray[Any]: ...
    @overload
    async def result(
        self, job: Job | str, name: str | None = None, *, as_: Literal["bytes"]
    ) -> bytes: ...
    @overload
    async def result(self, job: Job | str, name: str | None = None, *, as_: Path) -> Path: ...
    async def result(self, job: Job | str, name: str | None = None, as_: Any = "array") -> Any:
        """Fetch one result: see `Client.result`."""
        return await self._run(downloads.fetch(job, name, as_))

    async def download(self, job: Job | str, folder: str | Path) -> list[Path]:
        """Write all of a job's results into a folder: see `Client.download`."""
        return await self._run(downloads.download(job, Path(folder)))

    async def logs(self, job: Job | str) -> list[LogLine]:
        """List the last lines that workers logged about a job, oldest first."""
        return await self._run(operations.logs(job))

    async def cancel(self, job: Job | str) -> Job:
        """Ask for a job to stop: see `Client.cancel`."""
        return await self._run(operations.cancel(job))

    async def body(self, job: Job | str) -> dict[str, Any]:
        """Read what a job was asked to do: see `Client.body`."""
        return await self._run(operations.body(job))

    async def retry(self, job: Job | str) -> Job:
        """Queue a failed or cancelled job again: see `Client.retry`."""
        return await self._run(operations.retry(job))

    async def delete(self, job: Job | str) -> None:
        """Forget a job that has ended: see `Client.delete`."""
        await self._run(operations.delete(job))

    async def register_model(self, name: str, origin: registry.Origin) -> ModelVersion:
        """Make a version of the model of a job or file: see `Client.register_model`."""
        return await self._run(registry.register(name, origin))

    def models(self) -> AsyncIterator[RegisteredModel]:
        """Iterate over the models by name, without their versions: see `Client.models`."""
        return self._each(registry.ModelPages())

    async def model(self, name: str) -> RegisteredModel:
        """Read a model with its versions, newest first: see `Client.model`."""
        return await self._run(registry.model(name))

    async def model_version(self, reference: str) -> ModelVersion:
        """Read a version of a model: see `Client.model_version`."""
        return await self._run(registry.version(reference))

    async def set_alias(self, name: str, alias: str, version: int) -> RegisteredModel:
        """Let an alias mean a version from now on: see `Client.set_alias`."""
        return await self._run(registry.point(name, alias, version))

    async def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; the version stays: see `Client.delete_alias`."""
        await self._run(registry.unpoint(name, alias))

    async def delete_version(self, reference: str) -> None:
        """Delete a version that no alias points to: see `Client.delete_version`."""
        await self._run(registry.delete(reference))

    async def download_artifact(self, digest: str, path: str | Path) -> Path:
        """Write an artifact to a file: see `Client.download_artifact`."""
        return await self._run(downloads.save(digest, Path(path)))

    async def download_model(self, reference: str, path: str | Path) -> Path:
        """Write the file of a version, verified: see `Client.download_model`."""
        return await self._run(registry.download(reference, Path(path)))

    async def export_model(self, reference: str, path: str | Path) -> Path:
        """Write a version as an ONNX file: see `Client.export_model`."""
        return await self._run(registry.export(reference, Path(path)))

    async def edge_groups(self) -> list[EdgeGroup]:
        """List groups of boxes: see `Client.edge_groups`."""
        return await self._run(edge.groups())

    async def edge_group(self, name: str) -> EdgeGroup:
        """Read a group of boxes: see `Client.edge_group`."""
        return await self._run(edge.group(name))

    async def edge_boxes(self, group: str) -> list[EdgeBox]:
        """List the boxes of a group: see `Client.edge_boxes`."""
        return await self._run(edge.boxes(group))

    async def edge_token(self, group: str, *, lasts: float = 86400.0) -> str:
        """Make a token for a box: see `Client.edge_token`."""
        return await self._run(edge.token(group, lasts))

    async def roll_out(
        self, group: str, bundle: str | Path, *, stages: Sequence[int] | None = None
    ) -> EdgeGroup:
        """Roll a bundle out: see `Client.roll_out`."""
        return await self._run(edge.roll_out(group, Path(bundle), stages))

    async def stop_rollout(self, group: str) -> EdgeGroup:
        """Stop a roll-out: see `Client.stop_rollout`."""
        return await self._run(edge.stop(group))

    async def resume_rollout(self, group: str) -> EdgeGroup:
        """Go on with a roll-out: see `Client.resume_rollout`."""
        return await self._run(edge.resume(group))

    async def remove_box(self, box: str) -> None:
        """Remove a box: see `Client.remove_box`."""
        await self._run(edge.remove(box))

    def edge_results(self, group: str, *, after: str | None = None) -> AsyncIterator[Delivery]:
        """Iterate over what boxes delivered: see `Client.edge_results`."""
        return self._each(edge.DeliveryPages(group, after))

    async def kinds(self) -> Kinds:
        """List the kinds of jobs and the kernels that have names."""
        return await self._run(operations.kinds())

    async def queue(self) -> Queue:
        """Tell how much work waits."""
        return await self._run(operations.queue())

    async def stats(self) -> Stats:
        """Tell how the service fares: what there is to do, and what was done lately."""
        return await self._run(statistics.stats())

    async def history(self, window: Literal["hour", "day", "week"] = "hour") -> History:
        """Tell what happened minute by minute, in ten minutes each for a day, or hour by hour."""
        return await self._run(statistics.history(window))

    async def plan_figures(self) -> list[PlanFigures]:
        """Tell how good plans were, by algorithm: see `Client.plan_figures`."""
        return await self._run(statistics.plan_figures())

    async def workers(self) -> list[Worker]:
        """List the workers."""
        return await self._run(operations.workers())

    async def pause(self) -> Queue:
        """Let no job begin: see `Client.pause`."""
        return await self._run(operations.pause())

    async def resume(self) -> Queue:
        """Let jobs begin again."""
        return await self._run(operations.resume())

    async def storage(self) -> Storage:
        """Read how much is stored: see `Client.storage`."""
        return await self._run(operations.storage())

    async def garbage(self) -> Garbage:
        """Ask what the next collection would delete: see `Client.garbage`."""
        return await self._run(operations.garbage())

    async def drain_worker(self, name: str) -> Worker:
        """Let a worker begin no job: see `Client.drain_worker`."""
        return await self._run(operations.drain_worker(name))

    async def resume_worker(self, name: str) -> Worker:
        """Let a worker that was drained begin jobs again: see `Client.resume_worker`."""
        return await self._run(operations.resume_worker(name))

    async def _each(self, feed: Feed[T]) -> AsyncIterator[T]:
        try:
            while (item := await self._run(feed.next())) is not None:
                yield item
        finally:
            await self._run(feed.close())

    async def _run(self, flow: Flow[T]) -> T:
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = await self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - the flow decides, and cleans up
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as end:
            return cast("T", end.value)

    async def _perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Send(request):
                    return await self._http.send(self._build(request))
                case Open(request):
                    response = await self._http.send(self._build(request), stream=True)
                    return Stream(response, achunks(response))
                case Read(stream):
                    return await anext(cast("AsyncIterator[bytes]", stream.chunks), b"")
                case Close(stream):
                    return await stream.response.aclose()
                case Sleep(seconds):
                    return await asyncio.sleep(seconds)
                case Work(function):
                    return await asyncio.to_thread(function)
        except httpx.TransportError as error:
            raise connection_error(self.url, error) from error

    def _build(self, request: Request) -> httpx.Request:
        body = None if request.chunks is None else _awaited(request)
        return self._http.build_request(content=body, **request_options(request))


async def _awaited(request: Request) -> AsyncIterator[bytes]:
    for chunk in counted(request):
        yield chunk
