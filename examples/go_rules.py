"""The rules of Go that random play needs: groups, liberties, captures, suicide, ko."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Position:
    """A board with who is to move.

    Attributes
    ----------
    board : ndarray of int8, shape (N, N)
        1 and -1 for stones, 0 for empty points.
    player : int
        1 or -1.
    ko : tuple of int or None
        Where the player may not take back at once.
    """

    board: NDArray[np.int8]
    player: int = 1
    ko: Point | None = None


def empty(size: int) -> Position:
    """Return the position before the first move."""
    return Position(np.zeros((size, size), np.int8))


def group(board: NDArray[np.int8], point: Point) -> tuple[set[Point], set[Point]]:
    """Return the stones that are connected with the one at a point, and their liberties.

    Examples
    --------
    >>> board = np.array([[1, 1, 0], [0, -1, 0], [0, 0, 0]], np.int8)
    >>> stones, liberties = group(board, (0, 0))
    >>> sorted(stones), sorted(liberties)
    ([(0, 0), (0, 1)], [(0, 2), (1, 0)])
    """
    colour = board[point]
    stones, liberties, waiting = {point}, set(), [point]
    while waiting:
        for near in _around(board, waiting.pop()):
            if board[near] == 0:
                liberties.add(near)
            elif board[near] == colour and near not in stones:
                stones.add(near)
                waiting.append(near)
    return stones, liberties


def play(position: Position, point: Point) -> tuple[Position, int] | None:
    """Return what a move makes of a position, and how many stones it takes; None if not legal.

    Examples
    --------
    >>> board = np.array([[-1, 1, 0], [0, 0, 0], [0, 0, 0]], np.int8)
    >>> after, taken = play(Position(board), (1, 0))
    >>> taken, after.board[0].tolist(), after.player
    (1, [0, 1, 0], -1)
    """
    if position.board[point] != 0 or point == position.ko:
        return None
    board, player = position.board.copy(), position.player
    board[point] = player
    taken: set[Point] = set()
    for near in _around(board, point):
        if board[near] == -player:
            stones, liberties = group(board, near)
            if not liberties:
                taken |= stones
    for stone in taken:
        board[stone] = 0
    stones, liberties = group(board, point)
    if not liberties:
        return None
    # One stone that took one, and could be taken in turn: the board would be as it was.
    ko = next(iter(taken)) if len(taken) == len(stones) == len(liberties) == 1 else None
    return Position(board, -player, ko), len(taken)


def _around(board: NDArray[np.int8], point: Point) -> list[Point]:
    size, (row, column) = len(board), point
    around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return [(r, c) for r, c in around if 0 <= r < size and 0 <= c < size]
