"""Go: a net finds the move that takes most, in positions of legal random play.

``python -m examples.go_captures`` plays, trains the net of Clark and Storkey, whose first layer
adds the channel of ones that tells it where the board ends, and says how often it is right.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.go_rules import Point, Position, empty, group, play
from examples.training import train

# Own and other stones with one, two, and more liberties; and the ko.
CHANNELS = 7
_LEAST = 5


def positions(count: int, size: int, seed: int) -> list[tuple[Position, Point]]:
    """Return positions of random play in which one move takes more than any other, and it."""
    random = np.random.default_rng(seed)
    found: list[tuple[Position, Point]] = []
    position, moves = empty(size), 0
    while len(found) < count:
        taken = captures(position)
        if taken:
            best = max(taken.values())
            moves_of_best = [point for point, stones in taken.items() if stones == best]
            if len(moves_of_best) == 1:
                found.append((position, moves_of_best[0]))
        after = None
        places = [(int(r), int(c)) for r, c in np.argwhere(position.board == 0)]
        random.shuffle(places)
        for place in places:
            after = play(position, place)
            if after is not None:
                break
        moves += 1
        # A game ends where there is no legal move, or after as many as there are points.
        position = empty(size) if after is None or moves % size**2 == 0 else after[0]
    return found


def captures(position: Position) -> dict[Point, int]:
    """Return the legal moves that take stones, and how many each takes."""
    found: dict[Point, int] = {}
    for row, column in np.argwhere(position.board == -position.player):
        _, liberties = group(position.board, (int(row), int(column)))
        if len(liberties) == 1:
            (point,) = liberties
            after = play(position, point)
            if after is not None:
                found[point] = after[1]
    return found


def channels(position: Position) -> NDArray[np.uint8]:
    """Return what the net sees of a position, of shape (7, N, N)."""
    seen = np.zeros((CHANNELS, *position.board.shape), np.uint8)
    for row, column in np.argwhere(position.board != 0):
        point = (int(row), int(column))
        _, liberties = group(position.board, point)
        mine = position.board[point] == position.player
        seen[(0 if mine else 3) + min(len(liberties), 3) - 1][point] = 1
    if position.ko is not None:
        seen[6][position.ko] = 1
    return seen


def write(path: Path, count: int, size: int, seed: int = 0) -> None:
    """Write a data set of positions, with the best move of each as its class."""
    found = positions(count, size, seed)
    # What is kept aside takes a share of each class, which a single position has not.
    often = Counter(point for _, point in found)
    found = [one for one in found if often[one[1]] >= _LEAST]
    x = np.stack([channels(position) for position, _ in found])
    # A class for each point that is the best move of a position.
    points, y = np.unique([row * size + column for _, (row, column) in found], return_inverse=True)
    np.savez(path, x=x, y=y, classes=points.astype(str))


def main(count: int = 6000, size: int = 9, epochs: int = 8) -> Any:
    """Play, train and tell; return the trained net."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "go.npz"
        write(path, count, size)
        trained = train(path, {"architecture": "go8"}, epochs=epochs, batch=64, validation=0.1)
    assert trained.evaluation is not None
    sys.stdout.write(f"the best of {size * size} moves: {trained.evaluation.accuracy:.1%}\n")
    return trained


if __name__ == "__main__":
    main()
