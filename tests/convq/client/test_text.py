from __future__ import annotations

from typing import Any

from convq.client import Job, JobPlan


def test_a_plan_is_printed_as_a_table(convq_client: Any) -> None:
    plan = convq_client.plan(inputs=b"x", kernel="box")
    assert str(plan) == (
        "2 inputs, 480 × 640 uint8 with a kernel of 13 × 13\n"
        "  algorithm  predicted  memory\n"
        "  direct         51 ms  2.0 MB\n"
        "* separable      12 ms  3.0 MB\n"
        "  winograd           -       -  refused: only for kernels of 3x3 and 5x5\n"
        "separable: the kernel has rank 1: 26 multiplications per value instead of 169\n"
        "\n"
        "in all 12 ms and 3.0 MB predicted, on test processor"
    )


def test_columns_stay_straight_whatever_is_predicted() -> None:
    candidates = [
        {"algorithm": "direct", "seconds": 1e17, "bytes": 10**25},
        {"algorithm": "an-algorithm-with-a-name", "seconds": 1e-6, "bytes": 1},
    ]
    group = {"inputs": 1, "input": "x", "chosen": "direct", "candidates": candidates}
    lines = str(JobPlan(groups=[group])).splitlines()[1:4]
    assert lines[1].endswith("  2.8e+13 h  1e+07 EB")
    assert len({len(line) for line in lines}) == 1


def test_a_group_that_will_fail() -> None:
    group = {"inputs": 3, "input": "9 bytes", "error": {"code": "c", "message": "unreadable"}}
    assert str(JobPlan(groups=[group])) == (
        "3 inputs, 9 bytes\nwill fail: unreadable (c)\n\nin all - and - predicted"
    )


def test_a_job_is_printed_in_a_line(convq_client: Any) -> None:
    job = convq_client.submit(inputs=[b"x", b"y"], kernel="box", label="pets")
    assert str(job) == (f"convolve {job.id} (pets): succeeded, 2 of 2 items done, ran 20 ms")
    assert f"{job}" == str(job)
    assert repr(job).startswith("Job(id=")


def test_a_failed_job_says_why() -> None:
    job = Job.model_validate(
        {
            "id": "j",
            "kind": "convolve",
            "state": "failed",
            "progress": {"done": 1, "total": 1, "failed": 1},
            "error": {"code": "invalid_input", "message": "every input failed"},
        }
    )
    assert str(job) == (
        "convolve j: failed, 1 of 1 item done, 1 failed\nevery input failed (invalid_input)"
    )
