"""Jobs and plans as plain text, for ``print``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convq.units import counted, dimensions, duration, size

if TYPE_CHECKING:
    from convq.client.models import Candidate, Job, JobPlan, PlanGroup


def job_text(job: Job) -> str:
    """Return a job in a line, and its error in another."""
    label = f" ({job.label})" if job.label else ""
    progress = job.progress
    parts = [job.state, f"{progress.done} of {counted(progress.total or 0, 'item')} done"]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if job.timings.ran is not None:
        parts.append(f"ran {duration(job.timings.ran)}")
    error = f"\n{job.error.message} ({job.error.code})" if job.error is not None else ""
    return f"{job.kind} {job.id}{label}: {', '.join(parts)}{error}"


def plan_text(plan: JobPlan) -> str:
    """Return a plan as a table for each sort of input, with the chosen algorithm marked."""
    total = f"in all {duration(plan.seconds)} and {size(plan.bytes)} predicted"
    device = plan.device.get("name")
    groups = [_group(group) for group in plan.groups]
    return "\n\n".join([*groups, f"{total}, on {device}" if device else total])


def group_title(group: PlanGroup) -> str:
    """Return what is convolved with what."""
    title = f"{counted(group.inputs, 'input')}, {group.input}"
    if not group.kernel_shape:
        return title
    bank = f"{group.kernels} kernels" if group.kernels > 1 else "a kernel"
    return f"{title} with {bank} of {dimensions(group.kernel_shape)}"


def _group(group: PlanGroup) -> str:
    title = group_title(group)
    if group.error is not None:
        return f"{title}\nwill fail: {group.error.message} ({group.error.code})"
    rows = [("", "algorithm", "predicted", "memory", "")]
    rows += [_row(candidate, candidate.algorithm == group.chosen) for candidate in group.candidates]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{mark:1} {name:<{wide[1]}}  {time:>{wide[2]}}  {memory:>{wide[3]}}  {note}".rstrip()
        for mark, name, time, memory, note in rows
    ]
    return "\n".join([title, *lines, f"{group.chosen}: {group.why}"])


def _row(candidate: Candidate, is_chosen: bool) -> tuple[str, str, str, str, str]:
    return (
        "*" if is_chosen else "",
        candidate.algorithm,
        duration(candidate.seconds),
        size(candidate.bytes),
        f"refused: {candidate.refused}" if candidate.refused else "",
    )
