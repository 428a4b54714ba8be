"""The manifests of deploy/k8s against the schemas of Kubernetes, each other and the service."""

from __future__ import annotations

import copy
import math
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "k8s"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
COMPONENT = yaml.safe_load((FOLDER / "gpu" / "kustomization.yaml").read_text())
FILES = [*KUSTOMIZATION["resources"], *(f"gpu/{name}" for name in COMPONENT["resources"])]
RESOURCES = [
    resource for name in FILES for resource in yaml.safe_load_all((FOLDER / name).read_text())
]
OPERATIONS = FOLDER.parents[1] / "docs" / "operations.md"
GPU_WORKER = "Deployment/worker-gpu"
# Secrets are the operator's to make: docs/operations.md.
SECRETS = {"convq", "convq-store"}


def name_of(resource: dict[str, Any]) -> str:
    return f"{resource['kind']}/{resource['metadata']['name']}"


def named(name: str) -> dict[str, Any]:
    (found,) = (resource for resource in RESOURCES if name_of(resource) == name)
    return found


def values_of(tree: Any, key: str) -> Iterator[Any]:
    """Yield what stands under a key, anywhere in a tree."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from values_of(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from values_of(value, key)


WORKLOADS = [r for r in RESOURCES if r["kind"] in ("Deployment", "StatefulSet")]


def test_every_file_is_part_of_it() -> None:
    generated = {
        file for made in KUSTOMIZATION["configMapGenerator"] for file in made.get("files", ())
    }
    listed = {*FILES, *generated, "kustomization.yaml", "gpu/kustomization.yaml"}
    files = (path for path in FOLDER.rglob("*") if path.is_file())
    assert {path.relative_to(FOLDER).as_posix() for path in files} == listed


@pytest.mark.parametrize(
    "resource", [r for r in RESOURCES if "keda" not in r["apiVersion"]], ids=name_of
)
def test_kubernetes_takes_it(resource: dict[str, Any]) -> None:
    kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    "resource", [r for r in RESOURCES if "keda" in r["apiVersion"]], ids=name_of
)
def test_keda_takes_it(resource: dict[str, Any]) -> None:
    # A second to import, for this test alone.
    from cloudcoil.models.keda import v1alpha1

    asked = copy.deepcopy(resource)
    for fallback in values_of(asked, "fallback"):
        # Of KEDA 2.17; the last of these models that runs on Python 3.11 is of 2.16.
        assert fallback.pop("behavior") in ("static", "currentReplicas")
    read = getattr(v1alpha1, resource["kind"]).model_validate(asked)
    # What it does not know it leaves out.
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == asked


def kustomized(folder: Path, more: str) -> list[dict[str, Any]]:
    """Return what kustomize makes of a copy of the manifests, with lines more."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    shutil.copytree(FOLDER, folder)
    with (folder / "kustomization.yaml").open("a") as file:
        file.write(more)
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_kustomize_makes_of_it_what_is_meant(tmp_path: Path) -> None:
    made = kustomized(tmp_path / "k8s", "components: [gpu]\n")
    assert len(made) == len(RESOURCES) + len(KUSTOMIZATION["configMapGenerator"])
    everywhere = {r["metadata"].get("namespace") for r in made if r["kind"] != "Namespace"}
    assert everywhere == {KUSTOMIZATION["namespace"]}
    # A change of the settings is a new name, so that pods are replaced.
    maps = {r["metadata"]["name"] for r in made if r["kind"] == "ConfigMap"}
    used = {
        *(reference["name"] for r in made for reference in values_of(r, "configMapRef")),
        *(volume["name"] for r in made for volume in values_of(r, "configMap")),
    }
    assert used == maps
    ours = {i["name"]: f"{i['newName']}:{i['newTag']}" for i in KUSTOMIZATION["images"]}
    images = Counter(image for r in made for image in values_of(r, "image"))
    assert images.pop(ours["convq"]) == 2
    assert images.pop(ours["convq-gpu"]) == 1
    assert all(image.startswith("redis:") for image in images)


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_no_pod_has_rights_that_it_does_not_need(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        claims = workload["spec"].get("volumeClaimTemplates", [])
        made = {volume["name"] for volume in pod["volumes"]}
        assert mounted == made | {claim["metadata"]["name"] for claim in claims}


def test_what_is_referred_to_exists() -> None:
    maps = {made["name"] for made in KUSTOMIZATION["configMapGenerator"]}
    for resource in RESOURCES:
        for reference in (*values_of(resource, "configMapRef"), *values_of(resource, "configMap")):
            assert reference["name"] in maps, name_of(resource)
        for reference in (*values_of(resource, "secretKeyRef"), *values_of(resource, "secretRef")):
            assert reference["name"] in SECRETS, name_of(resource)
        for references in values_of(resource, "secretTargetRef"):
            assert {reference["name"] for reference in references} <= SECRETS
    labels = {r["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] for r in WORKLOADS}
    assert labels == {"redis", "api", "worker-cpu", "worker-gpu"}
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for resource in (r for r in RESOURCES if r["kind"] == kind):
            found = set(values_of(resource["spec"], "app.kubernetes.io/name"))
            found |= {label for some in values_of(resource["spec"], "values") for label in some}
            assert found, name_of(resource)
            assert found <= labels, name_of(resource)
    scaled = named("ScaledObject/worker-cpu")["spec"]
    assert f"Deployment/{scaled['scaleTargetRef']['name']}" in map(name_of, RESOURCES)
    authentication = {t["authenticationRef"]["name"] for t in scaled["triggers"]}
    assert authentication == {named("TriggerAuthentication/convq-metrics")["metadata"]["name"]}


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu"])
def test_workers_are_given_the_time_to_drain(name: str) -> None:
    (settings,) = (m for m in KUSTOMIZATION["configMapGenerator"] if m["name"] == "convq")
    drain = dict(literal.split("=", 1) for literal in settings["literals"])["CONVQ_DRAIN"]
    pod = named(f"Deployment/{name}")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= float(drain) + 30


def test_workers_with_gpus_are_those_without_and_a_gpu() -> None:
    worker, with_gpu = (
        copy.deepcopy(named(f"Deployment/{name}")["spec"]["template"]["spec"])
        for name in ("worker-cpu", "worker-gpu")
    )
    limits = with_gpu["containers"][0]["resources"]["limits"]
    assert limits.pop("nvidia.com/gpu") == 1
    # It does not start without one, and the others take none.
    for pod, gpus in ((with_gpu, "all"), (worker, "none")):
        pod["containers"][0]["env"].remove({"name": "CONVQ_GPUS", "value": gpus})
    assert with_gpu.pop("tolerations")
    with_gpu["containers"][0]["image"] = worker["containers"][0]["image"]
    assert with_gpu == worker


def test_slices_of_gpus_are_asked_for_as_documented(tmp_path: Path) -> None:
    page = OPERATIONS.read_text()
    (lines,) = (b for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "mig" in b)
    (worker,) = (r for r in kustomized(tmp_path / "k8s", lines) if name_of(r) == GPU_WORKER)
    limits = worker["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "4", "memory": "12Gi", "nvidia.com/mig-1g.10gb": 1}


@pytest.mark.parametrize(
    ("auto", "cpu", "busy", "replicas"),
    [
        (0, 0, 0, 1),
        (1, 0, 0, 1),
        # Nobody waits for a job that may take hours.
        (1, 0, 1, 2),
        (15, 15, 0, 3),
        (0, 0, 7, 7),
        (500, 0, 3, 20),
    ],
)
def test_there_are_workers_for_what_waits_and_for_what_runs(
    auto: int, cpu: int, busy: int, replicas: int
) -> None:
    scaled = named("ScaledObject/worker-cpu")["spec"]
    modifiers = scaled["advanced"]["scalingModifiers"]
    told = {"auto": auto, "cpu": cpu, "busy": busy}
    assert {trigger["name"] for trigger in scaled["triggers"]} == told.keys()
    # Its operators mean the same in Python.
    value = eval(modifiers["formula"], told) / float(modifiers["target"])
    wanted = min(max(math.ceil(value), scaled["minReplicaCount"]), scaled["maxReplicaCount"])
    assert wanted == replicas


def test_the_metrics_that_scale_the_workers_are_told(metrics: str) -> None:
    for trigger in named("ScaledObject/worker-cpu")["spec"]["triggers"]:
        asked = trigger["metadata"]
        assert asked["format"] == "prometheus"
        assert any(line.startswith(f"{asked['valueLocation']} ") for line in metrics.splitlines())
