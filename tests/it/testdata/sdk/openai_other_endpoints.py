"""The endpoints of OpenAI's SDK besides chat."""

import io

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

    @feature("stored responses", "retrieve, input items, cancel, delete")
    async def stored_responses(client, mode):
        kept = await done(client.responses.retrieve("resp_1"))
        yield f"{kept.id} {kept.output_text}"
        items = await all_of(client.responses.input_items.list("resp_1"))
        yield f"input items: {[item.content[0].text for item in items]}"
        yield f"cancelled: {(await done(client.responses.cancel('resp_1'))).status}"
        yield f"deleted: {await done(client.responses.delete('resp_1'))}"

    @feature("moderations", "one text")
    async def moderations(client, mode):
        answer = await done(client.moderations.create(model="moderation", input="Grr"))
        result = answer.results[0]
        yield f"flagged {result.flagged}, violence {result.category_scores.violence}"

    @feature("images", "generation")
    async def images(client, mode):
        answer = await done(client.images.generate(model="image", prompt="A tower"))
        yield f"{answer.data[0].b64_json}, {answer.usage.total_tokens} tokens"

    @feature("audio", "speech at once and piece by piece, transcription at once and streamed")
    async def audio(client, mode):
        speech = await done(client.audio.speech.create(model="speech", voice="alloy", input="Good morning."))
        yield f"speech: {speech.content!r}"
        helper = client.audio.speech.with_streaming_response.create(model="speech", voice="alloy", input="Good morning.")
        async with opened(helper) as answer:
            yield f"piece by piece: {b''.join([part async for part in each(answer.iter_bytes())])!r}"
        recording = ("morning.wav", b"RIFF\r\n--\x00\xff and more", "audio/wav")
        heard = await done(client.audio.transcriptions.create(model="transcription", file=recording))
        yield f"transcription: {heard.text}"
        options = {"model": "transcription-stream", "file": recording, "stream": True}
        events = await all_of(client.audio.transcriptions.create(**options))
        yield f"as a stream: {[event.delta for event in events[:-1]]} {events[-1].text}"

    @feature("files", "upload, list, retrieve, content, delete")
    async def files(client, mode):
        lines = io.BytesIO(b'{"custom_id": "1"}\n')
        made = await done(client.files.create(file=("batch.jsonl", lines), purpose="batch"))
        yield f"{made.id} {made.filename} {made.bytes} bytes"
        yield f"listed: {[file.id async for file in each(client.files.list(purpose='batch'))]}"
        yield f"{(await done(client.files.retrieve('file-1'))).id}"
        content = await done(client.files.content("file-1"))
        yield f"content: {content.content!r}"
        yield f"deleted: {(await done(client.files.delete('file-1'))).deleted}"

    @feature("batches", "create, list, retrieve, cancel")
    async def batches(client, mode):
        options = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made = await done(client.batches.create(**options))
        yield f"{made.id} {made.status}"
        yield f"listed: {[batch.id async for batch in each(client.batches.list())]}"
        yield f"{(await done(client.batches.retrieve('batch_1'))).status}"
        yield f"cancelled: {(await done(client.batches.cancel('batch_1'))).status}"
