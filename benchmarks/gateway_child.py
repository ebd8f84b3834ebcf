"""A gateway in a process of its own, to be killed: ``python -m benchmarks.gateway_child KIND VARIANT FOLDER URL``.

Law: does what its user's code would do, a few lines for each kind. Reads ``SESSION COUNT`` from a line of its standard
input, has that many turns of the session at once, and prints a line: who answered each (or the error's name).

Variants: ``alone`` (as it comes, without hidden retries), ``best`` (the memory of its own that it can be given) and
``switchlog``.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable

CHAIN = ("kimi", "glm", "local")
COOLDOWN = float(os.environ.get("COOLDOWN", "6"))
"""Seconds: what the provider's Retry-After says, and what a gateway's own memory is set to."""

MESSAGES = [{"role": "user", "content": "hello"}]
Ask = Callable[[str], Awaitable[str]]


def plain(variant: str, folder: str, url: str) -> Ask:
    """The openai client and a loop of one's own; at its best with a dict of who cools."""
    from openai import APIStatusError, AsyncOpenAI

    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)

    async def chat(model: str) -> str:
        return (await client.chat.completions.create(model=model, messages=MESSAGES)).model

    if variant == "switchlog":
        from eventlog import Chain, Sessions

        sessions = Sessions(folder, chain=Chain(*CHAIN))

        async def ask_with_memory(session: str) -> str:
            return await sessions.open(session).acall(chat)

        return ask_with_memory

    until: dict[str, float] = {}

    async def ask(session: str) -> str:  # noqa: ARG001
        for model in CHAIN:
            if variant == "best" and until.get(model, 0) > time.time():
                continue
            try:
                return await chat(model)
            except APIStatusError as error:
                until[model] = time.time() + float(error.response.headers.get("retry-after", 1))
        raise RuntimeError("all failed")

    return ask


def pydantic(variant: str, folder: str, url: str) -> Ask:
    """pydantic-ai: FallbackModel, which has no memory to set up, or our model."""
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    models = {name: OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client)) for name in CHAIN}
    if variant == "switchlog":
        from eventlog import Chain, Sessions
        from eventlog.gateways.pydantic_ai import RememberingModel

        sessions = Sessions(folder, chain=Chain(*CHAIN))

    async def ask(session: str) -> str:
        if variant == "switchlog":
            agent = Agent(RememberingModel(sessions.open(session), models))
        else:
            agent = Agent(FallbackModel(*models.values()))
        return str((await agent.run("hello")).output).removeprefix("answer of ")

    return ask


def router(variant: str, folder: str, url: str) -> Ask:
    """LiteLLM's Router; at its best with allowed_fails=0 and a cooldown."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm import Router

    best = {"allowed_fails": 0, "cooldown_time": COOLDOWN} if variant == "best" else {}
    made = Router(
        model_list=[
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": url, "api_key": "none"}}
            for name in CHAIN
        ],
        fallbacks=[{CHAIN[0]: list(CHAIN[1:])}],
        num_retries=0,
        **best,
    )
    if variant == "switchlog":
        from eventlog.gateways.litellm import MemoryRouter

        made = MemoryRouter(made, folder)

    async def ask(session: str) -> str:
        reply = await made.acompletion(model=CHAIN[0], messages=MESSAGES, metadata={"session_id": session})
        return str(reply.choices[0].message.content).removeprefix("answer of ")

    return ask


KINDS: dict[str, Callable[[str, str, str], Ask]] = {"plain": plain, "pydantic": pydantic, "router": router}


async def serve(ask: Ask) -> None:
    """Lines in, lines out, until the input ends."""

    async def one(session: str) -> str:
        try:
            return await ask(session)
        except Exception as error:  # noqa: BLE001  (the driver wants to know, and the gateway goes on)
            return type(error).__name__

    loop = asyncio.get_running_loop()
    print(json.dumps(["ready"]), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        session, count = line.split()
        print(json.dumps(await asyncio.gather(*(one(session) for _ in range(int(count))))), flush=True)


if __name__ == "__main__":
    kind, variant, folder, url = sys.argv[1:]
    asyncio.run(serve(KINDS[kind](variant, folder, url)))
