"""Load `paddle-tasks serve` on this machine: reviews at a steady rate, or without a pause, or a burst that is given up.

python benchmarks/serve_load.py http://127.0.0.1:8040 --models sentiment opinion --rate 50 --seconds 60

At a steady rate a request is sent when its time has come, whether earlier ones were answered or not, and its latency
counts from then. With `--clients N`, N clients send their next request as soon as the last one is answered, which shows
how many requests per second the service can answer.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_IN_FLIGHT = 1000
"""More are not sent, and count as errors."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PARTS = (
    "房间很干净，住得舒服",
    "早餐种类太少",
    "前台服务热情",
    "隔音效果太差，晚上睡不好",
    "位置方便，出门就是地铁",
    "价格有点贵",
    "书的内容不错，印刷也清楚",
    "屏幕清晰，就是电池不耐用",
)


@dataclass
class Outcome:
    """What became of the requests.

    Attributes:
        seconds: the latency of each that was answered with 200.
        statuses: how many had each status; without an answer it is ``given up`` or the name of the exception.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def report(self, wall_seconds: float) -> dict[str, Any]:
        """Return counts and percentiles, in milliseconds."""
        ordered = sorted(self.seconds)
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        latency = {
            name: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
            for name, share in shares.items()
            if ordered
        }
        rate = round(len(ordered) / wall_seconds, 1)
        return {"statuses": dict(self.statuses), "answers_per_second": rate, "milliseconds": latency}


class Client:
    """Sends requests over connections that are used again."""

    def __init__(self, url: str) -> None:
        parsed = urllib.parse.urlsplit(url)
        self._host, self._port = parsed.hostname or "", parsed.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # the server closes connections without a request for some seconds
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    async def predict(self, model: str, text: str) -> int:
        """Return the status of a request; one that is cancelled closes its connection."""
        reader, writer = await self._connection()
        try:
            body = json.dumps({"model": model, "texts": text}).encode()
            head = f"POST /v1/predict HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            headers = dict(line.split(": ", 1) for line in answer.split("\r\n")[1:] if ": " in line)
            await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            raise
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(answer.split(" ", 2)[1])


def reviews(seed: int) -> Iterator[str]:
    """Yield reviews of different lengths without end; the same seed gives the same ones."""
    generator = random.Random(seed)
    while True:
        yield "，".join(generator.sample(PARTS, generator.randint(1, 4))) + "。"


async def ask(client: Client, outcome: Outcome, model: str, text: str, give_up: float | None = None) -> None:
    """Send a request and add what becomes of it to the outcome; ``give_up`` is the client's patience in seconds."""
    begin = time.perf_counter()
    try:
        status = await asyncio.wait_for(client.predict(model, text), give_up)
    except asyncio.TimeoutError:
        outcome.statuses["given up"] += 1
    except (OSError, asyncio.IncompleteReadError) as error:
        outcome.statuses[type(error).__name__] += 1
    else:
        outcome.statuses[str(status)] += 1
        if status == 200:
            outcome.seconds.append(time.perf_counter() - begin)


async def steady(client: Client, models: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
    """Send requests at a steady rate, the models in turn, and return the report."""
    outcome, tasks = Outcome(), set()
    pairs = zip(itertools.cycle(models), reviews(1), strict=False)
    begin = time.perf_counter()
    for number, (model, text) in zip(range(int(rate * seconds)), pairs, strict=False):
        await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        if len(tasks) >= MAX_IN_FLIGHT:
            outcome.statuses["not sent"] += 1
            continue
        task = asyncio.create_task(ask(client, outcome, model, text))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return outcome.report(time.perf_counter() - begin)


async def without_pause(client: Client, models: Sequence[str], n_clients: int, seconds: float) -> dict[str, Any]:
    """Let clients ask the models in turn, each without a pause, and return the report."""
    outcome, pairs = Outcome(), zip(itertools.cycle(models), reviews(1), strict=False)
    begin = time.perf_counter()

    async def ask_on() -> None:
        while time.perf_counter() - begin < seconds:
            await ask(client, outcome, *next(pairs))

    await asyncio.gather(*(ask_on() for _ in range(n_clients)))
    return outcome.report(time.perf_counter() - begin)


async def burst(client: Client, model: str, n_requests: int, give_up: float) -> dict[str, Any]:
    """Send many requests at once and give them up, then 100 one after another; return both reports."""
    given_up, after = Outcome(), Outcome()
    texts = reviews(2)
    begin = time.perf_counter()
    await asyncio.gather(*(ask(client, given_up, model, next(texts), give_up) for _ in range(n_requests)))
    between = time.perf_counter()
    for _ in range(100):
        await ask(client, after, model, next(texts))
    return {"burst": given_up.report(between - begin), "next_100": after.report(time.perf_counter() - between)}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="the address that `paddle-tasks serve` prints; on this machine only")
    parser.add_argument("--models", nargs="+", default=["sentiment"], help="asked in turn")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--clients", type=int, default=0, metavar="N", help="N clients without a pause, at no rate")
    parser.add_argument(
        "--burst", type=int, default=0, metavar="N", help="N requests at once instead, and 100 after them"
    )
    parser.add_argument("--give-up", type=float, default=0.1, metavar="SECONDS", help="the patience with a burst")
    found = parser.parse_args(arguments)
    if urllib.parse.urlsplit(found.url).hostname not in LOOPBACK:
        parser.error(f"{found.url}: expected an address of this machine, such as http://127.0.0.1:8040")
    return found


def main() -> None:
    """Print the report as JSON."""
    chosen = parse(sys.argv[1:])
    client = Client(chosen.url)
    if chosen.burst:
        work = burst(client, chosen.models[0], chosen.burst, chosen.give_up)
    elif chosen.clients:
        work = without_pause(client, chosen.models, chosen.clients, chosen.seconds)
    else:
        work = steady(client, chosen.models, chosen.rate, chosen.seconds)
    print(json.dumps(asyncio.run(work), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
