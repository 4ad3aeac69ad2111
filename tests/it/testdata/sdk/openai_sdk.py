"""What OpenAI's SDK makes of Aurora's answers, feature by feature.

Arguments: the base URLs of Aurora and of one that takes one request at a time. The key is in AURORA_KEY.
"""

import collections
import json
import os
import sys

import openai
import pydantic

import features
import openai_other_endpoints
import troubles
from features import all_of, done, each, feature, opened

QUESTION = [{"role": "user", "content": "Where is the tower?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class City(pydantic.BaseModel):
    city: str
    inhabitants: int


def ask(client, model, **options):
    return client.chat.completions.create(model=model, messages=QUESTION, **options)


def text_of(chunk):
    return chunk.choices[0].delta.content or "" if chunk.choices else ""


def tokens(usage):
    cached, reasoning = usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens
    return f"{usage.prompt_tokens} ({cached} cached) + {usage.completion_tokens} ({reasoning} reasoning) tokens"


@feature("without streaming", "text, reasoning, usage")
async def chat(client, mode):
    answer = await done(ask(client, "chat"))
    choice = answer.choices[0]
    yield f"{choice.message.role}: {choice.message.content} {choice.finish_reason}, {tokens(answer.usage)}"
    answer = await done(ask(client, "reasoning"))
    yield f"{answer.choices[0].message.model_extra} {answer.choices[0].message.content}, {tokens(answer.usage)}"


@feature("streams", "with and without `include_usage`; reasoning")
async def chat_stream(client, mode):
    for options in ({}, {"stream_options": {"include_usage": True}}):
        chunks = await all_of(ask(client, "chat-stream", stream=True, **options))
        ends = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
        usages = [tokens(chunk.usage) for chunk in chunks if chunk.usage]
        yield f"{''.join(map(text_of, chunks))} {ends[-1]}, {len(chunks)} chunks, usage {usages}"
    chunks = await all_of(ask(client, "reasoning-stream", stream=True))
    thoughts = [chunk.choices[0].delta.model_extra.get("reasoning_content", "") for chunk in chunks if chunk.choices]
    yield f"{''.join(thoughts)} {''.join(map(text_of, chunks))}"


@feature("stream() helper", "its events and the final completion")
async def chat_helper(client, mode):
    async with opened(client.chat.completions.stream(model="chat-stream", messages=QUESTION)) as stream:
        kinds = [event.type async for event in each(stream)]
        answer = await done(stream.get_final_completion())
    yield f"{dict(collections.Counter(kinds))}"
    yield f"{answer.choices[0].message.content} {answer.choices[0].finish_reason}"


@feature("tools", "parallel calls, a result sent back")
async def tools(client, mode):
    answer = await done(ask(client, "tools", tools=[WEATHER], tool_choice="required"))
    calls = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in answer.choices[0].message.tool_calls]
    yield f"{calls} {answer.choices[0].finish_reason}"
    result = {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"}
    turns = QUESTION + [answer.choices[0].message.to_dict(), result]
    answer = await done(client.chat.completions.create(model="chat", messages=turns, tools=[WEATHER]))
    yield f"and then: {answer.choices[0].message.content}"


@feature("tools in streams", "argument deltas of parallel calls, by hand and with the helper")
async def tools_stream(client, mode):
    calls = {}
    for chunk in await all_of(ask(client, "tools-stream", tools=[WEATHER], stream=True)):
        for part in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            call = calls.setdefault(part.index, {"id": None, "name": None, "arguments": []})
            call["id"] = part.id or call["id"]
            call["name"] = part.function.name or call["name"]
            call["arguments"].append(part.function.arguments)
    yield f"{calls}"
    async with opened(client.chat.completions.stream(model="tools-stream", messages=QUESTION, tools=[WEATHER])) as stream:
        async for event in each(stream):
            if event.type == "tool_calls.function.arguments.done":
                yield f"helper: {event.name} {event.parsed_arguments or event.arguments}"


@feature("structured output", "`parse()` into a model, a refusal")
async def structured(client, mode):
    parsed = await done(client.chat.completions.parse(model="structured", messages=QUESTION, response_format=City))
    yield f"{parsed.choices[0].message.parsed!r}"
    refused = await done(client.chat.completions.parse(model="refusal", messages=QUESTION, response_format=City))
    yield f"{refused.choices[0].message.parsed!r}: {refused.choices[0].message.refusal}"


@feature("structured output in streams", "`stream()` into a model")
async def structured_stream(client, mode):
    helper = client.chat.completions.stream(model="structured-stream", messages=QUESTION, response_format=City)
    async with opened(helper) as stream:
        parts = [event.delta async for event in each(stream) if event.type == "content.delta"]
        answer = await done(stream.get_final_completion())
    yield f"{parts} {answer.choices[0].message.parsed!r}"


@feature("raw responses", "headers, request ids kept and made")
async def raw(client, mode):
    given = {"x-request-id": troubles.REQUEST_ID}
    raw = await done(client.chat.completions.with_raw_response.create(model="facts", messages=QUESTION, extra_headers=given))
    for name in ("x-request-id", "x-aurora-provider", "x-aurora-model", "x-upstream-request-id", "x-ratelimit-remaining-requests"):
        yield f"{name}: {raw.headers.get(name)}"
    yield f"parsed: {(await done(raw.parse())).choices[0].message.content}"
    made = (await done(ask(client, "chat")))._request_id
    yield f"a request id is made where none was sent: {len(made) == 36}"


def clients(url):
    options = {"base_url": url, "api_key": os.environ["AURORA_KEY"], "max_retries": 0}
    return {"sync": openai.OpenAI(**options), "async": openai.AsyncOpenAI(**options)}


openai_other_endpoints.register(City, WEATHER["function"])
crowded = clients(sys.argv[2])
troubles.register(openai, ask, crowded.get, text_of)
features.main(clients(sys.argv[1]))
