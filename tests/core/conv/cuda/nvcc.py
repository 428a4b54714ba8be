"""What NVIDIA's compiler says of the kernels."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from core.conv.cuda import modules

needed = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")


def told(name, macros, architecture, folder) -> str:
    """Compile a source for an architecture; what is told of registers and memory."""
    source, target = folder / "kernel.cu", folder / "kernel.cubin"
    source.write_text(modules.source(name, macros))
    command = ["nvcc", "-cubin", f"-arch={architecture}", "-Xptxas", "-v", *modules.OPTIONS]
    done = subprocess.run(
        [*command, "-o", str(target), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
