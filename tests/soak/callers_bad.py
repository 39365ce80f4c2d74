"""Callers who are refused, who break off, who dawdle, and upstreams that fail them."""

import asyncio
import random
import time

from http1 import Caller
from world import BODY_IDLE, HEAD

MALFORMED = [
    "GET {path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET {path} HTTP/1.1\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 0\r\n\r\nabc",
    "GET {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "GET {path} HTTP/1.1\nHost: a\n\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n",
    "GET {path} http/1.1\r\nHost: a\r\n\r\n",
    "GET {path} HTTP/2.0\r\nHost: a\r\n\r\n",
    "GET {path}#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "G@T {path} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n",
    "GET {path}{long} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n",
    "TRACE {path} HTTP/1.1\r\nHost: a\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: a\r\nX-\xe4: b\r\n\r\n",
]
LONG = "x" * 20000
FIELDS = "A: b\r\n" * 150


class BadCallers:
    def bad_actors(self):
        return [
            (self.refused, 2, 0.5),
            (self.malformed, 1, 0.3),
            (self.half_head, 1, 1.0),
            (self.leave_in_body, 1, 0.7),
            (self.leave_waiting, 1, 0.7),
            (self.leave_in_reply, 1, 1.0),
            (self.stall, 2, 1.0),
            (self.limited, 1, 1.0),
            (self.sometimes, 1, 1.0),
            (self.cut_tunnel, 2, 1.0),
            (self.flapping, 2, 0.4),
            (self.silent, 1, 3.0),
            (self.broken_upstream, 1, 0.4),
            (self.knock, 1, 1.0),
        ]

    def check_status(self, kind, expected, reply):
        self.check(kind, reply.status in expected, reply)

    async def refused(self):
        """A handful on one connection, so that a refusal leaves the connection usable."""
        caller, tokens = await self.open(), self.gateway.tokens
        for _ in range(random.randrange(1, 6)):
            method, what, token, fields, status = random.choice(
                [
                    ("GET", "/get/ok", None, (), 401),
                    ("GET", "/get/ok", "kst_nonsense", (), 401),
                    ("GET", "/get/ok", tokens["disabled"], (), 401),
                    ("GET", "/nowhere", self.token, (), 404),
                    ("DELETE", "/get/ok", self.token, (), 405),
                    ("POST", "/post/ok", tokens["narrow"], ("Content-Length: 0",), 403),
                    ("GET", "/get/ok", self.token, ("Expect: miracles",), 417),
                    ("POST", "/post/ok", self.token, ("Content-Length: 99000000",), 413),
                ]
            )
            path = f"{what}/q{self.ledger.open('refused')}"
            reply = await caller.ask(method, path, token, *fields)
            seen = {status, 403} if token == tokens["disabled"] else {status}
            self.check_status("refused", seen, reply)
            if reply.fields.get("connection") == "close" or status == 413:
                break
        caller.close()

    async def malformed(self):
        port, caller = self.gateway.plain, None
        text = random.choice(MALFORMED)
        number = self.ledger.open("malformed")
        caller = await Caller.open(port)
        sent = text.format(path=f"/get/ok/q{number}", long=LONG, fields=FIELDS)
        await caller.write(sent.encode("latin-1"))
        reply = await caller.reply()
        self.check("malformed", 400 <= reply.status < 506, reply)
        caller.close()

    async def half_head(self):
        caller = await self.open()
        head = caller.head("GET", self.path("half_head", "get"), self.token)
        await caller.write(head[: random.randrange(1, len(head) - 1)])
        await asyncio.sleep(random.choice([0, 0.05]))
        random.choice([caller.reset, caller.close])()

    async def leave_in_body(self):
        caller = await self.open()
        framing = random.choice(["Content-Length: 100000", "Transfer-Encoding: chunked"])
        await caller.write(caller.head("POST", self.path("left_in_body", "post", "digest"), self.token, framing))
        for _ in range(random.randrange(1, 4)):
            await caller.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await asyncio.sleep(0.05)
        random.choice([caller.reset, caller.close])()

    async def leave_waiting(self):
        caller = await self.open()
        await caller.write(caller.head("GET", self.path("left_waiting", "get", "wait/1500"), self.token))
        await asyncio.sleep(random.uniform(0.05, 0.3))
        random.choice([caller.reset, caller.close])()

    async def leave_in_reply(self):
        caller = await self.open()
        await caller.write(caller.head("GET", self.path("left_in_reply", "get", "chunks/5000000"), self.token))
        await caller.reader.readexactly(random.choice([1, 1000, 100_000]))
        random.choice([caller.reset, caller.close])()

    async def stall(self):
        """Who stops in the middle is cut at the stated time, not before and not much later."""
        await random.choice([self._stall_head, self._stall_body, self._stall_reading])()

    async def _stall_head(self):
        caller, began = await Caller.open(self.gateway.plain), time.monotonic()
        await caller.write(caller.head("GET", self.path("half_head", "get"), self.token)[:-2])
        self.check_status("half_head", {408}, await caller.reply())
        self._cut_at("a slow head", HEAD, began)
        caller.close()

    async def _stall_body(self):
        caller, began = await Caller.open(self.gateway.plain), time.monotonic()
        path = self.path("body_stalled", "post", "digest")
        await caller.write(caller.head("POST", path, self.token, "Content-Length: 100") + b"x")
        self.check_status("body_stalled", {408}, await caller.reply())
        self._cut_at("a slow body", BODY_IDLE, began)
        caller.close()

    async def _stall_reading(self):
        caller = await Caller.open(self.gateway.plain)
        path = self.path("reader_stalled", "get", "bytes/40000000")
        await caller.write(caller.head("GET", path, self.token))
        await caller.reader.readexactly(10)
        caller.writer.transport.pause_reading()
        # Its record must be there before it goes: it says when the reader was cut. It is seen later than that, by three
        # seconds and more if the log is rotated meanwhile.
        await asyncio.sleep(BODY_IDLE + 10)
        if int(path.rsplit("q", 1)[1]) in self.ledger.waiting:
            self.ledger.wrong("a reader was not cut", path)
        caller.reset()

    def _cut_at(self, what, seconds, began):
        took = time.monotonic() - began
        if not seconds - 0.2 < took < seconds + 3:
            self.ledger.wrong(f"{what} was cut at another time", f"{took:.1f} s instead of {seconds} s")

    async def limited(self):
        caller = await self.open()
        for _ in range(4):
            reply = await caller.ask("GET", self.path("limited", "get"), self.gateway.tokens["limited"])
            self.check_status("limited", {200, 429}, reply)
        caller.close()

    async def sometimes(self):
        """Its key stands in one of the two configurations."""
        caller = await self.open()
        reply = await caller.ask("GET", self.path("sometimes", "get"), self.gateway.tokens["sometimes"])
        self.check_status("sometimes", {200, 401}, reply)
        caller.close()

    async def cut_tunnel(self):
        """Reset by either side, or revoked by a reload."""
        key, what = random.choice([("soak", "ok"), ("soak", "cut"), ("sometimes", "ok")])
        caller = await self.tunnel("websocket_cut", key, what)
        if caller is None:
            return
        try:
            for _ in range(random.randrange(1, 5)):
                await caller.write(b"echo")
                await asyncio.wait_for(caller.reader.readexactly(4), 10)
                await asyncio.sleep(2 if key == "sometimes" else 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        caller.reset()

    async def flapping(self):
        caller = await self.open()
        for _ in range(3):
            reply = await caller.ask("GET", self.path("flapping", "flapping"), self.token)
            self.check_status("flapping", {200, 502, 503, 504}, reply)
        caller.close()

    async def silent(self):
        caller = await self.open()
        reply = await caller.ask("GET", self.path("silent", "silent"), self.token)
        self.check_status("silent", {504}, reply)
        caller.close()

    async def broken_upstream(self):
        how = random.choice(["reset-head", "close-head", "garbage", "reset-body", "close-body"])
        caller = await self.open()
        if how.endswith("body"):
            await caller.write(caller.head("GET", self.path("broken_body", "get", how), self.token))
            try:
                reply = await caller.reply()
                if reply.status == 200:
                    self.ledger.wrong("a truncated reply was passed off as complete", f"{how}, {reply.length} bytes")
            except Exception:  # cut short in whichever way: as it must be
                pass
        else:
            self.check_status("broken_head", {502}, await caller.ask("GET", self.path("broken_head", "get", how), self.token))
        caller.close()

    async def knock(self):
        """Connects and says nothing, or nonsense to the TLS door."""
        caller = await Caller.open(random.choice([self.gateway.plain, self.gateway.tls]))
        if random.random() < 0.5 and caller.writer.get_extra_info("peername")[1] == self.gateway.tls:
            caller.writer.write(random.randbytes(100))
        await asyncio.sleep(random.uniform(0, 0.5))
        random.choice([caller.reset, caller.close])()
