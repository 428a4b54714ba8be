"""Kim's net sees the order of words."""

from __future__ import annotations

import io
import itertools
import tarfile
from pathlib import Path

from examples import film_reviews


def distribution(folder: Path, table: str) -> Path:
    """Return a source distribution as that of vaderSentiment, with another table."""

    def packed(name: str, content: bytes) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    inner = packed("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt", table.encode())
    path = folder / "vaderSentiment-3.3.2.tar.gz"
    path.write_bytes(packed("v-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", inner))
    return path


def test_order_is_seen_where_words_say_nothing(tmp_path: Path) -> None:
    # Each film has the same words in praise and in blame.
    films = [f"{a} {b}" for a, b in itertools.product("abcdefghijklmno", repeat=2)]
    rows = []
    for film in films:
        rows += [
            f"1\t2.5\tthe {film} is good , not dull",
            f"2\t-2.5\tthe {film} is dull , not good",
        ]
    rows.append("3\t0.1\tit is a film")
    path = distribution(tmp_path, "\n".join(rows))
    assert film_reviews.sentences(path)[:2] == [
        ("the a a is good , not dull", 2.5),
        ("the a a is dull , not good", -2.5),
    ]
    trained, words = film_reviews.main(path, epochs=2)
    assert trained.evaluation.images == round(0.1 * 2 * len(films)) + 0
    assert words < 0.6 < 0.95 < trained.evaluation.accuracy
