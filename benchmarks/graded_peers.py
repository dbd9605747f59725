"""Other tools on the same multiple-choice items and the same server as `graded.py`:
`python -m benchmarks.graded_peers [--only NAME ...]`.

Each is installed by uv into a virtual environment of its own under .venv-peers/, asks with the same number of
streams, and is bounded in time; a failure is reported as one. After each repetition Tiltyard does the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import table
from benchmarks.child import run
from benchmarks.graded import MCQ_ITEMS, MODEL, STREAMS, answering, mcq, questions
from benchmarks.measurements import median_rows
from benchmarks.peers import HOME, beside, installed, version_of

LIMIT_S = 180.0
COMPARED = ("wall_s", "cpu_s", "cpu_ms_per_item", "peak_mb")
HEAD = ("id", "question", "A", "B", "C", "D", "answer")

INSPECT_TASK = """
import csv
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import choice
from inspect_ai.solver import multiple_choice

@task
def items():
    rows = list(csv.DictReader(open("items.csv", newline="")))
    samples = [Sample(input=r["question"], choices=[r[x] for x in "ABCD"], target=r["answer"]) for r in rows]
    return Task(dataset=MemoryDataset(samples), solver=multiple_choice(), scorer=choice())
"""
LM_EVAL_TASK = """
task: items
dataset_path: csv
dataset_kwargs:
  data_files:
    test: items.csv
test_split: test
output_type: generate_until
doc_to_text: "{{question}}\\nA. {{A}}\\nB. {{B}}\\nC. {{C}}\\nD. {{D}}\\nAnswer with the letter."
doc_to_target: "Answer: {{answer}}"
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 64
metric_list:
  - metric: exact_match
"""


class Peer(NamedTuple):
    """How to install a tool, and the words that ask it for all items."""

    packages: tuple[str, ...]
    distribution: str
    words: Callable[[str, Path], list[str]]


def inspect_words(url: str, folder: Path) -> list[str]:
    (folder / "task.py").write_text(INSPECT_TASK, encoding="utf-8")
    words = ["inspect", "eval", "task.py", "--model", f"openai/{MODEL}", "--display", "none"]
    return [*words, "--max-connections", str(STREAMS), "--log-dir", str(folder / "logs")]


def lm_eval_words(url: str, folder: Path) -> list[str]:
    (folder / "items.yaml").write_text(LM_EVAL_TASK, encoding="utf-8")
    arguments = f"model={MODEL},base_url={url}/v1/chat/completions,num_concurrent={STREAMS}"
    words = ["lm_eval", "--model", "local-chat-completions", "--tasks", "items", "--include_path", "."]
    return [*words, "--model_args", f"{arguments},tokenizer_backend=None", "--apply_chat_template"]


def evalscope_words(url: str, folder: Path) -> list[str]:
    place = folder / "set"
    place.mkdir()
    (folder / "items.csv").rename(place / "default_val.csv")
    arguments = {"general_mcq": {"local_path": str(place), "subset_list": ["default"]}}
    words = ["evalscope", "eval", "--model", MODEL, "--api-url", f"{url}/v1", "--api-key", "none"]
    words += ["--eval-type", "openai_api", "--datasets", "general_mcq"]
    words += ["--dataset-args", json.dumps(arguments), "--eval-batch-size", str(STREAMS)]
    return [*words, "--work-dir", str(folder / "out")]


PEERS: Mapping[str, Peer] = {
    "inspect_ai": Peer(("inspect-ai", "openai"), "inspect-ai", inspect_words),
    "lm-eval": Peer(("lm-eval[api]",), "lm-eval", lm_eval_words),
    "evalscope": Peer(("evalscope[perf]",), "evalscope", evalscope_words),
}


def measure(name: str) -> dict[str, Any]:
    """One run over all items."""
    peer = PEERS[name]
    with tempfile.TemporaryDirectory(prefix="tiltyard-peer-") as text, answering(None) as url:
        folder = Path(text)
        with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEAD)
            found = enumerate(questions(MCQ_ITEMS))
            writer.writerows([number, words, *options, letter] for number, (words, options, letter) in found)
        program, *words = peer.words(url, folder)
        bare = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HOME": text, "NO_COLOR": "1"}
        env = {**bare, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none"}
        line = [str(installed(name, peer.packages) / program), *words]
        cost = run(line, env=env, cwd=folder, limit_s=LIMIT_S, tree=True)
    if cost.rc != 0:
        last = (cost.stderr.strip() or cost.stdout.strip() or "no words").splitlines()[-1]
        raise RuntimeError(f"ended with {cost.rc}: {last[:160]}")
    return {
        "items": MCQ_ITEMS,
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "cpu_ms_per_item": cost.cpu_s / MCQ_ITEMS * 1e3,
        "peak_mb": cost.peak_mb,
    }


def ours() -> dict[str, float]:
    """The figures that are compared, of Tiltyard."""
    row = mcq()
    return {key: row[key] for key in COMPARED}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graded_peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PEERS), help="these alone; the rest is kept")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each; medians are kept")
    asked = parser.parse_args()
    found, failed = table.read(table.GRADED_PEERS), 0
    for name in asked.only or PEERS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            row = median_rows([beside(measure(name), ours()) for _ in range(asked.repeat)])
            found[name] = {"version": version_of(HOME / name, PEERS[name].distribution), **row}
        except (RuntimeError, OSError, LookupError) as error:
            failed += 1
            found[name] = {"failed": f"failed: {error}"}
        print(json.dumps(found[name]), file=sys.stderr)
        table.GRADED_PEERS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table.write()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
