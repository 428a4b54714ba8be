"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast, overload

import httpx

from convq.client import downloads, edge, operations, registry, statistics, uploads, watching
from convq.client.body import chunks
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


class Client:
    """A convq service, seen from Python.

    Requests that can be repeated without harm are repeated while the service is away for a
    moment. What the service answers as a problem is raised as the exception of `core.errors`
    that its code names; a service that cannot be reached raises `core.errors.Unavailable`.

    Parameters
    ----------
    url : str, optional
        Address of the service; without it ``CONVQ_URL``, then ``http://127.0.0.1:8000``.
    api_key : str, optional
        Sent with every request; without it ``CONVQ_API_KEY``, if that is set.
    timeout : float, optional
        Longest silence of the service in seconds.
    transport : httpx.BaseTransport, optional
        Carries the requests in place of the network.

    Raises
    ------
    InvalidInput
        If ``url`` is no http or https address, or ``api_key`` cannot be one.

    Examples
    --------
    ::

        with convq.Client() as client:
            job = client.submit(inputs=["cat.jpg"], kernel={"preset": "gaussian", "sigma": 2})
            client.wait(job)
            client.download(job, "blurred/")
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = service_url(url)
        self._timeout = timeout
        self._http = httpx.Client(transport=transport, **http_options(self.url, api_key, timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(
        self, value: Uploadable, *, on_sent: Callable[[int], None] | None = None
    ) -> Artifact:
        """Store bytes on the service; bytes that it has already are not sent again.

        Parameters
        ----------
        value : path, bytes, open binary file or array
            Files are streamed, whatever their size. Arrays are stored as ``.npy``.
        on_sent : callable, optional
            Told how many bytes have been sent so far.

        Returns
        -------
        Artifact
            Its ``digest`` names the bytes from now on.

        Raises
        ------
        InvalidInput
            If ``value`` cannot be uploaded.
        UnsupportedMedia
            If the bytes are of a known format and damaged.
        IntegrityError
            If a file changed while it was read.
        """
        return self._run(uploads.upload(value, on_sent))

    def submit(
        self,
        kind: str = "convolve",
        *,
        inputs: Any = None,
        wait: float | None = None,
        idempotency_key: str | None = None,
        on_refused: OnRefused | None = None,
        **spec: Any,
    ) -> Job:
        """Upload what is needed and queue a job.

        Parameters
        ----------
        kind : str
            The kind of job; `kinds` lists them.
        inputs : one or a list of path, bytes, open binary file, array, digest or dict
            What the job works on, if its kind has a field ``inputs``. Digests, and dicts with
            ``artifact`` and ``name``, refer to bytes that are stored already; everything else is
            uploaded first.
        wait : float, optional
            Seconds to let the service wait for the job's end before it answers.
        idempotency_key : str, optional
            The same key with the same job gives the same job. By default a new key per call,
            so that a request that is sent twice makes one job.
        on_refused : callable, optional
            Told the name of each input that is refused, such as a damaged picture, and the error;
            the job is made of the others. Without it the first refusal is raised.
        **spec
            The further fields of the job: ``kernel``, ``mode``, ``boundary``, ``label`` and so
            on. ``kernel`` may also be the name of a preset, a nested list or an array. A
            `pathlib.Path` is uploaded, whichever field it stands for. Arrays and numbers of NumPy
            elsewhere are sent as lists and numbers.

        Returns
        -------
        Job
            With its ``plan``.

        Raises
        ------
        InvalidInput
            If a field is not acceptable; the error names it, and the file if an input is refused.
            Also if every input is.
        """
        return self._run(
            operations.submit(kind, inputs, wait, idempotency_key, spec, self._timeout, on_refused)
        )

    def submit_many(self, jobs: Sequence[Mapping[str, Any]]) -> list[Job | ConvqError]:
        """Upload what is needed and queue many jobs in few requests, each for itself.

        Parameters
        ----------
        jobs : sequence of mapping
            The fields of each job, with ``inputs`` and ``idempotency_key`` as in `submit`; ``kind``
            is ``"convolve"`` unless given.

        Returns
        -------
        list of Job or ConvqError
            For each the job, without its plan, or why there is none.
        """
        return self._run(operations.submit_many(jobs, self._timeout))

    def plan(
        self,
        kind: str = "convolve",
        *,
        inputs: Any = None,
        on_refused: OnRefused | None = None,
        **spec: Any,
    ) -> JobPlan:
        """Plan a job without queueing it; parameters as in `submit`."""
        return self._run(operations.plan(kind, inputs, spec, on_refused))

    def job(self, job_id: str) -> Job:
        """Read a job's record.

        Raises
        ------
        NotFound
            If there is no such job.
        """
        return self._run(operations.job(job_id))

    def jobs(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        label: str | None = None,
        tenant: str | None = None,
    ) -> Iterator[Job]:
        """Iterate over the jobs that match every given filter, newest first.

        Without a ``tenant`` they are those of the API key's own. One with the scope admin may name
        another, or ``"*"`` for all; the records of other tenants' jobs are seen in lists only.

        Raises
        ------
        Forbidden
            Other tenants' jobs were asked for, and the key lacks the scope admin.
        """
        filters = {"state": state, "kind": kind, "label": label, "tenant": tenant}
        return self._each(operations.JobPages(filters))

    def wait(
        self,
        job: Job | str,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait for a job's end, good or bad, and return its record.

        Survives broken connections and restarts of the service.

        Parameters
        ----------
        job : Job or str
            The job or its id.
        timeout : float, optional
            Seconds to wait; without it as long as it takes.
        on_progress : callable, optional
            Told the job as it is at first, after every change, and at the end.

        Raises
        ------
        TimeoutError
            If the job has not ended in time. It goes on.
        """
        return self._run(watching.wait(job, timeout, on_progress))

    def events(self, job: Job | str, after: str | None = None) -> Iterator[Event]:
        """Iterate over a job's events until its end, resuming when the connection breaks.

        Parameters
        ----------
        job : Job or str
            The job or its id.
        after : str, optional
            Start after the event with this id; without it at the job's first.
        """
        return self._each(watching.EventFeed(job, after))

    def results(self, job: Job | str) -> Results:
        """List a job's results in the order of its inputs, and the inputs that failed."""
        return self._run(operations.results(job))

    @overload
    def result(
        self, job: Job | str, name: str | None = None, as_: Literal["array"] = "array"
    ) -> npt.NDArray[Any]: ...
    @overload
    def result(
        self, job: Job | str, name: str | None = None, *, as_: Literal["bytes"]
    ) -> bytes: ...
    @overload
    def result(self, job: Job | str, name: str | None = None, *, as_: Path) -> Path: ...
    def result(self, job: Job | str, name: str | None = None, as_: Any = "array") -> Any:
        """Fetch one result.

        Parameters
        ----------
        job : Job or str
            The job or its id.
        name : str, optional
            The result's name; may be left out when there is only one.
        as_ : {"array", "bytes"} or pathlib.Path
            A NumPy array, the bytes as they are stored, or the file to write them to.

        Raises
        ------
        NotFound
            If there is no such result.
        IntegrityError
            If the bytes that arrive are not those that were stored.
        """
        return self._run(downloads.fetch(job, name, as_))

    def download(self, job: Job | str, folder: str | Path) -> list[Path]:
        """Write all of a job's results into a folder, by their names; return the files."""
        return self._run(downloads.download(job, Path(folder)))

    def logs(self, job: Job | str) -> list[LogLine]:
        """List the last lines that workers logged about a job, oldest first."""
        return self._run(operations.logs(job))

    def cancel(self, job: Job | str) -> Job:
        """Ask for a job to stop; it is ``cancelled`` once its work has really stopped."""
        return self._run(operations.cancel(job))

    def body(self, job: Job | str) -> dict[str, Any]:
        """Read what a job was asked to do: a body with which it can be submitted again."""
        return self._run(operations.body(job))

    def retry(self, job: Job | str) -> Job:
        """Queue a failed or cancelled job again."""
        return self._run(operations.retry(job))

    def delete(self, job: Job | str) -> None:
        """Forget a job that has ended, and its results."""
        self._run(operations.delete(job))

    def register_model(self, name: str, origin: registry.Origin) -> ModelVersion:
        """Make a version of the model that a job made, or that a file holds.

        Parameters
        ----------
        name : str
            Of the model; it is made with its first version.
        origin : Job, Artifact, str or path
            A training that has succeeded, or its id; the artifact with a model's file, or its
            digest; or a path, which is uploaded.

        Returns
        -------
        ModelVersion
            The same again for the same file.

        Raises
        ------
        Conflict
            If the job has not succeeded.
        InvalidInput
            If there is no such job, or it made no model, or the file is none.
        """
        return self._run(registry.register(name, origin))

    def models(self) -> Iterator[RegisteredModel]:
        """Iterate over the models by name, without their versions."""
        return self._each(registry.ModelPages())

    def model(self, name: str) -> RegisteredModel:
        """Read a model with its versions, newest first.

        Raises
        ------
        NotFound
            If there is no such model.
        """
        return self._run(registry.model(name))

    def model_version(self, reference: str) -> ModelVersion:
        """Read a version of a model.

        Parameters
        ----------
        reference : str
            ``digits`` (the newest), ``digits@3`` or ``digits@production``.

        Raises
        ------
        NotFound
            If there is no such model, version or alias.
        """
        return self._run(registry.version(reference))

    def set_alias(self, name: str, alias: str, version: int) -> RegisteredModel:
        """Let an alias mean a version from now on."""
        return self._run(registry.point(name, alias, version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; the version stays."""
        self._run(registry.unpoint(name, alias))

    def delete_version(self, reference: str) -> None:
        """Delete a version that no alias points to."""
        self._run(registry.delete(reference))

    def download_artifact(self, digest: str, path: str | Path) -> Path:
        """Write the bytes of an artifact, verified, to a file."""
        return self._run(downloads.save(digest, Path(path)))

    def download_model(self, reference: str, path: str | Path) -> Path:
        """Write the file of a version, verified; `core.nets.model.load` reads it."""
        return self._run(registry.download(reference, Path(path)))

    def export_model(self, reference: str, path: str | Path) -> Path:
        """Write a version as an ONNX file."""
        return self._run(registry.export(reference, Path(path)))

    def edge_groups(self) -> list[EdgeGroup]:
        """List groups of boxes: what they run, and how the last roll-out went."""
        return self._run(edge.groups())

    def edge_group(self, name: str) -> EdgeGroup:
        """Read what a group of boxes runs, and how the last roll-out goes."""
        return self._run(edge.group(name))

    def edge_boxes(self, group: str) -> list[EdgeBox]:
        """List the boxes of a group with their last reports."""
        return self._run(edge.boxes(group))

    def edge_token(self, group: str, *, lasts: float = 86400.0) -> str:
        """Make a token with which one box can enrol; it ``lasts`` so many seconds."""
        return self._run(edge.token(group, lasts))

    def roll_out(
        self, group: str, bundle: str | Path, *, stages: Sequence[int] | None = None
    ) -> EdgeGroup:
        """Give a bundle to more and more of a group's boxes: to so many of a hundred per stage."""
        return self._run(edge.roll_out(group, Path(bundle), stages))

    def stop_rollout(self, group: str) -> EdgeGroup:
        """Let no further box have what is rolled out; boxes that have it keep it."""
        return self._run(edge.stop(group))

    def resume_rollout(self, group: str) -> EdgeGroup:
        """Go on with the next stage of a roll-out, whatever the boxes of this one say."""
        return self._run(edge.resume(group))

    def remove_box(self, box: str) -> None:
        """Remove a box and its API key."""
        self._run(edge.remove(box))

    def edge_results(self, group: str, *, after: str | None = None) -> Iterator[Delivery]:
        """Iterate over what boxes delivered, the oldest first; ``after`` is an id that was seen."""
        return self._each(edge.DeliveryPages(group, after))

    def kinds(self) -> Kinds:
        """List the kinds of jobs and the kernels that have names."""
        return self._run(operations.kinds())

    def queue(self) -> Queue:
        """Tell how much work waits."""
        return self._run(operations.queue())

    def stats(self) -> Stats:
        """Tell how the service fares: what there is to do, and what was done lately."""
        return self._run(statistics.stats())

    def history(self, window: Literal["hour", "day", "week"] = "hour") -> History:
        """Tell what happened minute by minute, in ten minutes each for a day, or hour by hour."""
        return self._run(statistics.history(window))

    def plan_figures(self) -> list[PlanFigures]:
        """Tell how good plans were, by algorithm; wants the scope admin."""
        return self._run(statistics.plan_figures())

    def workers(self) -> list[Worker]:
        """List the workers."""
        return self._run(operations.workers())

    def pause(self) -> Queue:
        """Let no job begin, of anybody's, until `resume`; what runs goes on."""
        return self._run(operations.pause())

    def resume(self) -> Queue:
        """Let jobs begin again."""
        return self._run(operations.resume())

    def storage(self) -> Storage:
        """Read how much is stored, of all tenants."""
        return self._run(operations.storage())

    def garbage(self) -> Garbage:
        """Ask what the next collection would delete; nothing is deleted."""
        return self._run(operations.garbage())

    def drain_worker(self, name: str) -> Worker:
        """Let a worker begin no job; what it runs ends soon or goes back to the queue.

        Raises
        ------
        NotFound
            If there is no such worker.
        """
        return self._run(operations.drain_worker(name))

    def resume_worker(self, name: str) -> Worker:
        """Let a worker that was drained begin jobs again.

        Raises
        ------
        NotFound
            If there is no such worker.
        """
        return self._run(operations.resume_worker(name))

    def _each(self, feed: Feed[T]) -> Iterator[T]:
        try:
            while (item := self._run(feed.next())) is not None:
                yield item
        finally:
            self._run(feed.close())

    def _run(self, flow: Flow[T]) -> T:
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - the flow decides, and cleans up
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as end:
            return cast("T", end.value)

    def _perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Send(request):
                    return self._http.send(self._build(request))
                case Open(request):
                    response = self._http.send(self._build(request), stream=True)
                    return Stream(response, chunks(response))
                case Read(stream):
                    return next(cast("Iterator[bytes]", stream.chunks), b"")
                case Close(stream):
                    return stream.response.close()
                case Sleep(seconds):
                    return time.sleep(seconds)
                case Work(function):
                    return function()
        except httpx.TransportError as error:
            raise connection_error(self.url, error) from error

    def _build(self, request: Request) -> httpx.Request:
        body = None if request.chunks is None else counted(request)
        return self._http.build_request(content=body, **request_options(request))
