"""The page's own arithmetic, run in Chromium, against NumPy."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from convq.stack import LocalStack

pytestmark = pytest.mark.stack

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def page(browser: Browser, stack: LocalStack) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(stack.url)
    yield page
    page.close()


@pytest.fixture
def run(page: Page) -> Run:
    """Return a function that calls one of a module with JSON, and bytes as {"bytes": base64}."""

    def call(module: str, code: str, **given: Any) -> Any:
        script = f"""async given => {{
            const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
            const m = await import("/ui/js/lib/{module}.js");
            {code}
        }}"""
        return page.evaluate(script, given)

    return call


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "dtype", ["?", "u1", "i1", "<u2", ">i2", "<i4", "<u8", "<f2", ">f4", "<f8", "<c8", "<c16"]
)
def test_arrays_are_read_as_numpy_writes_them(run: Run, dtype: str, order: Any) -> None:
    random = np.random.default_rng(0)
    values = 100 * random.normal(size=(3, 4, 5))
    if np.dtype(dtype).kind == "c":
        values = values + 1j * random.normal(size=(3, 4, 5))
    elif np.dtype(dtype).kind == "u":
        values = np.abs(values)
    array = np.asarray(values.astype(dtype), order=order)
    file = io.BytesIO()
    np.save(file, array)
    told = run(
        "npy",
        """const a = m.parseNpy(bytes(given.data));
        return {shape: a.shape, fortran: a.fortran,
                values: Array.from({length: 60}, (_, at) => Number(a.at(at)))};""",
        data=encoded(file.getvalue()),
    )
    assert (told["shape"], told["fortran"]) == ([3, 4, 5], order == "F")
    expected = np.abs(array) if array.dtype.kind == "c" else array
    np.testing.assert_allclose(told["values"], expected.ravel(order).astype(float), rtol=1e-6)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_members_of_archives_are_found(run: Run, write: Any) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    file = io.BytesIO()
    write(file, y=np.arange(3), x=x)
    told = run(
        "npy",
        """const archive = bytes(given.data).buffer;
        const a = m.parseNpy(await m.member(archive, "x.npy"));
        const none = await m.member(archive, "z.npy");
        return [none, Array.from({length: 24}, (_, at) => a.at(at))];""",
        data=encoded(file.getvalue()),
    )
    assert told[0] is None
    np.testing.assert_array_equal(told[1], x.ravel())


@pytest.mark.parametrize("length", [1, 2, 8, 64, 512])
def test_the_transform_is_that_of_numpy(run: Run, length: int) -> None:
    random = np.random.default_rng(length)
    x = random.normal(size=length) + 1j * random.normal(size=length)
    re_, im = run(
        "fourier",
        """const [re, im] = [Float64Array.from(given.re), Float64Array.from(given.im)];
        m.fft(re, im); return [[...re], [...im]];""",
        re=x.real.tolist(),
        im=x.imag.tolist(),
    )
    np.testing.assert_allclose(np.array(re_) + 1j * np.array(im), np.fft.fft(x), atol=1e-9)


def test_spectra_of_pictures_have_zero_in_the_middle(run: Run) -> None:
    x = np.random.default_rng(3).normal(size=(16, 16))
    told = run("fourier", "return [...m.spectrum(given.x, 16)];", x=x.ravel().tolist())
    expected = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(x))))
    np.testing.assert_allclose(np.reshape(told, (16, 16)), expected, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_feature_maps_are_correlations(run: Run, channels: int) -> None:
    random = np.random.default_rng(4)
    planes = random.normal(size=(channels, 7, 9))
    levels = random.integers(-127, 128, size=(2, channels, 3, 2)).astype(np.int8)
    told = run(
        "filters",
        """const k = m.unpack(given.told);
        return m.featureMap(k, 1, given.planes, 9, 7).values.length === 5 * 8
            ? [...m.featureMap(k, 1, given.planes, 9, 7).values] : null;""",
        told={
            "shape": list(levels.shape),
            "scale": 0.25,
            "values": encoded(levels.tobytes()),
        },
        planes=planes.reshape(channels, -1).tolist(),
    )
    windows = np.lib.stride_tricks.sliding_window_view(planes, (3, 2), axis=(1, 2))
    expected = np.einsum("cyxij,cij->yx", windows, 0.25 * levels[1].astype(float))
    np.testing.assert_allclose(np.reshape(told, (5, 8)), expected, rtol=1e-4, atol=1e-4)


def test_values_become_colours_and_what_is_no_number_stands_out(run: Run) -> None:
    told = run(
        "colour",
        """const c = m.paint([0, 1, NaN, 0.5, Infinity, -Infinity], 3, 2, "grey");
        return [...c.getContext("2d").getImageData(0, 0, 3, 2).data];""",
    )
    pixels = np.reshape(told, (6, 4))[:, :3].tolist()
    assert pixels[:3] == [[0, 0, 0], [255, 255, 255], [255, 0, 255]]
    assert pixels[4:] == [[255, 255, 255], [0, 0, 0]]
    assert pixels[3] in ([127] * 3, [128] * 3)


def test_lines_of_charts_break_where_nothing_is_known(run: Run) -> None:
    told = run(
        "chart",
        """const c = m.chart({title: "x"}); c.style.width = "400px"; document.body.append(c);
        c.update([{name: "a", area: true, points: given.points}]);
        const path = name => c.querySelector(name).getAttribute("d");
        const found = [path(".line"), path(".area"), c.querySelectorAll(".point").length];
        c.remove(); return found;""",
        points=[[0, None], [1, 2], [2, 3], [3, None], [4, 1], [5, None], [6, 1], [7, 2], [8, 2]],
    )
    assert [path.count("M") for path in told[:2]] == [3, 2]
    assert told[0].count("L") == 3
    assert told[2] == 1


def test_lists_that_grow_forget_their_oldest(run: Run) -> None:
    told = run(
        "every",
        """const r = new m.Ring(3);
        for (let n = 0; n < 1000; n += 1) r.push(n); return r.items;""",
    )
    assert told == [997, 998, 999]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (2.5e-6, "2.5 µs"),
        (0.01234, "12.3 ms"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_times_are_told_as_people_read_them(run: Run, value: float | None, text: str) -> None:
    assert run("format", "return m.duration(given.value);", value=value) == text


HOSTILE = {"kind": "convolve", "label": 'it\'s \\ "$(reboot)" `x`\n</script>', "cval": 0}


def test_lines_to_do_it_again_hold_whatever_a_name_is(run: Run) -> None:
    shell, python = run(
        "reproduce",
        'return [m.curl(given.body, "http://x", true), m.python(given.body, "http://x")];',
        body=HOSTILE | {"mode": None, "kernel": {"values": [[1, 2]], "on": True}},
    )
    quoted = re.search(r"-d '(.*)'$", shell, re.DOTALL)
    assert quoted is not None
    body = HOSTILE | {"mode": None, "kernel": {"values": [[1, 2]], "on": True}}
    assert json.loads(quoted[1].replace("'\\''", "'")) == body
    found: dict[str, Any] = {}

    class Client:
        def __init__(self, url: str) -> None:
            found["url"] = url

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, kind: str, **fields: Any) -> None:
            found["body"] = {"kind": kind} | fields

        def wait(self, _: None) -> Any:
            return type("Ended", (), {"state": "succeeded"})

    module = type("convq", (), {"Client": Client})
    exec(python.replace("import convq", ""), {"convq": module, "print": lambda _: None})
    assert found == {"url": "http://x", "body": body}
