"""LM Studio's `/api/v1`: the listing with sizes, and loading and unloading with the server's own times.

It cannot generate for us: no seed, no stop words, no tools, no assistant turns.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec.structs import replace

from tiltyard.records import Json, Model
from tiltyard.servers import Loading
from tiltyard.servers.moe import whole
from tiltyard.servers.names import ACTIVE_BY_NAME, active_amount, amount, tells_experts
from tiltyard.servers.replies import done, fetch, rows, table, until_gone, word
from tiltyard.servers.wire import Wire

LOAD_WAIT_S = 900.0
UNLOAD_WAIT_S = 60.0
ONE_OF = "one of "  # how the note on variants begins


def listed(value: Json) -> list[Model] | None:
    """The models of GET /api/v1/models; None where the body is not that page."""
    items = table(value).get("models")
    if not isinstance(items, list) or (items and not any("key" in item for item in rows(items))):
        return None
    return [model_of(item) for item in rows(items) if word(item.get("key"))]


def model_of(item: Mapping[str, Json]) -> Model:
    name = str(item["key"])
    quant, instances = table(item.get("quantization")), rows(item.get("loaded_instances"))
    words = item.get("params_string")
    told = active_amount(words)
    active = told or active_amount(name)
    config = table(instances[0].get("config")) if instances else {}
    # Bits a weight stay unknown: the server's own are nominal, and its words for the parameters rounded.
    return Model(
        name=name,
        architecture=word(item.get("architecture")),
        moe=True if active or tells_experts(words) or whole(config.get("num_experts")) else None,
        parameters=amount(words),
        active_parameters=active,
        quantization=word(quant.get("name")),
        context_max=whole(item.get("max_context_length")),
        context_loaded=whole(config.get("context_length")),
        size_bytes=whole(item.get("size_bytes")),
        loaded=bool(instances),
        capabilities=capabilities(item),
        notes=(*variants(item), ACTIVE_BY_NAME) if active and not told else variants(item),
    )


def capabilities(item: Mapping[str, Json]) -> tuple[str, ...]:
    if item.get("type") == "embedding":
        return ("embedding",)
    caps = table(item.get("capabilities"))
    found = ["completion", "schema"]
    if caps.get("trained_for_tool_use") is True:
        found.append("tools")
    if caps.get("vision") is True:
        found.append("vision")
    if caps.get("reasoning"):
        found.append("thinking")
    return tuple(found)


def variants(item: Mapping[str, Json]) -> tuple[str, ...]:
    """Several quantizations share one entry: say which one is chosen."""
    names = item.get("variants")
    if not isinstance(names, list) or len(names) < 2:
        return ()
    chosen = word(item.get("selected_variant"))
    return (f"{ONE_OF}{len(names)} variants" + (f": {chosen}" if chosen else ""),)


def another_variant(chosen: Model, name: str, quant: str) -> Model:
    """A variant that the listing does not describe, from the one that it does."""
    notes = (
        f"{note.partition(':')[0]}: {name}" if note.startswith(ONE_OF) else note for note in chosen.notes
    )
    return replace(
        chosen,
        name=name,
        quantization=quant,
        size_bytes=None,
        bits_per_weight=None,
        loaded=None,
        context_loaded=None,
        notes=tuple(notes),
    )


async def instances(wire: Wire, key: str) -> list[str]:
    """Ids of what is in memory of one model."""
    for item in rows(table(await fetch(wire, "/api/v1/models")).get("models")):
        if item.get("key") == key:
            return [str(each["id"]) for each in rows(item.get("loaded_instances")) if word(each.get("id"))]
    return []


async def load(wire: Wire, model: Model, context: int | None) -> Loading:
    """Load; a model in memory with the wanted context is left alone, with another one it is loaded anew."""
    fits = context is None or model.context_loaded == context
    if model.loaded and fits:
        return Loading(load_ms=0.0, source="client", was_loaded=True)
    if model.loaded:
        await unload(wire, model.name.split("@")[0])
    payload = {"model": model.name, "echo_load_config": True}
    if context is not None:
        payload["context_length"] = context
    start = time.perf_counter()
    reply = await wire.call("POST", "/api/v1/models/load", payload, timeout_s=LOAD_WAIT_S)
    wall_ms = (time.perf_counter() - start) * 1e3
    answer = done(reply, f"loading {model.name}")
    seconds = answer.get("load_time_seconds")
    own_ms = seconds * 1e3 if isinstance(seconds, int | float) else None
    return Loading(load_ms=wall_ms, source="client", server_load_ms=own_ms)


async def unload(wire: Wire, key: str) -> None:
    """Unload every instance and wait until none is listed; raises ServerError where one stays."""
    for instance in await instances(wire, key):
        done(
            await wire.call("POST", "/api/v1/models/unload", {"instance_id": instance}),
            f"unloading {instance}",
        )

    async def is_there() -> bool:
        return bool(await instances(wire, key))

    await until_gone(is_there, key, UNLOAD_WAIT_S, "unload it in LM Studio")
