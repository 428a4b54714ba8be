"""Documents: JSON that belongs to a job, kept out of Redis when it is large.

A record must stay under 16 KB, but a job may have ten thousand inputs. So a small document is text
in the record, and a large one is an artifact that the record names.
"""

from __future__ import annotations

import json
from typing import Any

from core.store.artifacts import ArtifactStore

_INLINE = 4096


def write(artifacts: ArtifactStore, document: Any) -> str:
    """Return the text to keep in a record: the JSON itself, or the digest of an artifact."""
    return keep(artifacts, to_text(document))


def to_text(document: Any) -> str:
    """Return a document as JSON."""
    return json.dumps(document, separators=(",", ":"))


def keep(artifacts: ArtifactStore, text: str) -> str:
    """Return what `write` returns for the document whose JSON is ``text``."""
    if len(text) <= _INLINE:
        return text
    return artifacts.put(text.encode(), "application/json").digest


def read(artifacts: ArtifactStore, text: str) -> Any:
    """Return the document that `write` returned ``text`` for."""
    return json.loads(read_text(artifacts, text))


def read_text(artifacts: ArtifactStore, text: str) -> str:
    """Return the JSON that `keep` returned ``text`` for."""
    return artifacts.read(text).decode() if is_artifact(text) else text


def is_artifact(text: str) -> bool:
    """Tell whether the document is an artifact that the job must refer to."""
    return text.startswith("sha256:")
