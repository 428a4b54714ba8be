"""The examples learn what they say they learn."""

from __future__ import annotations

import itertools

import numpy as np
import scipy.ndimage

from examples import go_captures, pilotnet_road
from examples.go_rules import Position, empty, group, play

CROSS = scipy.ndimage.generate_binary_structure(2, 1)


def liberties(board: np.ndarray, colour: int) -> list[int]:
    """Return the liberties of each group of a colour, found by labelling and dilation."""
    labels, count = scipy.ndimage.label(board == colour, CROSS)
    around = (scipy.ndimage.binary_dilation(labels == g + 1, CROSS) for g in range(count))
    return [int((near & (board == 0)).sum()) for near in around]


def test_random_play_is_legal() -> None:
    random = np.random.default_rng(0)
    position, boards = empty(5), []
    for _ in range(120):
        legal = [play(position, p) for p in itertools.product(range(5), repeat=2)]
        after = [found for found in legal if found is not None]
        if not after:
            break
        following, taken = after[random.integers(len(after))]
        for colour in (1, -1):
            assert 0 not in liberties(following.board, colour)
        stones = np.abs(following.board).sum() - np.abs(position.board).sum()
        assert stones == 1 - taken
        # No board comes back after two moves.
        assert not (boards and (following.board == boards[-1]).all())
        boards.append(position.board)
        position = following
    assert len(boards) > 30


def test_what_go_forbids() -> None:
    board = np.zeros((4, 4), np.int8)
    board[0, 1] = board[1, 0] = -1
    assert play(Position(board), (0, 0)) is None  # suicide
    assert play(Position(board), (0, 1)) is None  # taken
    ko = np.array([[0, 1, -1, 0], [1, 0, 1, -1], [0, 1, -1, 0], [0, 0, 0, 0]], np.int8)
    after, taken = play(Position(ko, -1), (1, 1))  # type: ignore[misc]
    assert (taken, after.ko) == (1, (1, 2))
    assert play(after, (1, 2)) is None


def test_the_move_to_find_takes_most() -> None:
    for position, best in go_captures.positions(20, 6, seed=1):
        taken = {}
        for point in itertools.product(range(6), repeat=2):
            after = play(position, point)
            if after is not None:
                taken[point] = after[1]
        assert taken[best] == max(taken.values()) > 0
        assert list(taken.values()).count(taken[best]) == 1
        seen = go_captures.channels(position)
        mine = position.board == position.player
        np.testing.assert_array_equal(seen[:3].sum(axis=0), mine)
        # Who can be taken has one liberty.
        assert any(
            len(group(position.board, (int(r), int(c)))[1]) == 1 for r, c in np.argwhere(seen[3])
        )


def test_the_net_for_go_learns() -> None:
    trained = go_captures.main(count=300, size=5, epochs=5)
    assert trained.evaluation.accuracy > 3 / 25


def test_pilotnet_steers() -> None:
    trained = pilotnet_road.main(count=240, epochs=6)
    bends = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
    guess = np.var([pilotnet_road.steering(*place) for place in bends])
    assert trained.evaluation.loss < 0.3 * guess


def test_a_bend_to_the_right_is_seen_on_the_right() -> None:
    def lane(bend: float, offset: float) -> float:
        x = pilotnet_road.view(bend, offset, np.random.default_rng(0)).astype(float)
        line = x[:, 30].min(axis=0)
        return float((np.arange(200) * (line > 190)).sum() / (line > 190).sum())

    assert lane(1, 0) > lane(0, 0) > lane(-1, 0)
    assert lane(0, 1) < lane(0, 0) < lane(0, -1)
