"""Bodies of requests and of the upstream's responses."""

import itertools
import json

TEXT = "A histogram counts observations in buckets, so that quantiles can be estimated from the sums later. " * 2

# A long prompt as agents send it: prose, code, quotes, line ends, and some characters beyond ASCII.
PROMPT = """\
### `src/queue.py`, lines {n}–{m}

The reviewer wrote: "This drops the last item when the queue is closed — was that intended?" I don't think so; the naïve
fix (see below) costs about 3 µs per item. Please keep the behaviour of `drain()` and explain the change in two sentences.

```python
class Queue:
    def __init__(self, limit={n}):
        self.items, self.limit, self.closed = [], limit, False

    def put(self, item, *, timeout=None):
        if self.closed or len(self.items) >= self.limit:
            raise RuntimeError(f"queue is full or closed: {{len(self.items)}}/{{self.limit}}")
        self.items.append({{"id": {m}, "path": "C:\\\\temp\\\\item.json", "body": item}})

    def drain(self):
        while self.items and not self.closed:
            yield self.items.pop(0)     # TODO: what about "closed" here?
```

"""


def chat_body(model, stream=False, kilobytes=1):
    """A request body of 1.1 KB, or of a given number of KiB: a few short messages and one that is long."""
    turns = [{"role": "system", "content": "You explain how systems are measured, in short and plain sentences."}]
    turns += [{"role": "user", "content": f"{TEXT}{n}"} for n in range(4)]
    if kilobytes > 1:
        turns.insert(3, {"role": "user", "content": prompt(kilobytes * 1024 - 1200)})
    return json.dumps({"model": model, "stream": stream, "messages": turns, "temperature": 0.2, "max_tokens": 256},
                      ensure_ascii=False)


def prompt(size):
    """Text that takes `size` bytes in JSON, to a few hundred."""
    parts, length = [], 0
    for n in itertools.count(100, 24):
        part = PROMPT.format(n=n, m=n + 23)
        length += len(json.dumps(part, ensure_ascii=False).encode()) - 2
        if length > size:
            return "".join(parts)
        parts.append(part)


def completion():
    return json.dumps({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1700000000, "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 150, "completion_tokens": 40, "total_tokens": 190},
    })


def events():
    """34 events: 32 with a word, the finish reason, and `[DONE]`."""
    def chunk(delta, reason=None):
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return "data: " + json.dumps({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1700000000, "model": "bench",
            "service_tier": "default", "choices": choices,
        }) + "\n\n"
    words = TEXT.split()
    return [chunk({"content": f" {word}"}) for word in words] + [chunk({}, "stop"), "data: [DONE]\n\n"]
