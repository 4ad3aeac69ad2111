"""The endpoints of OpenAI's SDK besides chat."""

from features import all_of, done, each, feature, opened


def register(city, weather):
    """`city` is the model of structured output, `weather` a function."""

    @feature("completions", "whole and streamed")
    async def completions(client, mode):
        answer = await done(client.completions.create(model="completions", prompt="Once"))
        yield f"{answer.choices[0].text!r} {answer.choices[0].finish_reason}, {answer.usage.total_tokens} tokens"
        chunks = await all_of(client.completions.create(model="completions-stream", prompt="Once", stream=True))
        yield f"{[choice.text for chunk in chunks for choice in chunk.choices]}, {len(chunks)} chunks"

    @feature("embeddings", "base64 (the SDK's default) and numbers")
    async def embeddings(client, mode):
        packed = await done(client.embeddings.create(model="embed", input=["one", "two"]))
        yield f"as base64: {[list(row.embedding) for row in packed.data]}, {packed.usage.total_tokens} tokens"
        plain = await done(client.embeddings.create(model="embed-floats", input=["one", "two"], encoding_format="float"))
        yield f"as numbers: {[row.embedding for row in plain.data]}"

    @feature("responses", "text, `parse()`, a function call")
    async def responses(client, mode):
        answer = await done(client.responses.create(model="responses", input="Where?"))
        usage = answer.usage
        yield f"{answer.output_text} {answer.status}, {usage.input_tokens} + {usage.output_tokens} tokens"
        parsed = await done(client.responses.parse(model="responses-structured", input="Where?", text_format=city))
        yield f"{parsed.output_parsed!r}"
        tools = [{"type": "function", **weather}]
        called = await done(client.responses.create(model="responses-tools", input="Where?", tools=tools))
        yield f"{called.output[0].name} {called.output[0].arguments}"

    @feature("responses in streams", "text, function arguments, `stream()` into a model")
    async def responses_stream(client, mode):
        events = await all_of(client.responses.create(model="responses-stream", input="Where?", stream=True))
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        yield f"{text} {events[-1].type}, {len(events)} events, {events[-1].response.usage.total_tokens} tokens"
        events = await all_of(client.responses.create(model="responses-tools-stream", input="Where?", stream=True))
        yield f"{[event.delta for event in events if event.type == 'response.function_call_arguments.delta']}"
        helper = client.responses.stream(model="responses-structured-stream", input="Where?", text_format=city)
        async with opened(helper) as stream:
            kinds = [event.type async for event in each(stream)]
            answer = await done(stream.get_final_response())
        yield f"helper: {len(kinds)} events, {answer.output_parsed!r}"

    @feature("models", "list, retrieve")
    async def models(client, mode):
        names = [model.id async for model in each(client.models.list())]
        bare = [name for name in names if "/" not in name]
        yield f"{len(names)} models, {len(bare)} of them bare"
        for name in ("chat", "openai/chat"):
            model = await done(client.models.retrieve(name))
            yield f"{model.id} of {model.owned_by}"
