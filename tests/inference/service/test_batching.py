"""The queue of a model: batches, turns, and requests that are abandoned."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from paddle_tasks.errors import ConfigError, DataError, SetupError
from paddle_tasks.inference.service.batching import MAX_BATCH_SIZE, Batcher
from paddle_tasks.inference.service.problems import RequestProblem


class Model:
    """Records its batches; the first one waits for the gate."""

    def __init__(self):
        self.batches, self.gate = [], threading.Event()

    def __call__(self, texts, options):
        self.batches.append((list(texts), dict(options)))
        assert self.gate.wait(60)
        for error in (DataError, ConfigError, SetupError):
            if error.__name__ in texts:
                raise error("/secret" if error is SetupError else "wrong")
        return [f"{text}!" for text in texts]


@contextlib.asynccontextmanager
async def batcher_of(model, n_queued=256):
    batcher = Batcher(model, n_queued)
    worker = asyncio.create_task(batcher.run())
    try:
        yield batcher
    finally:
        model.gate.set()
        worker.cancel()


async def occupied(batcher, model):
    """Return the request that keeps the model busy until the gate opens."""
    first = asyncio.create_task(batcher.submit(["first"], {}))
    while not model.batches:
        await asyncio.sleep(0.001)
    return first


def test_what_waits_with_the_same_options_is_one_batch():
    async def scenario():
        model = Model()
        async with batcher_of(model) as batcher:
            first = await occupied(batcher, model)
            others = [
                asyncio.create_task(batcher.submit([name], options))
                for name, options in [("a", {}), ("b", {"k": 1}), ("c", {})]
            ]
            await asyncio.sleep(0)
            assert batcher.n_waiting == 3
            model.gate.set()
            assert await asyncio.gather(first, *others) == [["first!"], ["a!"], ["b!"], ["c!"]]
            assert model.batches == [(["first"], {}), (["a", "c"], {}), (["b"], {"k": 1})]
            assert batcher.n_waiting == 0

    asyncio.run(scenario())


def test_a_long_request_does_not_keep_others_waiting():
    async def scenario():
        model, done = Model(), []

        async def ask(batcher, name, texts):
            await batcher.submit(texts, {})
            done.append(name)

        async with batcher_of(model) as batcher:
            first = await occupied(batcher, model)
            long = asyncio.create_task(ask(batcher, "long", [f"long{n}" for n in range(100)]))
            short = asyncio.create_task(ask(batcher, "short", ["short"]))
            await asyncio.sleep(0)
            model.gate.set()
            await asyncio.gather(first, long, short)
        assert done == ["short", "long"]
        assert max(len(texts) for texts, _options in model.batches) <= MAX_BATCH_SIZE
        assert [text for texts, _ in model.batches for text in texts if text.startswith("long")] == [
            f"long{n}" for n in range(100)
        ]

    asyncio.run(scenario())


def test_an_abandoned_request_is_not_computed():
    async def scenario():
        model = Model()
        async with batcher_of(model) as batcher:
            first = await occupied(batcher, model)
            second = asyncio.create_task(batcher.submit(["abandoned"] * 5, {}))
            await asyncio.sleep(0)
            assert batcher.n_waiting == 5
            second.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await second
            assert batcher.n_waiting == 0
            model.gate.set()
            await first
            assert await batcher.submit(["next"], {}) == ["next!"]
        assert [texts for texts, _ in model.batches] == [["first"], ["next"]]

    asyncio.run(scenario())


def test_a_full_queue_refuses_and_says_when_to_try_again():
    async def scenario():
        model = Model()
        async with batcher_of(model, n_queued=3) as batcher:
            first = await occupied(batcher, model)
            waiting = asyncio.create_task(batcher.submit(["a", "b"], {}))
            await asyncio.sleep(0)
            with pytest.raises(RequestProblem) as found:
                await batcher.submit(["c", "d"], {})
            assert (found.value.code, found.value.status) == ("busy", 429)
            assert int(found.value.headers["Retry-After"]) >= 1
            last = asyncio.create_task(batcher.submit(["c"], {}))
            await asyncio.sleep(0)
            model.gate.set()
            assert await asyncio.gather(first, waiting, last) == [["first!"], ["a!", "b!"], ["c!"]]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [("DataError", "invalid", "texts.1"), ("ConfigError", "invalid", "options"), ("SetupError", "internal", None)],
)
def test_a_bad_text_fails_its_own_request_only(text, code, field, caplog):
    async def scenario():
        model = Model()
        async with batcher_of(model) as batcher:
            first = await occupied(batcher, model)
            good = asyncio.create_task(batcher.submit(["good"], {}))
            bad = asyncio.create_task(batcher.submit(["fine", text, "never"], {}))
            await asyncio.sleep(0)
            model.gate.set()
            assert await asyncio.gather(first, good) == [["first!"], ["good!"]]
            with pytest.raises(RequestProblem) as found:
                await bad
            assert await batcher.submit(["after"], {}) == ["after!"]
        assert found.value.code == code
        assert [each.field for each in found.value.fields] == ([field] if field else [])
        assert "/secret" not in found.value.message
        assert ("/secret" in caplog.text) == (code == "internal")

    asyncio.run(scenario())


def test_equal_batches_equal_one_by_one():
    async def scenario():
        model = Model()
        model.gate.set()
        texts = [f"text {n}" for n in range(70)]
        async with batcher_of(model) as batcher:
            together = await batcher.submit(texts, {})
            alone = [record for text in texts for record in await batcher.submit([text], {})]
        assert together == alone == [f"{text}!" for text in texts]

    asyncio.run(scenario())
