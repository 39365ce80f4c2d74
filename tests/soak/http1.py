"""An HTTP/1.1 caller that decides about every byte."""

import asyncio
import json
import socket
import ssl
import struct
import zlib

PATIENCE = 25


class Failed(Exception):
    """Something that must not have happened."""


class Reply:
    def __init__(self, status, fields):
        self.status, self.fields, self.length, self.crc, self.start = status, fields, 0, 0, b""

    def add(self, part):
        self.length += len(part)
        self.crc = zlib.crc32(part, self.crc)
        if len(self.start) < 4096:
            self.start += part

    def is_of(self, path):
        """A small reply of the upstream's that says its path."""
        return self.status == 200 and self.start == path.split("?")[0].encode()

    def digest(self):
        return json.loads(self.start)


class Caller:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @staticmethod
    async def open(port, tls=None, name="gateway.test"):
        where = {"ssl": tls, "server_hostname": name} if tls else {}
        opened = asyncio.open_connection("127.0.0.1", port, limit=256 * 1024, **where)
        return Caller(*await asyncio.wait_for(opened, PATIENCE))

    def head(self, method, path, token, *fields):
        lines = [f"{method} {path} HTTP/1.1", "Host: gateway.test"]
        if token:
            lines.append(f"X-API-Key: {token}")
        return ("\r\n".join([*lines, *fields]) + "\r\n\r\n").encode()

    async def write(self, data):
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), PATIENCE)

    async def reply(self, to_head=False, pause=0.0):
        """One reply, read to its end; with `pause` slowly."""
        return await asyncio.wait_for(self._reply(to_head, pause), PATIENCE + (PATIENCE if pause else 0))

    async def _reply(self, to_head, pause):
        status = 100
        while status == 100:
            head = await self.reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
        pairs = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        reply = Reply(status, {name.strip().lower().decode(): value.strip().decode() for name, value in pairs})
        if to_head or status in (101, 204, 304):
            return reply
        if reply.fields.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                reply.add(await self.reader.readexactly(size))
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
            return reply
        left = int(reply.fields["content-length"])
        while left:
            part = await self.reader.read(min(left, 65536))
            if not part:
                raise Failed(f"a reply ended {left} bytes early")
            reply.add(part)
            left -= len(part)
            if pause:
                await asyncio.sleep(pause)
        return reply

    async def ask(self, method, path, token, *fields, body=b""):
        if body:
            fields = (*fields, f"Content-Length: {len(body)}")
        await self.write(self.head(method, path, token, *fields) + body)
        return await self.reply(method == "HEAD")

    async def is_closed(self):
        """Whether the gateway closes without another byte."""
        try:
            return await asyncio.wait_for(self.reader.read(1), PATIENCE) == b""
        except ConnectionError:
            return True

    def reset(self):
        """Goes without a word."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self):
        self.writer.close()


def trust(directory, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in ("one", "two"):
        context.load_verify_locations(directory / f"{name}.pem")
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def handshakes(port, context, paths, token):
    """Small requests over connections of their own, each resuming the session of the one before. Blocking. Returns how
    many were resumed, and the replies."""
    session, resumed, replies = None, 0, []
    for path in paths:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as tcp:
            with context.wrap_socket(tcp, server_hostname="gateway.test", session=session) as tls:
                head = f"GET {path} HTTP/1.1\r\nHost: gateway.test\r\nX-API-Key: {token}\r\nConnection: close\r\n\r\n"
                tls.sendall(head.encode())
                said = b""
                while part := tls.recv(65536):
                    said += part
                resumed += tls.session_reused
                session = tls.session
                replies.append(said)
    return resumed, replies
