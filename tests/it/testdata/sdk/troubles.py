"""The features that are about something going wrong, for both SDKs: they name their errors and options alike."""

import asyncio
import concurrent.futures
import time

from features import all_of, close, done, each, feature

REQUEST_ID = "a-request-of-mine"
STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 503)


def register(sdk, ask, tight, text_of):
    """`ask(client, model, **options)` is one call, `tight(mode, **options)` a client of the instance that takes one
    request at a time, `text_of(item)` the text of a stream's item."""

    async def refusal(client, model):
        try:
            await done(ask(client, model))
        except sdk.APIStatusError as error:
            return f"{type(error).__name__} {error.status_code}: {error.message}", error.response.headers
        return "no error", {}

    @feature("errors", "statuses of the provider, an unknown model, a wrong key, an invalid response")
    async def errors(client, mode):
        plain = client.with_options(default_headers={"x-request-id": REQUEST_ID})
        cases = [(f"the provider's {status}", plain, f"status-{status}") for status in STATUSES]
        cases.append(("unknown model", plain, "nobody-serves-this"))
        cases.append(("wrong key", plain.with_options(api_key="not-the-key"), "status-400"))
        cases.append(("no JSON", plain, "garbage"))
        ids = set()
        for name, client, model in cases:
            said, headers = await refusal(client, model)
            ids.add(headers["x-request-id"])
            yield f"{name}: {said}"
        yield f"request ids: {ids}"

    @feature("broken streams", "the provider closes the connection")
    async def broken_streams(client, mode):
        text = ""
        try:
            async for item in each(await done(ask(client, "broken", stream=True))):
                text += text_of(item)
        except sdk.APIError as error:
            yield f"{text!r}, then {type(error).__name__}: {error.message}"

    @feature("retries", "the SDK retries a 429 after the provider's Retry-After")
    async def retries(client, mode):
        seen = []
        stubborn = counting(sdk, client, mode, seen).with_options(max_retries=1)
        started = time.monotonic()
        said, _ = await refusal(stubborn, "limited")
        yield f"{seen}, {waited(started, 0.6)}, then {said}"

    @feature("retries when Aurora is full", "the SDK retries a 503 after Aurora's Retry-After")
    async def full(client, mode):
        seen, held = [], []
        stubborn = counting(sdk, tight(mode), mode, seen, lambda: held[0].close()).with_options(max_retries=1)
        held.append(await done(ask(stubborn, f"endless-{mode}", stream=True)))
        started = time.monotonic()
        await done(ask(stubborn, "room"))
        yield f"{seen}, {waited(started, 1)}"

    @feature("timeouts", "the SDK's and Aurora's")
    async def timeouts(client, mode):
        try:
            await done(ask(client.with_options(timeout=1), f"silent-{mode}"))
        except sdk.APITimeoutError as error:
            yield f"of the caller: {type(error).__name__}"
        yield f"of Aurora: {(await refusal(client, 'silent'))[0]}"

    @feature("cancellation", "a stream that is closed early")
    async def cancellation(client, mode):
        stream = await done(ask(client, f"endless-{mode}", stream=True))
        text = ""
        async for item in each(stream):
            text += text_of(item)
            if text:
                break
        await close(stream)
        yield f"{text!r}, then closed"

    @feature("parallel calls", "16 streams at once")
    async def parallel(client, mode):
        if mode == "async":
            answers = await asyncio.gather(*(all_of(ask(client, "parallel", stream=True)) for _ in range(16)))
        else:
            with concurrent.futures.ThreadPoolExecutor(16) as threads:
                jobs = [threads.submit(lambda: list(ask(client, "parallel", stream=True))) for _ in range(16)]
                answers = [job.result() for job in jobs]
        texts = {"".join(map(text_of, answer)) for answer in answers}
        yield f"{len(answers)} streams at once: {texts}"


def waited(started, seconds):
    """Whether Retry-After was honoured: the SDKs' own first wait is half a second at most."""
    return f"after {seconds} s" if time.monotonic() - started >= seconds else "too early"


def counting(sdk, client, mode, seen, at_503=None):
    """The client with a hook that notes the status of every answer, also of those that the SDK retries."""

    def note(answer):
        seen.append(answer.status_code)
        return at_503() if at_503 and answer.status_code == 503 else None

    async def note_async(answer):
        await done(note(answer))

    if mode == "async":
        http = sdk.DefaultAsyncHttpxClient(event_hooks={"response": [note_async]})
    else:
        http = sdk.DefaultHttpxClient(event_hooks={"response": [note]})
    return client.with_options(http_client=http)
