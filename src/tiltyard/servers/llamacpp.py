"""llama.cpp's llama-server: exact token counts, honest prefills; router mode is in `llamacpp_router.py`.

The server does not tell quantization and experts: they come from the file's header where the file is on this
machine, else from its name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tiltyard.errors import ServerError, Unsupported
from tiltyard.records import Dialect, Json, Model, Request, ServerInfo, Usage
from tiltyard.servers import SAY_EVERY_S, Address, Loading, llamacpp_router
from tiltyard.servers.chat_body import message_fields, thinking_switch
from tiltyard.servers.gguf_file import is_model_path, read_gguf
from tiltyard.servers.moe import whole
from tiltyard.servers.names import match, quantization, same_model, told
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.replies import not_a_model_server, table, word
from tiltyard.servers.wire import Reply

POLL_S = 0.1
SETTINGS = ("params", "n_predict", "model")  # keys of its default settings that only llama.cpp has


class LlamaCpp(OpenAI):
    dialect: Dialect = "llamacpp"
    versioned = True
    can = frozenset({"tokenize", "ignore_eos", "cache_off", "seed", "tools", "schema", "think"})

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.props: Mapping[str, Json] = {}
        self.asleep = False
        self.router = False
        self.several = False  # several models without being a router
        self.names: frozenset[str] = frozenset()  # what the one loaded model is called
        self.files: dict[str, Model | None] = {}  # headers already read

    # ------------------------------------------------------------------ who it is

    async def identify(self) -> ServerInfo:
        """Waits while a model loads (503), as long as the address allows; raises ServerError after that."""
        await self.wait_until_ready()
        self.props = table(await self.get("/props"))
        listed = table(await self.get("/models")).get("data")
        self.router = llamacpp_router.is_router(self.props, listed)
        if self.router:
            self.can = LlamaCpp.can | {"load", "unload", "fixed_context"}
            loaded: tuple[str, ...] = tuple(e.name for e in llamacpp_router.entries(listed) if e.loaded)
        elif not looks_like_props(self.props):
            raise not_a_model_server(self.address.url, "no /props as llama-server has it")
        else:
            items = await self.listing() or []
            loaded = () if self.several else tuple(str(item["id"]) for item in items)
        self.asleep = self.props.get("is_sleeping") is True
        self.info = replace(
            self.info,
            version=word(self.props.get("build_info")),
            slots=whole(self.props.get("total_slots")),
            loaded=() if self.asleep else loaded,
            notes=("asleep: the first request loads the weights again",) if self.asleep else (),
        )
        return self.info

    async def wait_until_ready(self) -> None:
        """Until /health is no longer the 503 of a model being loaded; with a limit of 0 s, not at all."""
        limit_s, say = self.address.loading_s, self.address.say
        began, due_s = time.monotonic(), 0.0
        while is_loading(await self.wire.call("GET", "/health")):
            waited_s = time.monotonic() - began
            if say is not None and waited_s >= due_s:
                say(f"{self.where} is loading its model" + (f", {waited_s:.0f} s" if due_s else ""))
                due_s += SAY_EVERY_S
            if not limit_s:
                raise ServerError(f"{self.where} is loading its model", "ask again when that is done")
            if waited_s > limit_s:
                raise ServerError(
                    f"{self.where} is still loading its model after {limit_s:g} s",
                    "look at its log; where it is only slow, --first-byte-timeout SECONDS gives it longer",
                )
            await asyncio.sleep(POLL_S)

    async def listing(self) -> list[Mapping[str, Json]] | None:
        items = await super().listing()
        self.several = not self.router and len(items or ()) > 1
        return items

    async def models(self) -> list[Model]:
        if not self.router:
            return await super().models()
        listed = table(await self.get("/models")).get("data")
        return [self.located(replace(e.model(), engine="llamacpp", engine_version=self.info.version))
                for e in llamacpp_router.entries(listed)]  # fmt: skip

    def model_of(self, item: Mapping[str, Json]) -> Model:
        """The one model: what the list's `meta` and /props tell, then what the file's header tells."""
        meta, settings = table(item.get("meta")), table(self.props.get("default_generation_settings"))
        path = path_in(self.props)
        props = self.props
        if self.several:  # a gateway before several servers: /props is about one of them, nobody says which
            path, settings, props = None, {}, {}
        parameters, size = whole(meta.get("n_params")), whole(meta.get("size"))
        self.names = frozenset(name for name in (str(item["id"]), path) if name)
        model = replace(
            super().model_of(item),
            quantization=quantization(str(item["id"])) or quantization(path or ""),
            parameters=parameters,
            size_bytes=size,
            bits_per_weight=size * 8 / parameters if size and parameters else None,
            context_max=whole(meta.get("n_ctx_train")),
            context_loaded=whole(settings.get("n_ctx")) or whole(meta.get("n_ctx")),
            loaded=None if self.several else props.get("is_sleeping") is not True,
            capabilities=capabilities(props),
            engine="llamacpp",
            path=path,
        )
        return self.located(model)

    def located(self, model: Model) -> Model:
        """The model with what its file says, where the server and so the file is on this machine."""
        if not (self.info.local and model.path):
            return model
        if model.path not in self.files:
            self.files[model.path] = read_header(Path(model.path))
        file = self.files[model.path]
        if file is None:
            return model
        known = {
            name: getattr(model, name)
            for name in (
                "name",
                "context_max",
                "context_loaded",
                "loaded",
                "capabilities",
                "engine",
                "engine_version",
            )
            if getattr(model, name) is not None
        }
        return replace(file, **known, path=model.path, notes=(*file.notes, *told(model.notes)))

    async def describe(self, model: str) -> Model:
        found = await super().describe(model)
        if found.path and self.info.local and found.digest is None:
            file = await asyncio.to_thread(read_header, Path(found.path), hashed=True)
            found = replace(found, digest=file.digest if file else None)
        if self.router and found.loaded:
            self.props = table(await self.get(llamacpp_router.page("/props", found.name)))
            settings = table(self.props.get("default_generation_settings"))
            found = replace(
                found, context_loaded=whole(settings.get("n_ctx")), capabilities=capabilities(self.props)
            )
        return found

    def accepts(self, asked: str, served: str) -> bool:
        one = not (self.router or self.several)  # whatever it is called, there is only this model
        return same_model(asked, served) or (one and served in self.names)

    # ------------------------------------------------------------------ what it can

    async def is_away(self, model: str) -> bool:
        """A router loads a model just in time, a sleeping server its own: the first request waits for it."""
        if not self.router:
            return self.asleep
        try:
            listed = await self.models()
        except ServerError:  # the request itself will say so
            return False
        name = match(model, [each.name for each in listed])
        return any(each.name == name and each.loaded is False for each in listed)

    def extra(self, request: Request) -> dict[str, Any]:
        extra = thinking_switch(request)
        if request.cache_prompt is not None:
            extra["cache_prompt"] = request.cache_prompt
        if request.ignore_eos:
            extra["ignore_eos"] = True
        return extra

    async def count_tokens(self, model: str, text: str) -> Usage | None:
        payload = {"content": text, "add_special": False, **({"model": model} if self.router else {})}
        reply = await self.wire.call("POST", "/tokenize", payload)
        tokens = table(reply.json()).get("tokens")
        return Usage(prompt_tokens=len(tokens), source="tokenize") if isinstance(tokens, list) else None

    async def count_chat(self, request: Request) -> Usage | None:
        """Tokens of whole messages, template included; None on versions without that page."""
        payload = {"model": request.model, "messages": [message_fields(each) for each in request.messages]}
        return await self.counted("/v1/chat/completions/input_tokens", payload, "input_tokens")

    async def load(self, model: str, context: int | None = None) -> Loading:
        if not self.router:
            raise Unsupported(f"{self.where} serves one model from its start", "start it with another model")
        return await llamacpp_router.load(self.wire, model)

    async def unload(self, model: str) -> None:
        if not self.router:
            raise Unsupported(f"{self.where} serves one model from its start", "stop the server")
        await llamacpp_router.unload(self.wire, model)
        self.warm.discard(model)


def looks_like_props(props: Mapping[str, Json]) -> bool:
    """Old versions tell no build, and others imitate the page with a context alone."""
    settings = table(props.get("default_generation_settings"))
    return "build_info" in props or ("total_slots" in props and any(key in settings for key in SETTINGS))


def path_in(props: Mapping[str, Json]) -> str | None:
    """Where the server has its model from; old versions tell it among their settings, or an alias there."""
    model = word(table(props.get("default_generation_settings")).get("model"))
    return word(props.get("model_path")) or (model if model and is_model_path(model) else None)


def is_loading(reply: Reply) -> bool:
    """Is this the 503 that every page gives while a model loads?"""
    error = table(table(reply.json()).get("error"))
    return reply.status == 503 and error.get("type") == "unavailable_error"


def read_header(path: Path, *, hashed: bool = False) -> Model | None:
    """What a model file says of itself; None where there is no such file here or it cannot be read."""
    try:
        return read_gguf(path, hashed=hashed) if path.is_file() else None
    except (ServerError, OSError):  # the server can read it, so it is only our loss
        return None


def capabilities(props: Mapping[str, Json]) -> tuple[str, ...] | None:
    """From the chat template and the modalities; None where /props tells nothing of them."""
    template, caps = word(props.get("chat_template")), table(props.get("chat_template_caps"))
    if template is None and not caps:
        return None
    found = ["completion", "schema"]  # the grammar is the engine's, whatever the model
    if (
        caps.get("supports_tools")
        or caps.get("supports_tool_calls")
        or (not caps and "tools" in (template or ""))
    ):
        found.append("tools")
    if any(
        mark in (template or "")
        for mark in ("enable_thinking", "<think>", "reasoning_content", "reasoning_effort")
    ):
        found.append("thinking")
    if table(props.get("modalities")).get("vision") is True:
        found.append("vision")
    return tuple(found)
