"""What each item of a graded run scored, packed: made once when a run ends, read by board and comparisons.

Eight bytes an item for all runs that scored the same items, and one bit an item for each run where answers
are right or wrong. The meaning of a difference is in `stats/`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from tiltyard.records import Json, Run
from tiltyard.stats.pairing import Scores, item_key, item_set
from tiltyard.store.run_list import AGES

NO_LONGER_NEEDED = "DELETE FROM item_sets WHERE hash NOT IN (SELECT items FROM verdicts)"

_ABOUT_ALL = 0.9  # of the items: a few of a run that asked them all have no score, for errors

# The newest try of each repetition; errors and what a server cannot do have no score.
_GRADED = (
    "SELECT stage, item_id, item_hash, score, max(try_no) AS newest, outcome FROM attempts "
    "WHERE run_key = ? GROUP BY stage, item_id, repetition "
    "HAVING outcome IS NOT NULL AND outcome NOT IN ('error', 'unsupported') AND score IS NOT NULL"
)


def put_verdicts(db: sqlite3.Connection, run_key: int, summary: Mapping[str, Json]) -> None:
    """Pack a graded run's scores anew, inside the caller's transaction; nothing for a run without any.

    A suite whose score is over some of its stages only names them in the summary's `scored_stages`.
    """
    db.execute("DELETE FROM verdicts WHERE run_key = ?", (run_key,))
    stages = summary.get("scored_stages")
    scores = Scores.of(
        (item_key(stage, item_id, item_hash), score)
        for stage, item_id, item_hash, score, *_ in db.execute(_GRADED, (run_key,))
        if stages is None or stage in stages
    )
    if not len(scores):
        return
    keys, body = scores.packed()
    items = scores.items_hash()
    db.execute("INSERT OR IGNORE INTO item_sets VALUES (?, ?)", (items, keys))
    db.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?)", (run_key, items, len(scores), body))


def put_score(
    db: sqlite3.Connection, run_key: int, settings: Mapping[str, Json], summary: Mapping[str, Json]
) -> None:
    """What a run asked and, where it was graded, its score: columns of `runs`, all in one transaction."""
    db.execute("UPDATE runs SET item_set = ? WHERE key = ?", (item_set(settings), run_key))
    if "outcomes" not in summary:
        return
    low, high = summary.get("ci95") or (None, None)
    cap_hit = summary.get("cap_hit") or {}
    values = {
        "score_n": summary.get("n"),
        "score_low": low,
        "score_high": high,
        "score_completed": summary.get("score_completed"),
        "cap_hit": cap_hit.get("value"),
        "ci_method": summary.get("ci_method"),
        "outcomes": json.dumps(summary["outcomes"]),
    }
    names = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE runs SET {names} WHERE key = ?", (*values.values(), run_key))


def scores_of(db: sqlite3.Connection, run_key: int) -> Scores | None:
    """What a run's items scored; None for a run that graded nothing, or has not ended."""
    sql = "SELECT keys, scores FROM verdicts JOIN item_sets ON hash = items WHERE run_key = ?"
    found = db.execute(sql, (run_key,)).fetchone()
    return None if found is None else Scores.unpacked(*found)


def opponent(db: sqlite3.Connection, run: Run) -> tuple[str | None, int]:
    """The best finished run by any other model over what a run asks, graded by the same version: its id, and
    out of how many runs it is the best.

    Who was asked the whole set was asked whatever is drawn of it. Only runs that answered about as many of
    the items as any of them are looked at, since items that the opponent was not asked decide nothing. Best
    is the highest lower end of the score's interval, so that a lucky handful of answers is not; the newest
    one of equals.
    """
    settings = run.settings
    undrawn = {name: value for name, value in settings.items() if name not in ("limit", "seed")}
    limit, count = settings.get("limit"), settings.get("item_count")
    drawn = min(limit / count, 1.0) if limit and count else 1.0
    found = db.execute(
        "WITH others AS (SELECT runs.id, runs.key, score_low, "
        "n * CASE item_set WHEN :own THEN 1.0 ELSE :drawn END AS shared FROM runs "
        "JOIN models ON models.id = model_id JOIN verdicts ON run_key = runs.key "
        "WHERE suite = :suite AND suite_version = :version AND item_set IN (:own, :whole) "
        "AND state = 'finished' AND models.name <> :but AND score IS NOT NULL) "
        f"SELECT id, count(*) OVER () FROM others JOIN {AGES} ON aged = key "
        "WHERE shared >= :most * (SELECT max(shared) FROM others) "
        "ORDER BY score_low DESC, since DESC, key DESC LIMIT 1",
        {
            "suite": run.suite,
            "version": run.suite_version,
            "own": item_set(settings),
            "whole": item_set(undrawn),
            "drawn": drawn,
            "but": run.model.name,
            "most": _ABOUT_ALL,
        },
    ).fetchone()
    return (None, 0) if found is None else (str(found[0]), int(found[1]))
