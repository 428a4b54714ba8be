"""What the commands of one kind of job each send."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.jobs.registry import by_name

CASES = {
    "spectrum a.bin --window hann --rings 8 --directions 12 --deskew --coefficients": {
        "window": "hann", "rings": 8, "directions": 12, "deskew": True, "coefficients": True,
    },
    "frequency-filter a.bin --band band-pass --shape gaussian --cutoff 0.1 --upper 0.2 --order 3 "
    "--boundary wrap --output npy --range rescale": {
        "band": "band-pass", "shape": "gaussian", "cutoff": 0.1, "upper": 0.2, "order": 3,
        "boundary": "wrap", "output": "npy", "range": "rescale",
    },
    "frequency-filter a.bin --keep 5%": {"keep": 0.05},
    "frequency-filter a.bin --band notch --cutoff 0.02 --notch 0.1,0.2 --notch 0,0.25": {
        "band": "notch", "cutoff": 0.02, "notches": [[0.1, 0.2], [0.0, 0.25]],
    },
    "diffuse a.bin --time 8 --boundary constant --cval 2 --frames 10 --output npy "
    "--range rescale": {
        "time": 8.0, "boundary": "constant", "cval": 2.0, "frames": 10, "output": "npy",
        "range": "rescale",
    },
    "diffuse a.bin --method perona-malik --time 8 --edge 12 --conductivity rational --smooth 1": {
        "method": "perona-malik", "time": 8.0, "edge": 12.0, "conductivity": "rational",
        "smooth": 1.0,
    },
    "diffuse a.bin --method kernel --kernel box:size=5 --normalize softmax --steps 9": {
        "method": "kernel", "kernel": {"preset": "box", "size": 5}, "normalize": "softmax",
        "steps": 9,
    },
    "match c.bin a.bin --scale 0.5 --scale 1 --rotation 45 --threshold 0.8 --count 3 "
    "--overlap 0.1 --mask bad.bin": {
        "scales": [0.5, 1.0], "rotations": [45.0], "threshold": 0.8, "count": 3, "overlap": 0.1,
        "template": "c.bin", "mask": "bad.bin",
    },
    "match c.bin a.bin --method raw --scores": {
        "method": "raw", "scores": True, "template": "c.bin",
    },
    "stochastic-convolve a.bin --kernel box:size=5 --normalize sum -n 7 --seed 3 "
    "--boundary wrap --cval 1": {
        "kernel": {"preset": "box", "size": 5}, "normalize": "sum", "samples": 7, "seed": 3,
        "boundary": "wrap", "cval": 1.0,
    },
    "stochastic-convolve a.bin --kernel [[1,2],[3,4]] --words": {
        "kernel": {"values": [[1, 2], [3, 4]]}, "words": True,
    },
    "series a.bin --ar 2 --difference 1 --ma 3 --horizon 9 --level 0.5": {
        "ar": 2, "difference": 1, "ma": 3, "horizon": 9, "level": 0.5,
    },
    "series a.bin --method autoregression --estimator least-squares": {
        "method": "autoregression", "estimator": "least-squares",
    },
    "series a.bin --method moving-average --weight 2 --weight 1": {
        "method": "moving-average", "weights": [2.0, 1.0],
    },
    "series a.bin --method whiten --whitening pca --by c.bin": {
        "method": "whiten", "whitening": "pca", "by": "c.bin",
    },
    "deconvolve a.bin --method wiener --noise 0.1 --regularisation 2 --iterations 9 "
    "--kernel box:size=5 --boundary wrap --output npy --range rescale": {
        "method": "wiener", "noise": 0.1, "regularisation": 2.0, "iterations": 9,
        "kernel": {"preset": "box", "size": 5}, "boundary": "wrap", "output": "npy",
        "range": "rescale",
    },
    "irregular-convolve a.bin --kernel [[0,1],[2,3]] --at even --points 9 --method nonuniform "
    "--tolerance 0.01 --curvature 1 2": {
        "kernel": {"values": [[0, 1], [2, 3]]}, "at": "even", "points": 9, "method": "nonuniform",
        "tolerance": 0.01, "curvature": [1.0, 2.0],
    },
    "irregular-convolve a.bin --kernel [[0,1],[2,3]] --place 1 --place 0.5": {
        "kernel": {"values": [[0, 1], [2, 3]]}, "at": [1.0, 0.5],
    },
    "video a.bin --kernel box --normalize sum --over time --sequence --boundary wrap --cval 1 "
    "--frames 1 --output npy": {
        "kernel": {"preset": "box"}, "normalize": "sum", "over": "time",
        "sequence": True, "boundary": "wrap", "cval": 1.0, "frames": 1, "output": "npy",
    },
    "explain a.bin --kernel sobel-x --normalize l2 --view patches --view frequency": {
        "kernel": {"preset": "sobel-x"}, "normalize": "l2", "views": ["patches", "frequency"],
    },
}  # fmt: skip

# What a job cannot do without, for the commands that have such options.
LEAST = {
    "frequency-filter": ["--keep", "0.1"],
    "diffuse": ["--time", "2"],
    "stochastic-convolve": ["--kernel", "box"],
    "irregular-convolve": ["--kernel", "[[0,1],[2,3]]"],
    "video": ["--kernel", "box"],
    "explain": ["--kernel", "box"],
}
BEFORE = {"match": ["c.bin"]}


def body(service: Any) -> Any:
    posted = [r for r in service.requests if r.url.path == "/v1/jobs" and r.method == "POST"]
    return json.loads(posted[-1].content)


@pytest.mark.parametrize("line", CASES)
def test_all_options_reach_the_job(convq: Callable[..., Any], service: Any, line: str) -> None:
    result = convq(*line.split(), "--label", "x", "-d")
    assert result.exit_code == 0, result.stderr
    sent = body(service)
    kind = line.split()[0]
    spec = by_name(kind).spec.model_validate(sent)
    assert service.artifacts[sent["inputs"][0]["artifact"]]["data"] == b"a.bin"
    stated = spec.model_dump(mode="json", exclude_unset=True)
    for name in ("template", "mask", "by"):
        if name in stated:  # a file that was uploaded
            stated[name] = service.artifacts[stated[name]]["data"].decode()
    assert {name: stated[name] for name in CASES[line]} == CASES[line]
    assert set(stated) == {"kind", "inputs", "label", *CASES[line]}


@pytest.mark.parametrize("kind", sorted({line.split()[0] for line in CASES}))
def test_only_given_options_are_sent(convq: Callable[..., Any], service: Any, kind: str) -> None:
    assert convq(kind, *BEFORE.get(kind, []), "a.bin", "-d", *LEAST.get(kind, [])).exit_code == 0
    least = {option.removeprefix("--") for option in LEAST.get(kind, [])[::2]}
    least |= {"template"} if kind in BEFORE else set()
    assert set(body(service)) == {"kind", "inputs", "label"} | least


def test_a_plan_queues_nothing(convq: Callable[..., Any], service: Any) -> None:
    result = convq("match", "c.bin", "a.bin", "--scale", "2", "--plan")
    assert result.exit_code == 0, result.stderr
    assert "separable" in result.stdout
    (planned,) = [r for r in service.requests if r.url.path == "/v1/plans"]
    sent = json.loads(planned.content)
    assert (sent["kind"], sent["scales"]) == ("match", [2.0])
    assert service.artifacts[sent["template"]]["data"] == b"c.bin"
    assert "POST /v1/jobs" not in service.paths()
    shown = convq("spectrum", "a.bin", "--plan", "--json")
    assert json.loads(shown.stdout)["plan"]["seconds"] == 0.012
    assert convq("spectrum", "a.bin", "--plan", "--out", "x").exit_code == 2
