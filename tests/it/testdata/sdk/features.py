"""Runs each feature with the sync and with the async client of an SDK and prints what the SDK made of the answers.

A feature is an async generator of lines. Where both clients agree, its lines are printed once.
"""

import asyncio
import contextlib
import inspect
import sys
import traceback

FEATURES = []


def feature(name, exercised):
    """Registers a generator `(client, mode) -> lines` as a row of the table, with what it exercises."""

    def register(lines):
        FEATURES.append((name, exercised, lines))
        return lines

    return register


async def done(value):
    """The result of a call, of either client."""
    return await value if inspect.isawaitable(value) else value


async def each(stream):
    """The items of a stream or of a page, of either client."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


async def all_of(stream):
    return [item async for item in each(await done(stream))]


@contextlib.asynccontextmanager
async def opened(manager):
    """What a context manager gives, of either client."""
    if hasattr(manager, "__aenter__"):
        async with manager as inside:
            yield inside
    else:
        with manager as inside:
            yield inside


async def close(stream):
    await done(stream.close())


async def heard(lines, client, mode):
    return "\n".join([line async for line in lines(client, mode)])


async def run(clients):
    failed = False
    for name, exercised, lines in FEATURES:
        said = {}
        for mode, client in clients.items():
            try:
                said[mode] = await heard(lines, client, mode)
            except Exception:
                failed = True
                print(f"{name}, {mode}:", file=sys.stderr)
                traceback.print_exc()
        for text in dict.fromkeys(said.values()):
            modes = [mode for mode in said if said[mode] == text]
            print(f"# {name} | {exercised} | {', '.join(modes)}\n{text}")
    sys.exit(failed)


def main(clients):
    asyncio.run(run(clients))
