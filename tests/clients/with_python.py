"""requests, httpx and aiohttp."""

import asyncio
import ssl

import aiohttp
import httpx
import requests
from checks import CA, PLAIN, SIZES, TLS, TOKEN, check_digest, check_fresh, content, run, same, sha256

KEY = {"X-API-Key": TOKEN}


def pieces(size):
    """A body whose length nobody was told."""
    whole = content(size)
    for at in range(0, size, 50_000):
        yield whole[at : at + 50_000]


def requests_sends_and_receives():
    for base in (PLAIN, TLS):
        with requests.Session() as session:
            session.headers.update(KEY)
            session.verify, session.trust_env = CA, False
            for size in SIZES:
                same(f"{size}", sha256(session.get(f"{base}/file/{size}", timeout=20).content), sha256(content(size)))
                said = session.post(f"{base}/digest/1", data=content(size), timeout=20).json()
                check_digest(f"{size}", said, content(size), chunked=False)
                said = session.put(f"{base}/digest/1", data=pieces(size), timeout=20).json()
                check_digest(f"{size} in pieces", said, content(size), chunked=True)
            with session.get(f"{base}/stream/6", stream=True, timeout=20) as reply:
                lines = [line for line in reply.iter_lines(chunk_size=1) if line and check_fresh("requests", line.decode()) is None]
                same("events", len(lines), 6)
            pools = session.get_adapter(base).poolmanager.pools
            same("connections", [pools[key].num_connections for key in pools.keys()], [1])
            refused = session.get(f"{base}/nowhere", timeout=20)
            same("refused", (refused.status_code, refused.json()["code"]), (404, "workflow_not_found"))


def httpx_sends_and_receives(http2):
    base = TLS if http2 else PLAIN
    with httpx.Client(http2=http2, verify=ssl.create_default_context(cafile=CA), headers=KEY, timeout=20) as client:
        for size in SIZES:
            reply = client.get(f"{base}/file/{size}")
            same("version", reply.http_version, "HTTP/2" if http2 else "HTTP/1.1")
            same(f"{size}", sha256(reply.content), sha256(content(size)))
            check_digest(f"{size}", client.post(f"{base}/digest/1", content=content(size)).json(), content(size))
            check_digest(f"{size} in pieces", client.put(f"{base}/digest/1", content=pieces(size)).json(), content(size))
        with client.stream("GET", f"{base}/stream/6") as reply:
            lines = [line for line in reply.iter_lines() if line and check_fresh("httpx", line) is None]
            same("events", len(lines), 6)
        same("connections", len(client._transport._pool.connections), 1)


def httpx_over_http_1_1():
    httpx_sends_and_receives(False)


def httpx_over_http_2():
    httpx_sends_and_receives(True)


async def httpx_round():
    """Everything at once on one connection, in the order in which it is over."""
    context = ssl.create_default_context(cafile=CA)
    async with httpx.AsyncClient(http2=True, verify=context, headers=KEY, timeout=30, limits=httpx.Limits(max_connections=1)) as client:
        same("version", (await client.get(f"{TLS}/file/1")).http_version, "HTTP/2")

        async def in_pieces(size):
            for piece in pieces(size):
                yield piece

        async def fetched(size):
            same(f"{size}", sha256((await client.get(f"{TLS}/file/{size}")).content), sha256(content(size)))

        async def sent(size, body):
            check_digest(f"{size} at once", (await client.post(f"{TLS}/digest/1", content=body)).json(), content(size))

        async def streamed():
            async with client.stream("GET", f"{TLS}/stream/8") as reply:
                lines = [line async for line in reply.aiter_lines() if line and check_fresh("httpx, at once", line) is None]
            same("events", len(lines), 8)

        async def left(size):
            """Given up in the middle, as the others go on."""
            async with client.stream("GET", f"{TLS}/file/{size}") as reply:
                async for _ in reply.aiter_bytes():
                    break

        async def refused():
            # Without a body: httpcore takes a reply that comes before its body is sent for a mistake.
            reply = await client.post(f"{TLS}/nowhere")
            same("refused", (reply.status_code, reply.json()["code"]), (404, "workflow_not_found"))

        several = [fetched(n * 1000) for n in range(60)] + [fetched(3_000_000), left(5_000_000), left(5_000_000), refused()]
        several += [sent(size, body) for size in (0, 1, 70_000, 1_000_003) for body in (content(size), in_pieces(size))]
        await asyncio.gather(streamed(), *several)
        same("connections", len(client._transport._pool.connections), 1)


def httpx_at_once_over_http_2():
    asyncio.run(httpx_round())


async def aiohttp_round():
    reused = []
    trace = aiohttp.TraceConfig()

    async def noted(*_):
        reused.append(1)

    trace.on_connection_reuseconn.append(noted)
    context = ssl.create_default_context(cafile=CA)

    async def in_pieces(size):
        for piece in pieces(size):
            yield piece

    for base in (PLAIN, TLS):
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(headers=KEY, trace_configs=[trace], connector=connector) as session:
            for size in SIZES:
                async with session.get(f"{base}/file/{size}") as reply:
                    same(f"{size}", sha256(await reply.read()), sha256(content(size)))
                async with session.post(f"{base}/digest/1", data=content(size)) as reply:
                    check_digest(f"{size}", await reply.json(), content(size))
                async with session.put(f"{base}/digest/1", data=in_pieces(size)) as reply:
                    check_digest(f"{size} in pieces", await reply.json(), content(size), chunked=True)
            async with session.get(f"{base}/stream/6") as reply:
                async for line in reply.content:
                    if line.strip():
                        check_fresh("aiohttp", line.decode())
            urls = [f"{base}/file/{n * 1000}" for n in range(40)]
            replies = await asyncio.gather(*(session.get(url) for url in urls))
            same("at once", [len(await reply.read()) for reply in replies], [n * 1000 for n in range(40)])
    assert len(reused) > 30, f"connections were used again {len(reused)} times"


def aiohttp_sends_and_receives():
    asyncio.run(aiohttp_round())


run(
    requests_sends_and_receives,
    httpx_over_http_1_1,
    httpx_over_http_2,
    httpx_at_once_over_http_2,
    aiohttp_sends_and_receives,
)
