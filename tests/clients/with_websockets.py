"""`websockets` on both sides of the gateway."""

import asyncio
import ssl

from checks import CA, PLAIN, TLS, TOKEN, content, run, same
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

KEY = {"X-API-Key": TOKEN}


def open_at(base, path="/ws/1", headers=KEY, **more):
    trust = {"ssl": ssl.create_default_context(cafile=CA)} if base == TLS else {}
    url = base.replace("http", "ws", 1) + path
    return connect(url, additional_headers=headers, max_size=None, subprotocols=["chat"], **trust, **more)


async def messages():
    for base in (PLAIN, TLS):
        for compression in (None, "deflate"):
            async with open_at(base, compression=compression) as socket:
                same("subprotocol", socket.subprotocol, "chat")
                for message in ("", "a", "ü€😀" * 1000, b"", bytes(range(256)), content(70_000), content(20_000_000)):
                    await socket.send(message)
                    same("a message", await socket.recv() == message, True)


async def fragments():
    async with open_at(PLAIN, compression=None) as socket:
        parts = [content(n * 10_000) for n in range(1, 20)]
        await socket.send(parts)
        same("what was sent in fragments", await socket.recv() == b"".join(parts), True)
        for n in range(500):
            await socket.send(str(n))
        same("many small ones, in order", [await socket.recv() for _ in range(500)], [str(n) for n in range(500)])


async def pings():
    async with open_at(TLS) as socket:
        for data in (b"", b"x" * 125):
            latency = await asyncio.wait_for(await socket.ping(data), 5)
            same("a pong in time", latency < 2, True)


async def closes():
    for code, reason in ((1000, "bye"), (1001, "gone"), (1008, "policy"), (1011, "ü"), (3000, "ours"), (4999, "x" * 120)):
        async with open_at(PLAIN) as socket:
            await socket.send(f"close {code} {reason}")
            try:
                await socket.recv()
            except ConnectionClosed as closed:
                same("the upstream's close", (closed.rcvd.code, closed.rcvd.reason), (code, reason))
        async with open_at(PLAIN) as socket:
            await socket.close(code, reason)
            # The upstream repeats what arrived there.
            same("the caller's close", (socket.protocol.close_rcvd.code, socket.protocol.close_rcvd.reason), (code, reason))


async def refusals():
    for path, headers, status in (("/ws/1", {}, 401), ("/nowhere", KEY, 404), ("/file/10", KEY, 200)):
        try:
            async with open_at(PLAIN, path, headers):
                raise AssertionError(f"{path} was opened")
        except InvalidStatus as refused:
            same(path, refused.response.status_code, status)


async def a_hundred_at_once():
    async def one(n):
        async with open_at(PLAIN if n % 2 else TLS) as socket:
            for round in range(5):
                await socket.send(f"{n} {round}")
                same("its own echo", await socket.recv(), f"{n} {round}")

    await asyncio.gather(*(one(n) for n in range(100)))


def messages_of_all_sizes_come_back():
    asyncio.run(messages())


def fragments_and_order_are_kept():
    asyncio.run(fragments())


def pings_are_answered():
    asyncio.run(pings())


def close_codes_and_reasons_pass_both_ways():
    asyncio.run(closes())


def what_is_not_permitted_is_not_opened():
    asyncio.run(refusals())


def many_at_once_are_kept_apart():
    asyncio.run(a_hundred_at_once())


run(
    messages_of_all_sizes_come_back,
    fragments_and_order_are_kept,
    pings_are_answered,
    close_codes_and_reasons_pass_both_ways,
    what_is_not_permitted_is_not_opened,
    many_at_once_are_kept_apart,
)
