"""Compiled kernels: stored, shared, repaired, and the same for every thread."""

import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from core.conv import codegen
from core.errors import InvalidInput
from core.settings import Settings

pytest.importorskip("llvmlite")

from core.conv.codegen import library
from core.conv.codegen.emit import Emitter
from core.conv.codegen.target import host, named

PARAMETERS = ("pointer", "integer")


def write_adding(number: float, target) -> str:
    code = Emitter(target, "adding", PARAMETERS)
    numbers, n = code.arguments
    with code.loop(0, n) as i:
        value = code.load(numbers, "float32", 1, i)
        code.store(code.add(value, code.constant(number, "float32", 1)), numbers, i)
    return code.finish()


def adding(number: float, target=None) -> partial[str]:
    return partial(write_adding, number, target or host())


def stored_files() -> list[Path]:
    return sorted((Settings().cache_dir / "kernels").iterdir())


def test_a_kernel_runs_and_is_stored() -> None:
    numbers = np.arange(5, dtype=np.float32)
    library.load(adding(2.5), "adding", PARAMETERS)(numbers.ctypes.data, 4)
    np.testing.assert_array_equal(numbers, [2.5, 3.5, 4.5, 5.5, 4])
    assert len(stored_files()) == 1


def test_what_is_stored_is_neither_written_nor_compiled_again() -> None:
    calls = []

    def write(number: float) -> library.Written:
        calls.append(number)
        return library.Written(write_adding(number, host()), np.array([1.5, number]))

    first = library.compiled(partial(write, 2.0), host())
    assert library.compiled(partial(write, 2.0), host()) == first
    assert calls == [2.0]
    np.testing.assert_array_equal(np.frombuffer(first.constants), [1.5, 2.0])
    assert library.compiled(partial(write, 3.0), host()) != first


def test_a_change_of_the_generator_is_another_file(monkeypatch) -> None:
    library.compiled(adding(1), host())
    monkeypatch.setattr(library, "_own_digest", lambda: "another text")
    library.compiled(adding(1), host())
    assert len(stored_files()) == 2


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_file_is_compiled_again(damage: bytes | None) -> None:
    good = library.compiled(adding(3), host())
    (path,) = stored_files()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content) if damage is None else damage)
    assert library.compiled(adding(3), host()) == good
    assert stored_files() == [path]
    assert path.read_bytes().endswith(good.machine_code)


def test_every_target_has_its_own_object() -> None:
    objects = {
        cpu: library.compiled(adding(1, named(cpu)), named(cpu))
        for cpu in ("cortex-a78", "cortex-a15", "x86-64-v3")
    }
    assert len(set(objects.values())) == len(stored_files()) == 3


def test_another_cpu_is_another_file() -> None:
    write = adding(1, named("x86-64-v3"))
    library.compiled(write, named("x86-64-v3"))
    library.compiled(write, named("x86-64-v4"))
    assert len(stored_files()) == 2


def test_an_unknown_processor_lists_the_known() -> None:
    with pytest.raises(InvalidInput, match="cortex-a78") as caught:
        named("z80")
    assert caught.value.field == "cpu"


def test_many_threads_ask_for_one_kernel() -> None:
    write, found = adding(7), []
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait()
        found.append(library.load(write, "adding", PARAMETERS))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_many_processes_share_a_folder(tmp_path: Path) -> None:
    program = (
        "import numpy as np; from core.conv import convolve;"
        "x = np.ones((9, 40), np.float32); print(convolve(x, np.ones((3, 3), np.float32)).sum())"
    )
    paths = {"CONVQ_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    paths["CONVQ_CODEGEN"] = "on"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=os.environ | paths, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert float(output) == 9 * 40 * 9
    kernels = list((tmp_path / "kernels").iterdir())
    assert kernels
    assert all(path.suffix == ".o" for path in kernels)


def test_the_switch(monkeypatch) -> None:
    for value, expected in (("off", False), ("on", True)):
        monkeypatch.setenv("CONVQ_CODEGEN", value)
        codegen.available.cache_clear()
        assert codegen.available() is expected
    monkeypatch.setenv("CONVQ_CODEGEN", "perhaps")
    codegen.available.cache_clear()
    with pytest.raises(InvalidInput, match="CONVQ_CODEGEN"):
        codegen.available()
    monkeypatch.undo()
    codegen.available.cache_clear()
