"""The fingerprint: a hash over all that can change a result.

Runs that differ in it are never pooled; runs that share it are carried on, or shown again.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from tiltyard.records import Json, Run, content_hash
from tiltyard.stats.machines import hardware

SETTING = re.compile(r"[A-Z][A-Z0-9_]+=.*")  # a note on a server: how its environment sets it
NO_EFFECT = ("files", "retries", "retry_delay_s", "pause_s")  # on a result: where items lie, who is patient
ENDS = ("stop_when", "against", "against_best")  # settings of when a run may end, and nothing else


def fingerprint(run: Run, movable: bool) -> str:
    """Hash over suite and version, settings (a graded suite puts the hash of its items there), model, engine,
    context and machine.

    Where a server loads the model with the context that it is told (`movable`), the settings say which, not
    what happens to be loaded. A server elsewhere stands for its machine. A name without a digest is no
    identity: two servers may each call something else by it, and so may one that was started anew.
    """
    model, server = run.model, run.server
    settings = {name: value for name, value in run.settings.items() if name not in NO_EFFECT}
    if "against_best" in settings:  # whoever picks the best one pays for it, whatever their number
        settings["against_best"] = True
    return content_hash(
        {
            "suite": (run.suite, run.suite_version),
            "settings": settings,
            "model": [model.digest or model.name, model.quantization, *weights(run)],
            "served_at": None if model.digest else server.url,
            "engine": [
                *(server.dialect, model.engine, model.engine_version or server.version, server.slots),
                *sorted(note for note in server.notes if SETTING.fullmatch(note)),
            ],
            "context": run.settings.get("context") if movable else model.context_loaded,
            "machine": hardware(run.machine) if server.local else server.url,
        }
    )


def refiled(run: Run, otherwise: Run) -> str:
    """What a stored run's fingerprint would be, were it `otherwise`; its own where made by other rules."""
    for movable in (False, True):
        if fingerprint(run, movable) == run.fingerprint:
            return fingerprint(otherwise, movable)
    return run.fingerprint


def unstopped(run: Run) -> Run:
    """The same without the rule that may end it early."""
    return replace(run, settings={name: value for name, value in run.settings.items() if name not in ENDS})


def weights(run: Run) -> tuple[dict[str, Json], ...]:
    """What is known of the weights where there is no digest: only facts that a server tells of a model
    whether it is in memory or not. Of LM Studio's variants the chosen one alone has a size.
    """
    model = run.model
    size = None if run.server.dialect == "lmstudio" else model.size_bytes
    known: dict[str, Json] = {
        "path": model.path,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "size_bytes": size,
    }
    told = {name: value for name, value in known.items() if value is not None}
    return (told,) if told and not model.digest else ()
