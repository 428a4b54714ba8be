"""docker-compose.yml as Compose reads it, without an engine: every profile and override."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
TLS = ROOT / "deploy" / "docker" / "compose.tls.yml"
# They run once and end.
TASKS = {"cli", "prometheus-key"}


def compose(*files: str | Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Ask Compose what it makes of files, with .env.example as .env and what is given."""
    named = [part for file in (ROOT / "docker-compose.yml", *files) for part in ("--file", file)]
    asked = ["--env-file", ROOT / ".env.example", "--profile", "*", "config", "--format", "json"]
    return subprocess.run(
        [COMPOSE, "--project-directory", ROOT, *named, *asked],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | given,
        capture_output=True,
        text=True,
    )


def services_of(*files: str | Path, **given: str) -> dict[str, Any]:
    done = compose(*files, CONVQ_REDIS_PASSWORD="secret", **given)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return services_of()


def seconds(duration: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(n) * units[unit] for n, unit in re.findall(r"([\d.]+)([hms])", duration))


def test_it_does_not_start_without_a_password() -> None:
    done = compose()
    assert done.returncode != 0
    assert "CONVQ_REDIS_PASSWORD" in done.stderr
    assert "write one into .env" in done.stderr


def test_the_example_names_every_setting() -> None:
    files = (ROOT / "docker-compose.yml", TLS)
    asked = {name for file in files for name in re.findall(r"(?<!\$)\$\{(\w+)", file.read_text())}
    named = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    # These are said by who builds an image, who runs several services, who calls the command line.
    unnamed = {"CONVQ_REVISION", "CONVQ_ENV_FILE", "CONVQ_API_KEY"}
    assert named - {"COMPOSE_PROFILES", "COMPOSE_FILE"} == asked - unnamed


def test_services_have_no_rights_that_they_do_not_need(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert not service.get("privileged"), name


def test_what_runs_for_long_is_watched_bounded_and_started_again(
    services: dict[str, Any],
) -> None:
    for name in services.keys() - TASKS:
        service = services[name]
        assert service["healthcheck"]["test"], name
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert service["restart"] == "unless-stopped", name
    assert {services[name]["restart"] for name in TASKS} == {"no"}


def test_no_port_is_open_to_other_machines(services: dict[str, Any]) -> None:
    published = {
        name: {port["host_ip"] for port in service["ports"]}
        for name, service in services.items()
        if service.get("ports")
    }
    assert published == {"proxy": {"127.0.0.1"}, "grafana": {"127.0.0.1"}}


def test_what_must_outlive_a_container_is_in_a_named_volume(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            # Those without a name are left behind by each down.
            assert volume.get("source"), f"{name}: {volume['target']}"


def test_workers_are_given_the_time_to_drain(services: dict[str, Any]) -> None:
    for name in ("worker-cpu", "worker-gpu"):
        drain = float(services[name]["environment"]["CONVQ_DRAIN"])
        assert seconds(services[name]["stop_grace_period"]) >= drain + 30


def test_each_further_gpu_is_a_service_as_documented(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    (block,) = (b for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "worker-gpu-1" in b)
    override = tmp_path / "docker-compose.override.yml"
    # Compose looks for the file of `extends` beside the override.
    override.write_text(block.replace("docker-compose.yml", str(ROOT / "docker-compose.yml")))
    services = services_of(override, CONVQ_GPU="0")
    devices = [
        services[name]["deploy"]["resources"]["reservations"]["devices"]
        for name in ("worker-gpu", "worker-gpu-1")
    ]
    assert devices == [
        [
            {
                "driver": "nvidia",
                "device_ids": [which],
                "capabilities": ["gpu", "compute", "utility"],
            }
        ]
        for which in ("0", "1")
    ]
    assert services["worker-gpu-1"]["image"] == services["worker-gpu"]["image"]


def test_workers_compute_where_their_name_says(services: dict[str, Any]) -> None:
    for name, gpus in (("worker-cpu", "none"), ("worker-gpu", "all")):
        given = services[name]["environment"]
        assert given.pop("CONVQ_GPUS") == gpus
        assert given == services["api"]["environment"]


def test_https_is_one_more_port_of_the_proxy() -> None:
    proxy = services_of(TLS, CONVQ_CERTIFICATES="/etc/convq")["proxy"]
    assert {port["target"] for port in proxy["ports"]} == {8000, 8443}
    assert any(v["target"] == "/certs" and v["read_only"] for v in proxy["volumes"])


def test_prometheus_and_grafana_find_what_they_are_given(services: dict[str, Any]) -> None:
    monitoring = ROOT / "deploy" / "monitoring"
    mounted = {
        name: {v["target"]: Path(v["source"]) for v in services[name]["volumes"]}
        for name in ("prometheus", "grafana")
    }
    scraped = yaml.safe_load((monitoring / "prometheus.yml").read_text())
    assert mounted["prometheus"]["/etc/prometheus"] == monitoring
    (job,) = scraped["scrape_configs"]
    folder, _, key = job["authorization"]["credentials_file"].rpartition("/")
    assert folder in mounted["prometheus"]
    assert f"> {folder}/{key}" in services["prometheus-key"]["command"][0]
    (looked_up,) = job["dns_sd_configs"]
    assert set(looked_up["names"]) <= services.keys()
    assert services["api"]["expose"] == [str(looked_up["port"])]

    provisioned = services["grafana"]["environment"]["GF_PATHS_PROVISIONING"]
    assert mounted["grafana"][provisioned] == monitoring / "grafana"
    (source,) = yaml.safe_load((monitoring / "grafana/datasources/convq.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads((monitoring / "grafana/dashboards/convq.json").read_text())
    asked = {panel["datasource"]["uid"] for panel in dashboard["panels"] if panel.get("targets")}
    assert asked == {source["uid"]}
    (provider,) = yaml.safe_load((monitoring / "grafana/dashboards/convq.yml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == f"{provisioned}/dashboards"
