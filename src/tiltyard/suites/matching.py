"""Which part of an answer is for which expected one, where several are in play and their order is free.

The assignment with the largest sum: taking the first fit in order (greedy) fails answers that are right; this
never does. Leaves out what a pair is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST = 64  # rows or columns that are looked at; a model that makes a thousand calls is wrong anyway


def assign(weights: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs (row, column), each at most once, whose weights sum to the maximum.

    The Hungarian method with potentials, O(rows² · columns). Rows are padded, so none may be left without.
    """
    rows = [list(row[:MOST]) for row in weights[:MOST]]
    width = max((len(row) for row in rows), default=0)
    if not rows or not width:
        return []
    if len(rows) == width == 1:
        return [(0, 0)]
    turned = len(rows) > width
    if turned:
        rows = [list(column) for column in zip(*rows, strict=True)]
        width = len(rows[0])
    owner = matched(rows, width)
    pairs = [(row - 1, column - 1) for column, row in enumerate(owner) if column and row]
    return sorted((column, row) if turned else (row, column) for row, column in pairs)


def matched(rows: Sequence[Sequence[float]], width: int) -> list[int]:
    """For each column (from 1) the row (from 1) that has it, 0 for none; rows must not outnumber columns."""
    high, low = [0.0] * (len(rows) + 1), [0.0] * (width + 1)
    owner = [0] * (width + 1)
    for row in range(1, len(rows) + 1):
        owner[0], column = row, 0
        slack, before, used = [float("inf")] * (width + 1), [0] * (width + 1), [False] * (width + 1)
        while owner[column]:
            used[column] = True
            here, step, following = owner[column], float("inf"), 0
            for other in range(1, width + 1):
                if used[other]:
                    continue
                cost = 1.0 - rows[here - 1][other - 1] - high[here] - low[other]
                if cost < slack[other]:
                    slack[other], before[other] = cost, column
                if slack[other] < step:
                    step, following = slack[other], other
            for other in range(width + 1):
                if used[other]:
                    high[owner[other]] += step
                    low[other] -= step
                else:
                    slack[other] -= step
            column = following
        while column:
            owner[column] = owner[before[column]]
            column = before[column]
    return owner


def perfect(edges: Sequence[Sequence[bool]]) -> bool:
    """Can every row have a column of its own, along true entries, with no column left over?"""
    if len(edges) > MOST or any(len(row) != len(edges) for row in edges):
        return False
    return sum(edges[row][column] for row, column in assign(edges)) == len(edges)
