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

    @feature("token counts", "`input_tokens.count()`")
    async def input_tokens(client, mode):
        counted = await done(client.responses.input_tokens.count(model="input-tokens", input="Where?"))
        yield f"{counted.input_tokens} tokens"

    @feature("compaction", "`compact()`")
    async def compaction(client, mode):
        made = await done(client.responses.compact(model="compacted", input="Where?"))
        yield f"{made.id} {made.output[0].type}, {made.usage.input_tokens} + {made.usage.output_tokens} tokens"

    @feature("conversations", "create, retrieve, update, delete; items: create, list, retrieve, delete")
    async def conversations(client, mode):
        made = await done(client.conversations.create(metadata={"topic": "towers"}))
        yield f"{made.id} {made.metadata}"
        yield f"{(await done(client.conversations.retrieve('conv_1'))).id}"
        yield f"updated: {(await done(client.conversations.update('conv_1', metadata={'topic': 'towers'}))).metadata}"
        items = [{"type": "message", "role": "user", "content": "Where?"}]
        added = await done(client.conversations.items.create("conv_1", items=items))
        yield f"added: {[item.id for item in added.data]}"
        yield f"listed: {[item.id async for item in each(client.conversations.items.list('conv_1'))]}"
        item = await done(client.conversations.items.retrieve("msg_0", conversation_id="conv_1"))
        yield f"item: {item.content[0].text}"
        yield f"item deleted: {(await done(client.conversations.items.delete('msg_0', conversation_id='conv_1'))).id}"
        yield f"deleted: {(await done(client.conversations.delete('conv_1'))).deleted}"

    @feature("uploads", "create, a part, complete, cancel")
    async def uploads(client, mode):
        options = {"bytes": 19, "filename": "batch.jsonl", "mime_type": "application/jsonl", "purpose": "batch"}
        made = await done(client.uploads.create(**options))
        yield f"{made.id} {made.status}"
        part = await done(client.uploads.parts.create("upload_1", data=b"{}\r\n--\x00\xff"))
        yield f"part: {part.id}"
        whole = await done(client.uploads.complete("upload_1", part_ids=[part.id]))
        yield f"{whole.status} {whole.file.id}"
        yield f"{(await done(client.uploads.cancel('upload_1'))).status}"

    @feature("vector stores", "create, list, retrieve, update, search, delete; files and batches of them")
    async def vector_stores(client, mode):
        made = await done(client.vector_stores.create(name="towers"))
        yield f"{made.id} {made.name}"
        yield f"listed: {[store.id async for store in each(client.vector_stores.list())]}"
        yield f"{(await done(client.vector_stores.retrieve('vs_1'))).status}"
        yield f"updated: {(await done(client.vector_stores.update('vs_1', name='towers'))).name}"
        found = [hit async for hit in each(client.vector_stores.search("vs_1", query="Where?"))]
        yield f"found: {[(hit.file_id, hit.score, hit.content[0].text) for hit in found]}"
        yield f"file: {(await done(client.vector_stores.files.create('vs_1', file_id='file-1'))).status}"
        yield f"files: {[file.id async for file in each(client.vector_stores.files.list('vs_1'))]}"
        file = await done(client.vector_stores.files.retrieve("file-1", vector_store_id="vs_1"))
        yield f"{file.id} {file.status}"
        content = [part.text async for part in each(client.vector_stores.files.content("file-1", vector_store_id="vs_1"))]
        yield f"content: {content}"
        yield f"file deleted: {(await done(client.vector_stores.files.delete('file-1', vector_store_id='vs_1'))).deleted}"
        batch = await done(client.vector_stores.file_batches.create("vs_1", file_ids=["file-1"]))
        yield f"{batch.id} {batch.status}"
        batch = await done(client.vector_stores.file_batches.cancel("vsfb_1", vector_store_id="vs_1"))
        yield f"batch: {batch.status}"
        yield f"deleted: {(await done(client.vector_stores.delete('vs_1'))).deleted}"

    @feature("moderations", "one text")
    async def moderations(client, mode):
        answer = await done(client.moderations.create(model="moderation", input="Grr"))
        result = answer.results[0]
        yield f"flagged {result.flagged}, violence {result.category_scores.violence}"

    @feature("images", "generation, edit, variation")
    async def images(client, mode):
        answer = await done(client.images.generate(model="image", prompt="A tower"))
        yield f"{answer.data[0].b64_json}, {answer.usage.total_tokens} tokens"
        picture = ("tower.png", b"\x89PNG\r\n--\x00\xff and more", "image/png")
        answer = await done(client.images.edit(model="image", image=[picture, picture], prompt="A red tower"))
        yield f"edited: {answer.data[0].b64_json}, {answer.usage.total_tokens} tokens"
        answer = await done(client.images.create_variation(model="image", image=picture))
        yield f"varied: {answer.data[0].b64_json}"

    @feature("audio", "speech at once and piece by piece, transcription at once and streamed, translation")
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
        english = await done(client.audio.translations.create(model="translation", file=recording))
        yield f"translation: {english.text}"

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
