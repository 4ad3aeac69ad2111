"""Requests to each real server, directly and through Aurora: name, path, body. Without a body it is a GET through
`/p/`."""

QUESTION = [{"role": "user", "content": "Where is the tower?"}]
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello \u2014 ask away. \U0001f5fc"},
    *QUESTION,
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Rome"]}},
            "required": ["city"],
        },
    },
}
TOOLS = {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}}
CITY = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}

CHAT, COMPLETIONS, EMBEDDINGS = "/chat/completions", "/completions", "/embeddings"


def exactly(model, **options):
    """A chat whose response is the same each time."""
    return {"model": model, "messages": QUESTION, "temperature": 0, "seed": 1, "max_tokens": 24, **options}


def prompt(model, **options):
    return {"model": model, "prompt": "Where is", "temperature": 0, "seed": 1, "max_tokens": 24, **options}


LLAMA = [
    ("chat", CHAT, exactly("tiny")),
    ("chat, several turns", CHAT, exactly("tiny", messages=TURNS)),
    ("chat, model with its provider", CHAT, exactly("llama/tiny")),
    ("chat, stop words", CHAT, exactly("tiny", stop=[","])),
    ("chat, sampled with a seed", CHAT, exactly("tiny", temperature=1.5, top_p=0.9, seed=42)),
    ("structured output", CHAT, exactly("tiny", response_format={"type": "json_object", "schema": CITY})),
    ("stream", CHAT, exactly("tiny", stream=True)),
    ("stream, usage requested", CHAT, exactly("tiny", **USAGE)),
    ("stream, 500 tokens", CHAT, exactly("tiny", stream=True, max_tokens=500)),
    ("tools", CHAT, exactly("tiny-tools", **TOOLS)),
    ("tools in a stream", CHAT, exactly("tiny-tools", stream=True, **TOOLS)),
    ("completions", COMPLETIONS, prompt("tiny")),
    ("completions in a stream", COMPLETIONS, prompt("tiny", stream=True)),
    ("embeddings, one text", EMBEDDINGS, {"model": "tiny-embed", "input": "the tower"}),
    ("embeddings, 64 texts", EMBEDDINGS, {"model": "tiny-embed", "input": ["the old tower by the river"] * 64}),
    ("the server's own list of models", "/models", None),
    ("an invalid value", CHAT, exactly("tiny", temperature="hot")),
    ("invalid messages", CHAT, {"model": "tiny", "messages": "none"}),
]

LITELLM = [
    ("chat", CHAT, {"model": "mock", "messages": TURNS}),
    ("chat, model with its provider", CHAT, {"model": "litellm/mock", "messages": QUESTION}),
    ("stream", CHAT, {"model": "mock", "messages": QUESTION, "stream": True}),
    ("stream, usage requested", CHAT, {"model": "mock", "messages": QUESTION, **USAGE}),
    ("tools", CHAT, {"model": "mock-tools", "messages": QUESTION, **TOOLS}),
    ("completions", COMPLETIONS, {"model": "mock", "prompt": "Where is"}),
    ("completions in a stream", COMPLETIONS, {"model": "mock", "prompt": "Where is", "stream": True}),
    ("embeddings", EMBEDDINGS, {"model": "mock-embed", "input": ["the tower", "the river"]}),
    ("responses", "/responses", {"model": "mock", "input": "Where is the tower?"}),
    ("messages", "/messages", {"model": "mock", "messages": QUESTION, "max_tokens": 20}),
    ("status 429", CHAT, {"model": "mock-429", "messages": QUESTION}),
    ("status 500", CHAT, {"model": "mock-500", "messages": QUESTION}),
]
