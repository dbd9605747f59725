"""A row per request under the column names that llmperf and its kin use, and that tool's two JSON files.

Each definition is in docs/results.md; where theirs is known to mislead (an inter-token latency that counts
the first token), ours stands under the old name. Text from models is kept whole, quoted as CSV quotes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tiltyard.records import Attempt, Json, Run
from tiltyard.reports.export import guarded, score_of
from tiltyard.reports.traits import fig
from tiltyard.settings import hide_keys
from tiltyard.stats.figures import percentile

VERSION = "2023-08-31"  # of the results' shape
BASE = (
    "error_code",
    "error_msg",
    "inter_token_latency_s",
    "ttft_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
    "number_total_tokens",
    "number_output_tokens",
    "number_input_tokens",
)
JUDGED = ("outcome", "accuracy_score")
OF_JSON = ("json_valid", "json_schema_valid", "validation_errors", "parsed_json")
EXPECTED = ("expected_tool", "expected_args")
OF_TOOLS = ("tool_call_success", "number_tool_calls", "tool_call_accuracy", *EXPECTED, "extracted_calls")
ONE_STREAM = ("quick", "depth")  # profiles, unless told otherwise
TAIL = ("test_case", "generated_text", "model", "test_type", "timestamp", "config_hash")
COLUMNS = (*BASE, *JUDGED, *OF_JSON, *OF_TOOLS, *TAIL)
SUMMARISED = (
    "inter_token_latency_s",
    "ttft_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
    "number_input_tokens",
    "number_output_tokens",
)
QUANTILES = (25, 50, 75, 90, 95, 99)

Beside = Callable[[str, Attempt], Mapping[str, Json]]


def rows(run: Run, attempts: Iterable[Attempt], beside: Beside) -> Iterator[dict[str, Json]]:
    """One row per attempt; the attempts come with their exchanges. Unknown is None.

    `beside` tells a suite's own columns (`parsed_json` ...). CSV leaves out what is not in `COLUMNS`.
    """
    settings = config_hash(run)
    for attempt in attempts:
        judged = {**verdict(attempt), **beside(run.suite, attempt)}
        yield {**timing(attempt), **judged, **place(run, attempt), "config_hash": settings}


def timing(attempt: Attempt) -> dict[str, Json]:
    """What it took, and how it ended."""
    measures, last = attempt.measures, attempt.exchanges[-1] if attempt.exchanges else None
    failed = last is None or last.ending != "ok"
    tokens = (measures.prompt_tokens, measures.output_tokens)
    return {
        "error_code": (last.status if last and last.status not in (None, 200) else last and last.ending)
        if failed
        else None,
        "error_msg": hide_keys((last.error if last else None) or "no exchange") if failed else None,
        "inter_token_latency_s": seconds(measures.itl_ms),
        "ttft_s": seconds(measures.ttft_ms),
        "end_to_end_latency_s": seconds(measures.e2e_ms),
        "request_output_throughput_token_per_s": measures.e2e_tps,
        "number_total_tokens": None if None in tokens else sum(n or 0 for n in tokens),
        "number_output_tokens": measures.output_tokens,
        "number_input_tokens": measures.prompt_tokens,
    }


def verdict(attempt: Attempt) -> dict[str, Json]:
    """What the suite's judge said; every suite's own columns are empty."""
    found: dict[str, Json] = dict.fromkeys((*JUDGED, *OF_JSON, *OF_TOOLS))
    grade = attempt.grade
    if grade is None:
        return found
    return found | {"outcome": grade.outcome, "accuracy_score": score_of(grade)}


def place(run: Run, attempt: Attempt) -> dict[str, Json]:
    last = attempt.exchanges[-1] if attempt.exchanges else None
    return {
        "test_case": attempt.item_id,
        "generated_text": last.text if last else None,
        "model": run.model.name,
        "test_type": run.suite,
        "timestamp": attempt.started_at,
    }


def seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1e3


def config_hash(run: Run) -> str:
    """The run's fingerprint, in the form of a hash of 32 digits."""
    return hashlib.md5(run.fingerprint.encode(), usedforsecurity=False).hexdigest()


def as_csv(found: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """CSV text with a head, line by line; cells of models' text are quoted, never cut."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in found:
        writer.writerow({name: guarded(value) for name, value in row.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    if buffer.getvalue():
        yield buffer.getvalue()


def summary(run: Run, found: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """The flat summary object: what was asked, then counts, error codes and the spread of six metrics."""
    wall_s = measured_s(run)
    good = ended_well(found)
    codes = Counter(str(row["error_code"]) for row in found if row["error_msg"] is not None)
    output = sum(row["number_output_tokens"] or 0 for row in good)
    spreads = {name: spread([row[name] for row in good if row[name] is not None]) for name in SUMMARISED}
    if rates_withheld(run):
        spreads["inter_token_latency_s"] = spread([])
    results: dict[str, Json] = {
        "num_requests_started": len(found),
        "num_completed_requests": len(good),
        "num_completed_requests_per_min": len(good) / wall_s * 60 if wall_s > 0 else None,
        "number_errors": len(found) - len(good),
        "error_rate": (len(found) - len(good)) / len(found) if found else None,
        "error_code_frequency": str(dict(codes)),
        "mean_output_throughput_token_per_s": output / wall_s if wall_s > 0 else None,
        **{f"{name}_{part}": value for name, parts in spreads.items() for part, value in parts.items()},
    }
    return {
        "version": VERSION,
        "name": f"{safe(run.model.name)}_{run.suite}",
        "model": run.model.name,
        "mean_input_tokens": spreads["number_input_tokens"]["mean"],
        "stddev_input_tokens": spreads["number_input_tokens"]["stddev"],
        "mean_output_tokens": spreads["number_output_tokens"]["mean"],
        "stddev_output_tokens": spreads["number_output_tokens"]["stddev"],
        "num_concurrent_requests": streams_of(run),
        "timestamp": int(datetime.fromisoformat(run.started_at).timestamp()),
        **{f"results_{name}": value for name, value in results.items()},
    }


def measured_s(run: Run) -> float:
    """How long requests were under way: in all stages, as the rows are; 0 where it is not known."""
    known = run.summary or {}
    return math.fsum(part.get("wall_s") or 0.0 for part in known.get("stages") or [known])


def ended_well(found: Iterable[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    return [row for row in found if row["error_msg"] is None]


def rates_withheld(run: Run) -> bool:
    """Has the run's own summary no such figure, and a reason why? What values there are mislead."""
    return not fig(run, "itl_ms") and "itl_ms" in ((run.summary or {}).get("unmeasured") or {})


def streams_of(run: Run) -> int | None:
    """Requests at once, as a number; None where they were several numbers, a rate, or the server's slots."""
    asked = run.settings.get("concurrency")
    if asked is None:
        return 1 if run.settings.get("profile") in ONE_STREAM else None
    return int(asked) if str(asked).isdecimal() else None


def spread(values: Sequence[float]) -> dict[str, Json]:
    """Quantiles, mean, extremes and standard deviation, flattened; None where nothing is known."""
    ordered, n = sorted(values), len(values)
    mean = math.fsum(ordered) / n if n else None
    found: dict[str, Any] = {
        f"quantiles_p{q}": percentile(ordered, q / 100) if n else None for q in QUANTILES
    }
    found |= {"mean": mean, "min": ordered[0] if n else None, "max": ordered[-1] if n else None}
    found["stddev"] = None
    if mean is not None and n > 1:
        found["stddev"] = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (n - 1))
    return found


def safe(name: str) -> str:
    """A model's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._")[:80] or "model"


def stamp(run: Run) -> str:
    """When the run began, as 20260102_030405."""
    digits = re.sub(r"\D", "", run.started_at)[:14]
    return f"{digits[:8]}_{digits[8:]}"


def csv_name(run: Run) -> str:
    """`<type>_<model>_<YYYYmmdd_HHMMSS>_<run>.csv`: no two runs share it."""
    return f"{run.suite}_{safe(run.model.name)}_{stamp(run)}_{run.id}.csv"


def json_stem(run: Run, found: Sequence[Mapping[str, Json]]) -> str:
    """`<model>_<mean input tokens>_<mean output tokens>_<run>`: no two runs share it. The sizes are those of
    the requests that ended well.
    """
    sizes = []
    for name in ("number_input_tokens", "number_output_tokens"):
        known = [row[name] for row in ended_well(found) if row[name] is not None]
        sizes.append(str(round(math.fsum(known) / len(known))) if known else "unknown")
    return "_".join([safe(run.model.name), *sizes, run.id])
