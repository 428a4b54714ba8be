"""All settings, each with its environment variable, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator can set, read from ``CONVQ_*`` environment variables.

    Times are in seconds and sizes in bytes.

    Examples
    --------
    >>> Settings(redis_url="redis://127.0.0.1:6379/5").redis_url
    'redis://127.0.0.1:6379/5'
    """

    model_config = SettingsConfigDict(env_prefix="CONVQ_", extra="ignore", frozen=True)

    log_format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="A JSON object a line, or text; auto is text on a terminal only.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least that is logged."
    )

    otlp_url: str | None = Field(
        default=None,
        description="Where traces go: OTLP over HTTP, such as http://127.0.0.1:4318; else nowhere.",
    )

    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        repr=False,  # It may hold a password.
        description="Redis for records, events and messages: redis:// or, with TLS, rediss://.",
    )
    redis_timeout: float = Field(
        default=1.5, gt=0, description="How long one Redis call may take before it counts as away."
    )
    redis_prefix: str = Field(default="convq", description="First part of every key.")
    store_url: str = Field(
        default="convq-data/artifacts",
        description="Where artifacts live: a folder, or an s3://, gs:// or az:// URL.",
    )
    cache_dir: Path = Field(
        default=Path("~/.cache/convq").expanduser(),
        description="Measured device constants; safe to delete.",
    )

    retention: float = Field(
        default=7 * 86400,
        gt=0,
        description="Jobs are deleted this long after they end; artifacts after their last use.",
    )
    sweep_interval: float = Field(default=60, gt=0, description="Time between retention sweeps.")

    lease: float = Field(
        default=10, gt=0, description="A worker that is silent this long loses its job."
    )
    edge_lease: float = Field(
        default=60, gt=0, description="A box at the edge that is silent this long loses its job."
    )
    max_attempts: int = Field(
        default=3, ge=1, description="A job that is lost this often is failed as poison."
    )
    reconcile_interval: float = Field(
        default=2, gt=0, description="Time between looks for lost leases and messages."
    )
    resend_after: float = Field(
        default=5, gt=0, description="A queued job without a message is sent again after this."
    )
    patience: float = Field(
        default=60,
        gt=0,
        description="A job that waits this long takes turns with those of a higher priority.",
    )
    together: int = Field(
        default=64,
        ge=1,
        description="Most small jobs that are alike and are run as one; 1 for none.",
    )
    cancel_grace: float = Field(
        default=1,
        gt=0,
        description="A cancelled job that goes on this long has its process killed.",
    )
    drain: float = Field(
        default=10,
        gt=0,
        description="A worker that is told to stop gives its job back after this.",
    )
    continue_after: float = Field(
        default=3600,
        ge=1,
        le=3 * 3600,  # well within the broker's visibility timeout, see core/queue.py
        description="Work that can be resumed goes back to the queue after this, and on later.",
    )
    worker_memory: int = Field(
        default=8 << 30,
        ge=1 << 20,
        description="A process that ever took more resident memory is replaced after its job.",
    )
    gpus: str = Field(
        default="auto",
        description="GPUs to compute on, a worker for each: auto (all that answer, else the "
        "processor), all, none, or numbers and UUIDs (GPU-..., MIG-...) between commas.",
    )
    concurrency: int | None = Field(
        default=None,
        ge=0,
        description="Workers on the processor, beside those on GPUs; by default one where there "
        "is no GPU.",
    )
    gpu_retry: float = Field(
        default=10,
        gt=0,
        description="A GPU that failed is tested again after this, and after twice as long each "
        "time, up to 64 times as long.",
    )
    heartbeat_interval: float = Field(
        default=2, gt=0, description="Time between a worker's signs of life."
    )

    keys: bool = Field(
        default=False,
        description="Every request needs an API key (see docs/keys.md).",
    )
    key_rate: float = Field(
        default=100, ge=0, description="Requests per second of one API key; 0 for no limit."
    )
    key_burst: int = Field(default=1000, gt=0, description="Requests of one API key at once.")

    max_upload: int = Field(default=4 << 30, gt=0, description="Largest artifact.")
    stall: float = Field(
        default=60, gt=0, description="An upload of which nothing comes for so long is given up."
    )
    max_pixels: int = Field(
        default=400_000_000, gt=0, description="Largest picture, checked before it is decoded."
    )
    max_inputs: int = Field(default=10_000, gt=0, description="Most inputs of one job.")
    max_queued: int = Field(default=100_000, gt=0, description="Most jobs in the queue.")
    max_queued_of_tenant: int = Field(
        default=100_000, gt=0, description="Most jobs in the queue of one tenant."
    )
    max_stored: int = Field(
        default=1 << 50, gt=0, description="Most bytes of artifacts, results included."
    )
    max_stored_of_tenant: int = Field(
        default=1 << 50, gt=0, description="Most bytes of artifacts of one tenant."
    )
    max_batch: int = Field(default=1000, gt=0, description="Most jobs of one batch.")
    memory_cap: int = Field(
        default=4 << 30, gt=0, description="Most memory that one planned convolution may take."
    )
