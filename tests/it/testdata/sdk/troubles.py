"""The features that are about something going wrong, for both SDKs: they name their errors and options alike."""

import asyncio
import concurrent.futures

from features import all_of, close, done, each, feature

REQUEST_ID = "a-request-of-mine"


def register(sdk, ask, tight, text_of):
    """`ask(client, model, **options)` is one call, `tight(mode, **options)` a client of the instance that takes one
    request at a time, `text_of(item)` the text of a stream's item."""

    async def refusal(call):
        try:
            await done(call)
        except sdk.APIStatusError as error:
            kept = error.response.headers["x-request-id"] == REQUEST_ID
            return f"{type(error).__name__} {error.status_code}, request id {'kept' if kept else 'lost'}: {error.message}"
        return "no error"

    @feature("errors", "statuses of the provider, an unknown model, a wrong key, an answer that is none")
    async def errors(client, mode):
        plain = client.with_options(max_retries=0, default_headers={"x-request-id": REQUEST_ID})
        for status in (400, 401, 403, 404, 409, 422, 429, 500, 503):
            yield f"upstream {status}: " + await caught(refusal, plain, f"status-{status}")
        yield "unknown model: " + await caught(refusal, plain, "nobody-serves-this")
        yield "wrong key: " + await caught(refusal, plain.with_options(api_key="not-the-key"), "status-400")
        yield "no JSON: " + await caught(refusal, plain, "garbage")

    async def caught(judge, client, model):
        # The sync client raises as it is called, the async one as it is awaited.
        async def call():
            return await done(ask(client, model))

        return await judge(call())

    @feature("broken streams", "the provider breaks off")
    async def broken_streams(client, mode):
        text = ""
        try:
            async for item in each(await done(ask(client, "broken", stream=True))):
                text += text_of(item)
        except sdk.APIError as error:
            yield f"{text!r}, then {type(error).__name__}: {error.message}"

    @feature("retries", "the SDK repeats a 429 after the provider's Retry-After")
    async def retries(client, mode):
        seen = []
        judged = await caught(refusal, counting(sdk, client, mode, seen).with_options(max_retries=2), "limited")
        yield f"{seen} after Retry-After, then {judged}"

    @feature("retries when Aurora is full", "the SDK repeats a 503 after Aurora's Retry-After")
    async def full(client, mode):
        seen, held = [], []
        crowded = counting(sdk, tight(mode), mode, seen, lambda: held[0].close()).with_options(max_retries=1)
        held.append(await done(ask(crowded, f"endless-{mode}", stream=True)))
        await done(ask(crowded, "room"))
        yield f"{seen}"

    @feature("timeouts", "the SDK's and Aurora's")
    async def timeouts(client, mode):
        impatient = client.with_options(max_retries=0, timeout=0.3)
        try:
            await done(ask(impatient, f"silent-{mode}"))
        except sdk.APITimeoutError as error:
            yield f"of the caller: {type(error).__name__}"
        yield "of Aurora: " + await caught(refusal, client.with_options(max_retries=0), "silent")

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
