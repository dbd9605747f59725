"""Who a model of MLX, vLLM or SGLang is, from its folder on this machine: such servers tell only a name.

A folder is what the server says it serves from, or the name's place in the hub's cache. Only config.json and
the headers of weight files are read; a folder elsewhere, or one of another shape, gives nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from tiltyard import settings
from tiltyard.records import Model
from tiltyard.servers.moe import Experts, counted, whole
from tiltyard.servers.names import told
from tiltyard.servers.replies import table, word

HUB_NAME = re.compile(r"^[\w-][\w.-]*/[\w-][\w.-]*$")
MAX_JSON = 64_000_000  # bytes of a config or a header; larger ones are not what they seem
PLAIN = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
NOTE = "identity from the model's folder on this machine"


class Place(NamedTuple):
    folder: Path
    revision: str | None = None  # of the hub; None for a folder that is none of its


def completed(model: Model) -> Model:
    """The model with what its folder here says; unchanged where there is none. What the server said stays."""
    try:
        place = find(model.path or model.name) or find(model.name)
        return model if place is None else _filled(model, place)
    except (OSError, ValueError):  # ValueError: broken JSON, or a name that no path can have
        return model


def find(name: str) -> Place | None:
    """The folder of a model by its path or its name on the hub."""
    if Path(name).is_absolute():
        return Place(Path(name)) if (Path(name) / "config.json").is_file() else None
    if not HUB_NAME.match(name):
        return None
    home = settings.hub_folder() / ("models--" + name.replace("/", "--"))
    there = sorted(each.name for each in home.glob("snapshots/*") if (each / "config.json").is_file())
    main = home / "refs" / "main"
    revision = main.read_text().strip() if main.is_file() else None
    if revision not in there:
        revision = there[0] if len(there) == 1 else None
    return Place(home / "snapshots" / revision, revision) if revision else None


def _filled(model: Model, place: Place) -> Model:
    config = table(read_json(place.folder / "config.json"))
    text = {**config, **table(config.get("text_config"))}  # a model that sees keeps its language part there
    experts = next((count for key in EXPERTS if (count := whole(text.get(key)))), None)
    used = whole(text.get("num_experts_per_tok"))
    quantized = _quantization(config)
    files = _weights(place.folder)
    size = sum(file.stat().st_size for file in files) or None
    made_up = Experts(moe=(experts or 0) > 1, total=experts, used=used)
    sizes = ((name, math.prod(shape)) for file in files for name, shape in _shapes(file))
    total, active = (None if quantized else counted(sizes, made_up)) or (model.parameters, None)
    if total and not made_up.moe:
        active = total
    notes = told(model.notes) if active else model.notes
    found = {
        "digest": place.revision,
        "architecture": word(config.get("model_type")),
        "moe": made_up.moe,
        "quantization": quantized or PLAIN.get(str(text.get("torch_dtype") or text.get("dtype"))),
        "context_max": model.context_max or whole(text.get("max_position_embeddings")),
        "size_bytes": size,
        "parameters": total,
        "active_parameters": active or model.active_parameters,
        "bits_per_weight": size * 8 / total if size and total else None,
        "path": str(place.folder),
    }
    known = {key: value for key, value in found.items() if value is not None}
    return replace(model, **known, notes=(*notes, NOTE))


def _weights(folder: Path) -> list[Path]:
    """The files that are the model: another copy (`consolidated.safetensors`) may lie beside them.

    No file where one that the index names is not here.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    files = sorted(folder.glob("*.safetensors"))
    if not index.is_file():
        return files
    named = {str(name) for name in table(table(read_json(index)).get("weight_map")).values()}
    files = [file for file in files if file.name in named]
    return files if len(files) == len(named) else []


def _quantization(config: Mapping[str, Any]) -> str | None:
    """`4bit` as MLX writes it, `AWQ 4bit` as others do; None for weights that are not quantized."""
    found = table(config.get("quantization")) or table(config.get("quantization_config"))
    bits, method = whole(found.get("bits")), word(found.get("quant_method"))
    words = [method.upper() if method else "", f"{bits}bit" if bits else ""]
    return " ".join(each for each in words if each) or None


def _shapes(file: Path) -> Iterator[tuple[str, list[int]]]:
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > MAX_JSON:
            raise ValueError(f"{file} has no header")
        header = table(json.loads(opened.read(length)))
    for name, tensor in header.items():
        shape = table(tensor).get("shape")
        if isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape):
            yield name, [int(n) for n in shape if isinstance(n, int)]


def read_json(path: Path) -> Any:
    """The JSON of a file of bounded size; raises OSError, ValueError."""
    if path.stat().st_size > MAX_JSON:
        raise ValueError(f"{path} is too large")
    return json.loads(path.read_bytes())
