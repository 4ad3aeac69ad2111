"""What Anthropic's SDK makes of Aurora's answers, feature by feature.

Arguments: the base URLs of Aurora and of one that takes one request at a time. The key is in AURORA_KEY.
"""

import os
import sys

import anthropic
import pydantic

import features
import troubles
from features import all_of, done, each, feature, opened

QUESTION = [{"role": "user", "content": "Where is the tower?"}]
WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ROOM = 1024


class City(pydantic.BaseModel):
    city: str
    inhabitants: int


def ask(client, model, **options):
    return client.messages.create(model=model, messages=QUESTION, max_tokens=ROOM, **options)


def helper(client, model, **options):
    return opened(client.messages.stream(model=model, messages=QUESTION, max_tokens=ROOM, **options))


def text_of(event):
    return getattr(event.delta, "text", "") if event.type == "content_block_delta" else ""


def tokens(usage):
    cached = f"{usage.cache_read_input_tokens} read, {usage.cache_creation_input_tokens} written"
    return f"{usage.input_tokens} + {usage.output_tokens} tokens, cache: {cached}"


@feature("without streaming", "text, thinking, usage with its cache")
async def messages(client, mode):
    answer = await done(ask(client, "messages", system="Be brief."))
    yield f"{answer.role}: {answer.content[0].text} {answer.stop_reason}, {tokens(answer.usage)}"
    answer = await done(ask(client, "thinking", thinking={"type": "adaptive"}))
    yield f"{answer.content[0].thinking} {answer.content[1].text}"


@feature("streams", "text, thinking")
async def messages_stream(client, mode):
    events = await all_of(ask(client, "messages-stream", stream=True))
    yield f"{''.join(map(text_of, events))} {[event.type for event in events]}"
    events = await all_of(ask(client, "thinking-stream", thinking={"type": "adaptive"}, stream=True))
    thoughts = [getattr(event.delta, "thinking", "") for event in events if event.type == "content_block_delta"]
    yield f"{''.join(thoughts)} {''.join(map(text_of, events))}"


@feature("stream() helper", "its text and the final message")
async def messages_helper(client, mode):
    async with helper(client, "messages-stream") as stream:
        words = [word async for word in each(stream.text_stream)]
        answer = await done(stream.get_final_message())
    yield f"{words} {answer.content[0].text} {answer.stop_reason}, {tokens(answer.usage)}"


@feature("tools", "a call, its result sent back")
async def tools(client, mode):
    answer = await done(ask(client, "tools", tools=[WEATHER]))
    said, call = answer.content
    yield f"{said.text} {call.id} {call.name} {call.input} {answer.stop_reason}"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny"}
    turns = QUESTION + [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = await done(client.messages.create(model="messages", messages=turns, tools=[WEATHER], max_tokens=ROOM))
    yield f"and then: {answer.content[0].text}"


@feature("tools in streams", "argument deltas, by hand and with the helper")
async def tools_stream(client, mode):
    events = await all_of(ask(client, "tools-stream", tools=[WEATHER], stream=True))
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    yield f"{[delta.partial_json for delta in deltas if delta.type == 'input_json_delta']}"
    async with helper(client, "tools-stream", tools=[WEATHER]) as stream:
        answer = await done(stream.get_final_message())
    yield f"helper: {answer.content[1].name} {answer.content[1].input}"


@feature("structured output", "`parse()` into a model")
async def structured(client, mode):
    options = {"messages": QUESTION, "max_tokens": ROOM, "output_format": City}
    yield f"{(await done(client.messages.parse(model='structured', **options))).parsed_output!r}"


@feature("structured output in streams", "`stream()` into a model")
async def structured_stream(client, mode):
    async with helper(client, "structured-stream", output_format=City) as stream:
        parts = [event.text async for event in each(stream) if event.type == "text"]
        answer = await done(stream.get_final_message())
    yield f"{parts} {answer.parsed_output!r}"


@feature("raw responses", "headers, request ids")
async def raw(client, mode):
    given = {"x-request-id": troubles.REQUEST_ID}
    options = {"model": "facts", "messages": QUESTION, "max_tokens": ROOM, "extra_headers": given}
    raw = await done(client.messages.with_raw_response.create(**options))
    for name in ("x-request-id", "request-id", "x-aurora-provider", "x-aurora-model", "x-ratelimit-remaining-requests"):
        yield f"{name}: {raw.headers.get(name)}"
    answer = await done(raw.parse())
    yield f"parsed: {answer.content[0].text}, request id {answer._request_id}"


@feature("token counts", "`count_tokens()`")
async def count(client, mode):
    yield f"{(await done(client.messages.count_tokens(model='count', messages=QUESTION))).input_tokens} tokens"


@feature("batches", "create, list, retrieve, cancel, delete, results")
async def batches(client, mode):
    params = {"model": "messages", "max_tokens": ROOM, "messages": QUESTION}
    made = await done(client.messages.batches.create(requests=[{"custom_id": "one", "params": params}]))
    yield f"{made.id} {made.processing_status}"
    yield f"listed: {[batch.id async for batch in each(client.messages.batches.list())]}"
    yield f"{(await done(client.messages.batches.retrieve('msgbatch_1'))).request_counts.processing} processing"
    yield f"{(await done(client.messages.batches.cancel('msgbatch_1'))).processing_status}"
    # The SDK's own method asks the provider's address, which `results_url` names.
    results = await done(client.get("/v1/messages/batches/msgbatch_1/results", cast_to=str))
    yield f"results: {results!r}"
    yield f"deleted: {(await done(client.messages.batches.delete('msgbatch_1'))).type}"


@feature("models", "list, retrieve")
async def models(client, mode):
    names = [model.id async for model in each(client.models.list())]
    bare = [name for name in names if "/" not in name]
    yield f"{len(names)} models, {len(bare)} of them bare"
    yield f"{(await done(client.models.retrieve('messages'))).id}"


@feature("errors in streams", "an `error` event of the provider")
async def overloaded(client, mode):
    try:
        await all_of(ask(client, "overloaded-midway", stream=True))
    except anthropic.APIStatusError as error:
        yield f"{type(error).__name__}: {error.body}"


def clients(url):
    options = {"base_url": url, "api_key": os.environ["AURORA_KEY"], "max_retries": 0}
    return {"sync": anthropic.Anthropic(**options), "async": anthropic.AsyncAnthropic(**options)}


crowded = clients(sys.argv[2])
troubles.register(anthropic, ask, crowded.get, text_of)
features.main(clients(sys.argv[1]))
