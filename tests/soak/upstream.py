"""The sample upstream: answers as the path says, well or badly. Tells on stderr of a caller's key that arrived, and of a
secret that did not; both must never happen.

/…/ok/…            a small reply that says the path          /…/digest/…     length and CRC of the request's body
/…/bytes/<n>/…     n bytes, with their length                /…/chunks/<n>/… n bytes in chunks
/…/events/<n>/…    n events, one every half second           /…/wait/<ms>/…  a small reply, later
/…/reset-head/…    /…/close-head/…   /…/garbage/…            /…/reset-body/…   /…/close-body/…
/ws/…              echoes after a 101; /ws/cut/… resets after the first echo
"""

import asyncio
import json
import random
import socket
import struct
import sys
import time
import zlib

BLOCK = bytes(range(256)) * 64
SECRETS = [secret.encode() for secret in sys.argv[1:]]
EVENT = 0.5


def complain(what, head):
    print(what, repr(head[:400]), file=sys.stderr, flush=True)


def reset(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def chunks(reader):
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        part = await reader.readexactly(size)
        await reader.readline()
        if size == 0:
            return
        yield part


async def digest(reader, fields):
    """Length and CRC of a request's body, which is read to its end."""
    length, crc = 0, 0
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        async for part in chunks(reader):
            length, crc = length + len(part), zlib.crc32(part, crc)
            if b"kst_" in part:
                complain("a key in a body", part)
        return length, crc
    left = int(fields.get(b"content-length", b"0"))
    while left:
        part = await reader.read(min(left, 65536))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        left, length, crc = left - len(part), length + len(part), zlib.crc32(part, crc)
    return length, crc


def whole(body, status="200 OK", fields=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


async def pour(writer, size, chunked):
    """`size` bytes of the known pattern."""
    while size:
        part = BLOCK[: min(size, len(BLOCK))]
        writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        size -= len(part)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")


async def badly(how, writer):
    """Breaks off, or worse."""
    if how.endswith("body"):
        framing = random.choice(["Content-Length: 500000", "Transfer-Encoding: chunked"])
        writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        for _ in range(random.randrange(1, 5)):
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()
        await asyncio.sleep(0.02)
    if how == "garbage":
        writer.write(random.choice([b"SSH-2.0-x\r\n", b"\x00" * 64, b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", b"HTTP/1.1 2\r\n\r\n"]))
    if how.startswith("reset"):
        reset(writer)
    else:
        writer.close()


async def tunnel(reader, writer, fields, cut):
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
        if cut:
            return reset(writer)
    writer.close()
    return None


async def answer(reader, writer, head, fields):
    """True: another request may follow."""
    path = head.split(b" ", 2)[1].split(b"?")[0].decode().split("/")
    what = path[2] if len(path) > 2 else ""
    if path[1] == "ws":
        await tunnel(reader, writer, fields, what == "cut")
        return False
    if what in ("reset-head", "close-head", "garbage", "reset-body", "close-body"):
        await badly(what, writer)
        return False
    if b"expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    length, crc = await digest(reader, fields)
    if what == "digest":
        writer.write(whole(json.dumps({"bytes": length, "crc": crc}).encode()))
    elif what == "bytes":
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {path[3]}\r\n\r\n".encode())
        await pour(writer, int(path[3]), False)
    elif what in ("chunks", "events"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if what == "chunks":
            await pour(writer, int(path[3]), True)
        else:
            for _ in range(int(path[3])):
                event = b"data: %f\n\n" % time.time()
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await writer.drain()
                await asyncio.sleep(EVENT)
            writer.write(b"0\r\n\r\n")
    else:
        if what == "wait":
            await asyncio.sleep(int(path[3]) / 1000)
        body = "/".join(path).encode()
        last = random.random() < 0.02
        writer.write(whole(b"" if head.startswith(b"HEAD") else body, fields="Connection: close\r\n" if last else ""))
        return not last
    await writer.drain()
    return True


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
            fields = {name.strip().lower(): value.strip() for name, value in lines}
            if b"kst_" in head:
                complain("a caller's key arrived", head)
            if fields.get(b"x-engine-key") not in SECRETS:
                complain("the secret did not arrive", head)
            if not await answer(reader, writer, head, fields):
                return
    except (asyncio.IncompleteReadError, ConnectionError, ValueError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def silent(reader, writer):
    try:
        while await reader.read(4096):
            pass
    except ConnectionError:
        pass
    writer.close()


async def flapping(port):
    """Open for seven seconds, closed for three, with everything that is connected."""
    while True:
        open_now = set()

        async def served(reader, writer):
            open_now.add(writer)
            await serve(reader, writer)
            open_now.discard(writer)

        server = await asyncio.start_server(served, "127.0.0.1", port)
        await asyncio.sleep(7)
        server.close()
        for writer in list(open_now):
            reset(writer)
        await asyncio.sleep(3)


async def main():
    steady = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    quiet = await asyncio.start_server(silent, "127.0.0.1", 0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flaps = asyncio.create_task(flapping(port))
    at = {"steady": steady.sockets[0].getsockname()[1], "silent": quiet.sockets[0].getsockname()[1], "flapping": port}
    print(json.dumps(at), flush=True)
    await flaps


if __name__ == "__main__":
    asyncio.run(main())
