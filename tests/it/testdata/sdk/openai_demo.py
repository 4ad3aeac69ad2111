"""Asks Aurora as a program with OpenAI's SDK does; one line per call says what the SDK made of the answer.

Arguments: the base URL. The key is in AURORA_KEY.
"""

import os
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=os.environ["AURORA_KEY"], max_retries=0)
question = [{"role": "user", "content": "What is a histogram?"}]


def counts(usage):
    names = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens")
    return {name: getattr(usage, name) for name in names if hasattr(usage, name)}


def chat():
    answer = client.chat.completions.create(model="demo-fast", messages=question)
    choice = answer.choices[0]
    print("chat:", choice.message.content, choice.finish_reason, counts(answer.usage))


def chat_stream(**options):
    events = list(client.chat.completions.create(model="demo-fast", messages=question, stream=True, **options))
    text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    ends = [event.choices[0].finish_reason for event in events if event.choices][-1]
    usages = [counts(event.usage) for event in events if event.usage]
    print("chat stream:", text, ends, usages, len(events))


def embeddings():
    answer = client.embeddings.create(model="demo-embed", input=["one two", "three"], dimensions=2)
    vectors = [[round(number, 3) for number in row.embedding] for row in answer.data]
    print("embeddings:", vectors, counts(answer.usage) | {"total_tokens": answer.usage.total_tokens})


def responses():
    answer = client.responses.create(model="demo-fast", input="What is a histogram?")
    print("response:", answer.output_text, answer.status, counts(answer.usage))


def responses_stream():
    events = list(client.responses.create(model="demo-fast", input="What is a histogram?", stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    print("response stream:", text, events[-1].type, counts(events[-1].response.usage), len(events))


def models():
    print("models:", *(model.id for model in client.models.list()))
    for name in ("demo-chat", "demo/demo-chat"):
        model = client.models.retrieve(name)
        print("model:", model.id, model.owned_by)


def refused(name, call):
    try:
        call()
    except openai.APIStatusError as error:
        after = error.response.headers.get("retry-after")
        print(f"{name}: {type(error).__name__} {error.status_code} {error.type} {error.code}, after {after}: {error.message}")
    else:
        print(f"{name}: no error")


def cut_stream():
    text = ""
    try:
        for event in client.chat.completions.create(model="demo-cut", messages=question, stream=True):
            text += event.choices[0].delta.content or ""
    except openai.APIError as error:
        print(f"cut stream: {text!r}, then {type(error).__name__} {error.type} {error.code}: {error.message}")
    else:
        print("cut stream: no error")


def ask(model, **options):
    return lambda: client.with_options(**options).chat.completions.create(model=model, messages=question)


chat()
chat_stream()
chat_stream(stream_options={"include_usage": True})
embeddings()
responses()
responses_stream()
models()
refused("wrong key", ask("demo-fast", api_key="sk-wrong-key-of-somebody"))
refused("unknown model", ask("gpt-4"))
refused("unknown model's card", lambda: client.models.retrieve("gpt-4"))
refused("rate limit", ask("demo-429"))
refused("failure", ask("demo-500"))
refused("cut answer", ask("demo-cut"))
cut_stream()
