"""The tour in the README works word for word, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data

from convq.stack import LocalStack

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TOUR = README.partition("## A tour of five minutes")[2].partition("\n## ")[0]
# Where the tour's service listens; the tests' own listens elsewhere.
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Put into a folder what `make demo` leaves for the tour."""
    inputs = tmp_path / "demo-out" / "inputs"
    inputs.mkdir(parents=True)
    photographs = Path(skimage.data.__file__).parent
    for name in ("coffee.png", "coins.png"):
        (inputs / name).write_bytes((photographs / name).read_bytes())
    (inputs / "damaged.png").write_bytes((inputs / "coins.png").read_bytes()[:20_000])
    return tmp_path


@pytest.mark.stack
def test_the_tour(stack: LocalStack, folder: Path) -> None:
    environment = os.environ | {
        "CONVQ_URL": stack.url,
        "CONVQ_CACHE_DIR": str(folder / "cache"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MPLCONFIGDIR": str(folder),
    }

    def bash(command: str) -> subprocess.CompletedProcess[str]:
        # One shell would keep variables between the commands; so they are all in one script.
        return subprocess.run(
            ["bash", "-c", command.replace(ADDRESS, stack.url)],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    namespace = ""
    outputs = []
    for language, block in re.findall(r"```(console|python)\n(.*?)```", TOUR, re.DOTALL):
        if language == "python":
            namespace += block
            done = bash(f"python - <<'END'\n{namespace}\nEND")
            assert done.returncode == 0, done.stderr
        else:
            commands = [line.removeprefix("$ ") for line in block.splitlines()]
            done = bash("\n".join(commands))
            damaged = "*.png" in block
            # The last command decides; the one with the damaged file comes first in its block.
            assert done.returncode == 0, f"{commands}: {done.stdout}{done.stderr}"
            assert ("damaged.png" in done.stdout + done.stderr) is damaged
        outputs.append(done.stdout)
    assert (folder / "blurred" / "coffee.png").stat().st_size > 10_000
    assert sorted(path.name for path in (folder / "edges").iterdir()) == ["coffee.png", "coins.png"]
    assert (folder / "crossover.png").read_bytes().startswith(b"\x89PNG")
    plans = outputs[1]
    assert "direct" in plans
    assert "fft" in plans
    assert '"state":"succeeded"' in outputs[4].replace(" ", "")


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT) for p in ROOT.glob("docs/**/*.md")))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    check_links(ROOT / page)


def test_links_of_the_readme_lead_somewhere() -> None:
    check_links(ROOT / "README.md")
    check_links(ROOT / "CONTRIBUTING.md")


def check_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_files_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`([a-z_]+/[a-z_/]+\.(?:py|lua))", text):
        assert (ROOT / name).exists(), name
