"""The mixed traffic: every actor repeats its round, with pauses, until it is told to stop."""

import asyncio
import json
import random
import re
import shutil
import time
import zlib

from callers_bad import BadCallers
from http1 import Caller, Failed, handshakes, trust
from http2 import Session
from upstream import BLOCK, EVENT

EVENT_LATE = 2.0


def pattern(size):
    """CRC of so many bytes of the upstream's pattern."""
    whole, rest = divmod(size, len(BLOCK))
    crc = 0
    for _ in range(whole):
        crc = zlib.crc32(BLOCK, crc)
    return zlib.crc32(BLOCK[:rest], crc)


class Load(BadCallers):
    def __init__(self, gateway, ledger):
        self.gateway, self.ledger = gateway, ledger
        self.token = gateway.tokens["soak"]
        self.trust, self.trust_h2 = trust(gateway.directory), trust(gateway.directory, ["h2"])
        self.stopping = asyncio.Event()
        self.resumed = 0
        self.actors = [
            (self.keep_alive, 6, 0.2),
            (self.large, 1, 3.0),
            (self.pipelined, 1, 1.0),
            (self.slowly, 2, 2.0),
            (self.events, 2, 1.0),
            (self.websocket, 4, 0.5),
            (self.many_streams, 1, 1.5),
            (self.h2load, 1, 20.0),
            (self.resume, 1, 4.0),
            *self.bad_actors(),
        ]

    async def run(self):
        """Until `stopping` is set and every actor has finished its round."""
        rounds = [self._repeat(act, pause) for act, times, pause in self.actors for _ in range(times)]
        await asyncio.gather(*rounds)

    async def _repeat(self, act, pause):
        await asyncio.sleep(random.uniform(0, pause))
        while not self.stopping.is_set():
            try:
                await act()
            except Exception as error:  # whatever it is, it is told, and the others go on
                self.ledger.wrong(f"{act.__name__} failed", f"{time.strftime('%T')} {error!r}")
            await self._sleep(pause * random.uniform(0.5, 1.5))

    async def _sleep(self, seconds):
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            pass

    def port(self):
        """One of the two doors, and how to speak at it."""
        return random.choice([(self.gateway.plain, None), (self.gateway.tls, self.trust)])

    async def open(self):
        port, tls = self.port()
        return await Caller.open(port, tls)

    def path(self, kind, workflow, what="ok", times=1):
        number = self.ledger.open(kind, times)
        return f"/{workflow}/{what}/q{number}"

    def check(self, kind, good, reply):
        if good:
            self.ledger.closed(kind)
        else:
            self.ledger.closed(kind, "wrong")
            self.ledger.wrong(f"{kind} was answered wrongly", f"{reply.status} {reply.fields} {reply.start[:200]!r}")

    async def keep_alive(self):
        """A connection with a few dozen requests of all kinds."""
        caller = await self.open()
        for _ in range(random.randrange(1, 40)):
            await random.choice([self.get, self.get, self.get_head, self.post, self.post_chunks, self.expecting])(caller)
            await asyncio.sleep(random.uniform(0.05, 0.6))
            if self.stopping.is_set():
                break
        caller.close()

    async def get(self, caller):
        path = self.path("get", "get", random.choice(["ok", "ok", "wait/30"]))
        reply = await caller.ask("GET", path + "?a=b", self.token)
        self.check("get", reply.is_of(path), reply)

    async def get_head(self, caller):
        path = self.path("head", "get")
        reply = await caller.ask("HEAD", path, self.token)
        self.check("head", reply.status == 200 and reply.length == 0, reply)

    async def post(self, caller):
        body = random.randbytes(random.choice([1, 100, 5000, 40000]))
        reply = await caller.ask("POST", self.path("post", "post", "digest"), self.token, body=body)
        self.check("post", reply.status == 200 and reply.digest() == {"bytes": len(body), "crc": zlib.crc32(body)}, reply)

    async def post_chunks(self, caller):
        parts = [random.randbytes(random.randrange(1, 9000)) for _ in range(random.randrange(1, 6))]
        path = self.path("post", "post", "digest")
        await caller.write(caller.head("POST", path, self.token, "Transfer-Encoding: chunked"))
        for part in parts:
            await caller.write(b"%x\r\n%b\r\n" % (len(part), part))
        await caller.write(b"0\r\n\r\n")
        reply, body = await caller.reply(), b"".join(parts)
        self.check("post", reply.status == 200 and reply.digest() == {"bytes": len(body), "crc": zlib.crc32(body)}, reply)

    async def expecting(self, caller):
        body, path = random.randbytes(3000), self.path("continue", "post", "digest")
        await caller.write(caller.head("POST", path, self.token, "Expect: 100-continue", "Content-Length: 3000"))
        said = await asyncio.wait_for(caller.reader.readuntil(b"\r\n\r\n"), 10)
        if not said.startswith(b"HTTP/1.1 100 "):
            raise Failed(f"no 100 but {said!r}")
        await caller.write(body)
        reply = await caller.reply()
        self.check("continue", reply.status == 200 and reply.digest()["crc"] == zlib.crc32(body), reply)

    async def large(self):
        size, caller = random.choice([300_000, 2_000_000, 6_000_000]), await self.open()
        reply = await caller.ask("GET", self.path("large", "get", f"{random.choice(['bytes', 'chunks'])}/{size}"), self.token)
        self.check("large", (reply.status, reply.length, reply.crc) == (200, size, pattern(size)), reply)
        caller.close()

    async def pipelined(self):
        caller = await self.open()
        paths = [self.path("pipelined", "get") for _ in range(6)]
        await caller.write(b"".join(caller.head("GET", path, self.token) for path in paths))
        for path in paths:
            reply = await caller.reply()
            self.check("pipelined", reply.is_of(path), reply)
        caller.close()

    async def slowly(self):
        """Slow, but not too slow: as some links are."""
        caller, size = await self.open(), 400_000
        path = self.path("slow_head", "get")
        head = caller.head("GET", path, self.token)
        for at in range(0, len(head), 20):
            await caller.write(head[at : at + 20])
            await asyncio.sleep(0.2)
        self.check("slow_head", (reply := await caller.reply()).is_of(path), reply)
        body = random.randbytes(5000)
        await caller.write(caller.head("POST", self.path("slow_writer", "post", "digest"), self.token, "Content-Length: 5000"))
        for at in range(0, 5000, 1000):
            await asyncio.sleep(0.7)
            await caller.write(body[at : at + 1000])
        reply = await caller.reply()
        self.check("slow_writer", reply.status == 200 and reply.digest()["crc"] == zlib.crc32(body), reply)
        await caller.write(caller.head("GET", self.path("slow_reader", "get", f"bytes/{size}"), self.token))
        reply = await caller.reply(pause=0.1)
        self.check("slow_reader", (reply.length, reply.crc) == (size, pattern(size)), reply)
        caller.close()

    async def events(self):
        """Server-sent events must arrive when they are sent, not when there are enough of them."""
        caller, count = await self.open(), random.randrange(4, 16)
        await caller.write(caller.head("GET", self.path("sse", "get", f"events/{count}"), self.token))
        await caller.reader.readuntil(b"\r\n\r\n")
        for _ in range(count):
            await asyncio.wait_for(caller.reader.readuntil(b"\r\n"), EVENT + 10)
            event = await caller.reader.readuntil(b"\n\n\r\n")
            late = time.time() - float(event[6:].strip())
            if late > EVENT_LATE:
                self.ledger.wrong("an event came late", f"{late:.2f} s")
        if await caller.reader.readexactly(5) != b"0\r\n\r\n":
            raise Failed("events did not end")
        self.ledger.closed("sse")
        caller.close()

    async def tunnel(self, kind, key, what="ok"):
        """An open tunnel; None if the key is not valid just now."""
        caller, number = await self.open(), self.ledger.open(kind)
        fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a")
        await caller.write(caller.head("GET", f"/ws/{what}/q{number}", self.gateway.tokens[key], *fields))
        reply = await caller.reply()
        if reply.status == 401 and key == "sometimes":
            caller.close()
            return None
        if reply.status != 101:
            raise Failed(f"no 101 but {reply.status} {reply.fields}")
        return caller

    async def websocket(self):
        caller = await self.tunnel("websocket", "soak")
        for _ in range(random.randrange(1, 25)):
            sent = random.randbytes(random.choice([10, 1000, 30000]))
            await caller.write(sent)
            if await asyncio.wait_for(caller.reader.readexactly(len(sent)), 10) != sent:
                raise Failed("a tunnel's echo is another")
            await asyncio.sleep(random.uniform(0.1, 1.0))
        if caller.writer.can_write_eof():
            caller.writer.write_eof()
            if not await caller.is_closed():
                raise Failed("a tunnel goes on after its end")
        caller.close()
        self.ledger.closed("websocket")

    async def many_streams(self):
        """HTTP/2: a few requests at once, some taken back."""
        session = await Session.open(self.gateway.tls, self.trust_h2, self.token)
        waiting = []
        for _ in range(random.randrange(1, 4)):
            for _ in range(random.randrange(1, 7)):
                size = random.choice([500, 30_000, 300_000])
                waiting.append((size, session.send("GET", self.path("h2", "get", f"bytes/{size}"))))
                self.reset_some(session)
            body = random.randbytes(random.choice([10, 9000]))
            waiting.append((None, session.send("POST", self.path("h2", "post", "digest"), body)))
            await asyncio.sleep(random.uniform(0, 0.3))
        for size, (_, stream) in waiting:
            await asyncio.wait_for(stream.done, 20)
            good = stream.status == 200 and (size is None or (stream.length, stream.crc) == (size, pattern(size)))
            self.ledger.closed("h2", "ok" if good else "wrong")
            if not good:
                self.ledger.wrong("h2 was answered wrongly", f"{stream.status}, {stream.length} of {size} bytes")
        session.close()

    def reset_some(self, session):
        if random.random() < 0.4:
            what = random.choice(["wait/300", "bytes/3000000", "ok"])
            number, _ = session.send("GET", self.path("h2_reset", "get", what))
            asyncio.get_running_loop().call_later(random.uniform(0, 0.1), session.reset, number)

    async def h2load(self):
        """A burst from another implementation, if it is installed."""
        if not shutil.which("h2load"):
            return
        times, path = 150, self.path("h2load", "get", times=150)
        url = f"https://127.0.0.1:{self.gateway.tls}{path}"
        command = ["h2load", "-n", str(times), "-c", "3", "-m", "10", "-H", f"x-api-key: {self.token}", url]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said = (await process.communicate())[0].decode()
        good = re.search(rf"{times} succeeded, 0 failed", said) and re.search(rf"{times} 2xx", said)
        self.ledger.closed("h2load", "ok" if good else "wrong")
        if not good:
            self.ledger.wrong("h2load did not succeed", said[-600:])

    async def resume(self):
        paths = [self.path("resumed", "get") for _ in range(4)]
        resumed, replies = await asyncio.to_thread(handshakes, self.gateway.tls, self.trust, paths, self.token)
        self.resumed += resumed
        for path, said in zip(paths, replies):
            good = said.startswith(b"HTTP/1.1 200 OK\r\n") and said.endswith(b"\r\n\r\n" + path.encode())
            self.ledger.closed("resumed", "ok" if good else "wrong")
            if not good:
                self.ledger.wrong("resumed was answered wrongly", repr(said[:300]))
