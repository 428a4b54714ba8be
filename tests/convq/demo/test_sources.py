import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from convq.demo import sources
from core.errors import NotFound


def test_all_photographs_are_part_of_the_installed_package(tmp_path):
    for name in sources.PHOTOGRAPHS:
        with Image.open(sources.photograph(name, tmp_path)) as picture:
            picture.load()


def test_a_photograph_that_is_not_there_says_what_to_install(tmp_path):
    with pytest.raises(NotFound, match=r"convq\[demo\]"):
        sources.photograph("nobody.png", tmp_path)


def test_the_large_photograph_has_24_megapixels(tmp_path):
    with Image.open(sources.large_photograph(tmp_path)) as picture:
        assert picture.width * picture.height >= 24_000_000
        assert picture.mode == "RGB"


def test_the_damaged_photograph_looks_sound_until_it_is_read(tmp_path):
    with Image.open(sources.damaged_photograph(tmp_path)) as picture:
        assert picture.size == (600, 400)
        with pytest.raises(OSError, match="truncated"):
            picture.load()


def test_the_recording_is_the_same_each_time(tmp_path):
    (tmp_path / "again").mkdir()
    first = sources.recording(tmp_path)
    assert first.read_bytes() == sources.recording(tmp_path / "again").read_bytes()
    rate, samples = wavfile.read(first)
    assert (rate, samples.dtype, samples.shape) == (22_050, np.int16, (77_175,))


@pytest.mark.parametrize("frequency", [220.0, 440.0])
def test_a_string_has_the_pitch_that_was_asked_for(frequency):
    sound = sources.pluck(frequency, sources.SAMPLE_RATE, np.random.default_rng(0))
    # Autocorrelation is largest at one period.
    spectrum = np.abs(np.fft.rfft(sound, 2 * sound.size)) ** 2
    correlation = np.fft.irfft(spectrum)[20:1000]
    period = 20 + correlation.argmax()
    # The average of two neighbours delays each turn by half a sample.
    assert sources.SAMPLE_RATE / period == pytest.approx(frequency, rel=0.02)
