import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from convq.demo import pictures
from core.errors import InvalidInput


def image_in(text):
    encoded = text.split("base64,", 1)[1].split('"', 1)[0]
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "picture.png"
    ramp = np.linspace(0, 255, 1800 * 1000).reshape(1000, 1800).astype(np.uint8)
    Image.fromarray(ramp).save(path)
    return path


def test_a_preview_keeps_the_proportions(photograph):
    assert image_in(pictures.preview(photograph)).size == (900, 500)


def test_a_detail_is_the_middle_at_full_size(photograph):
    found = np.asarray(image_in(pictures.detail(photograph)).convert("L"), int)
    with Image.open(photograph) as whole:
        expected = np.asarray(whole, int)[260:740, 540:1260]
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4


def test_a_tile_is_square(photograph):
    assert image_in(pictures.tile(photograph)).size == (240, 240)


def test_a_kernel_has_one_pixel_for_each_tap_and_zero_is_transparent():
    taps = np.array([[1.0, 0.0, -1.0], [0.25, 0.0, -0.25]])
    drawn = np.asarray(image_in(pictures.kernel_picture(taps)))
    assert drawn.shape == (2, 3, 4)
    assert drawn[..., 3].tolist() == [[255, 0, 255], [128, 0, 128]]
    assert drawn[0, 0, 0] > drawn[0, 0, 2]  # positive: orange
    assert drawn[0, 2, 0] < drawn[0, 2, 2]  # negative: blue


def test_a_kernel_of_zeros_can_be_drawn():
    assert not np.asarray(image_in(pictures.kernel_picture(np.zeros((3, 3)))))[..., 3].any()


def test_a_one_dimensional_kernel_is_a_curve_through_all_taps():
    drawn = pictures.kernel_picture(np.array([0.0, 2.0, -1.0]))
    assert 'points="2.0,36.0 50.0,6.0 98.0,51.0"' in drawn


def test_a_kernel_with_three_axes_is_refused():
    with pytest.raises(InvalidInput, match="1-D, 2-D"):
        pictures.kernel_picture(np.ones((3, 3, 3)))


def test_a_spectrogram_is_brightest_where_the_tone_is(tmp_path):
    rate = 22_050
    tone = np.sin(2 * np.pi * 2756.25 * np.arange(2 * rate) / rate)  # a quarter of the way up
    wavfile.write(tmp_path / "tone.wav", rate, (20_000 * tone).astype(np.int16))
    drawn = np.asarray(image_in(pictures.spectrogram(tmp_path / "tone.wav")), int).sum(-1)
    brightest = drawn[:, 100:-100].mean(axis=1).argmax() / drawn.shape[0]
    assert brightest == pytest.approx(0.75, abs=0.02)
