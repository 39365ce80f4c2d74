"""The upstream behind the gateway: files, digests of what is sent, streams, and WebSockets. Notes every head that holds a
caller's key, or lacks the upstream's own."""

import asyncio
import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError

SECRET = sys.argv[1]
BLOCK = bytes((n * 7 + n // 251) % 256 for n in range(1 << 16))


def content(size):
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


def look(path, fields):
    for name, value in fields:
        if "kst_" in value or "kst_" in path:
            print(f"a caller's key arrived in {name} of {path}", file=sys.stderr, flush=True)
    if [value for name, value in fields if name.lower() == "x-engine-key"] != [SECRET]:
        print(f"the secret did not arrive with {path}", file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except ConnectionError:  # some callers leave in the middle, and the gateway says so
            pass

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        look(self.path, self.headers.items())
        _, what, which = self.path.split("?")[0].split("/")[:3]
        if what == "stream":
            return self.stream(int(which))
        whole = content(int(which))
        tag = f'"{len(whole)}"'
        if self.headers.get("If-None-Match") == tag:
            return self.answer(304, ETag=tag)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and int(wanted[1]) < len(whole):
            first, last = int(wanted[1]), min(int(wanted[2] or len(whole) - 1), len(whole) - 1)
            where = f"bytes {first}-{last}/{len(whole)}"
            return self.answer(206, whole[first : last + 1], Content_Range=where, ETag=tag)
        return self.answer(200, whole, Accept_Ranges="bytes", ETag=tag)

    do_HEAD = do_GET

    def do_POST(self):
        look(self.path, self.headers.items())
        digest, size = hashlib.sha256(), 0
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        for part in self.chunks() if chunked else self.parts():
            digest.update(part)
            size += len(part)
        said = {"bytes": size, "sha256": digest.hexdigest(), "chunked": chunked}
        self.answer(200, json.dumps(said).encode(), Content_Type="application/json")

    do_PUT = do_POST

    def parts(self):
        left = int(self.headers.get("Content-Length", 0))
        while left:
            part = self.rfile.read(min(left, 65536))
            left -= len(part)
            yield part

    def chunks(self):
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def stream(self, events):
        """Each event says when it left."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(events):
            event = f"data: {time.time()}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")


async def converse(socket):
    """Echoes; `close <code> <reason>` closes so."""
    look(socket.request.path, list(socket.request.headers.raw_items()))
    try:
        async for message in socket:
            if isinstance(message, str) and message.startswith("close "):
                _, code, reason = message.split(" ", 2)
                await socket.close(int(code), reason)
                break
            await socket.send(message)
    except ConnectionClosedError as closed:
        if closed.rcvd is None:
            raise


class Server(ThreadingHTTPServer):
    # As many as may connect at once; beyond, connecting takes seconds.
    request_queue_size = 256


async def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    async with serve(converse, "127.0.0.1", 0, max_size=None, subprotocols=["chat"]) as tunnels:
        ports = {"files": server.server_address[1], "ws": tunnels.sockets[0].getsockname()[1]}
        print(json.dumps(ports), flush=True)
        await tunnels.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
