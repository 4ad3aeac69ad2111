"""What Azure's clients of OpenAI's SDK make of Aurora's answers, with nothing changed but endpoint and key.

Argument: the address of Aurora. The key is in AURORA_KEY.
"""

import os
import sys

import openai

import features
from features import all_of, done, each, feature

QUESTION = [{"role": "user", "content": "Where is the tower?"}]
RECORDING = ("morning.wav", b"RIFF\r\n--\x00\xff and more", "audio/wav")
VERSION = "2024-10-21"


@feature("chat", "whole, streamed, usage in a stream, a deployment in the client")
async def chat(client, mode):
    answer = await done(client.chat.completions.create(model="chat", messages=QUESTION))
    yield f"{answer.choices[0].message.content} {answer.usage.total_tokens} tokens"
    chunks = await all_of(client.chat.completions.create(model="chat-stream", messages=QUESTION, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    yield f"{text}, usage seen: {any(chunk.usage for chunk in chunks)}"
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = await all_of(client.chat.completions.create(model="chat-stream", messages=QUESTION, **options))
    yield f"{chunks[-1].usage.total_tokens} tokens"
    deployed = DEPLOYED[mode]
    answer = await done(deployed.chat.completions.create(model="chat", messages=QUESTION))
    yield f"{answer.choices[0].message.content}"
    answer = await done(client.chat.completions.create(model="openai/chat", messages=QUESTION))
    yield f"{answer.choices[0].message.content}"


@feature("other deployments", "completions, embeddings, images, audio")
async def deployments(client, mode):
    answer = await done(client.completions.create(model="completions", prompt="Once"))
    yield f"{answer.choices[0].text!r}"
    packed = await done(client.embeddings.create(model="embed", input=["one", "two"]))
    yield f"{[list(row.embedding) for row in packed.data]}"
    answer = await done(client.images.generate(model="image", prompt="A tower"))
    yield f"{answer.data[0].b64_json}"
    picture = ("tower.png", b"\x89PNG\r\n--\x00\xff and more", "image/png")
    answer = await done(client.images.edit(model="image", image=picture, prompt="A red tower"))
    yield f"edited: {answer.data[0].b64_json}"
    speech = await done(client.audio.speech.create(model="speech", voice="alloy", input="Good morning."))
    yield f"{speech.content!r}"
    heard = await done(client.audio.transcriptions.create(model="transcription", file=RECORDING))
    yield f"{heard.text}"
    english = await done(client.audio.translations.create(model="translation", file=RECORDING))
    yield f"{english.text}"


@feature("the rest of the API", "responses, models, files, the API without a date")
async def rest(client, mode):
    answer = await done(client.responses.create(model="responses", input="Where?"))
    yield f"{answer.output_text}"
    yield f"{(await done(client.responses.retrieve('resp_1'))).id}"
    yield f"{[model.id async for model in each(client.models.list()) if model.id.endswith('chat')]}"
    yield f"{[file.id async for file in each(client.files.list(purpose='batch'))]}"
    undated = UNDATED[mode]
    answer = await done(undated.chat.completions.create(model="chat", messages=QUESTION))
    yield f"{answer.choices[0].message.content}"
    answer = await done(undated.responses.create(model="responses", input="Where?"))
    yield f"{answer.output_text}"


@feature("errors", "a model that no provider lists, a wrong key")
async def errors(client, mode):
    for caller, model in ((client, "nothing"), (client.with_options(api_key="wrong"), "chat")):
        try:
            await done(caller.chat.completions.create(model=model, messages=QUESTION))
        except openai.APIStatusError as error:
            yield f"{type(error).__name__}: {error.code}"


def clients(**more):
    options = {"azure_endpoint": sys.argv[1], "api_key": os.environ["AURORA_KEY"], "api_version": VERSION}
    options = {**options, "max_retries": 0, **more}
    return {"sync": openai.AzureOpenAI(**options), "async": openai.AsyncAzureOpenAI(**options)}


def undated():
    options = {"base_url": f"{sys.argv[1]}/openai/v1/", "api_key": os.environ["AURORA_KEY"], "max_retries": 0}
    return {"sync": openai.OpenAI(**options), "async": openai.AsyncOpenAI(**options)}


DEPLOYED = clients(azure_deployment="chat")
UNDATED = undated()
features.main(clients())
