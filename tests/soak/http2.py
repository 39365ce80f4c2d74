"""As much HTTP/2 as a caller needs to send requests, reset some of them, and read statuses. No header compression is
offered, and of the answers' only `:status` is read, which is always the first."""

import asyncio
import struct
import zlib

from http1 import Caller, Failed

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
DIGITS = {"00000": "0", "00001": "1", "00010": "2", **{format(0x19 + n, "06b"): str(3 + n) for n in range(7)}}
AMPLE = 1 << 30


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field that is not to be indexed."""
    return b"".join((b"\x00", *(bytes([len(text)]) + text for text in (name.encode(), value.encode()))))


def status(block):
    while block[0] & 0xE0 == 0x20:
        block = block[1:]
    if block[0] & 0x80:
        return STATUS[block[0] & 0x7F]
    length, text = block[1], block[2:]
    if not length & 0x80:
        return int(text[:length])
    bits, digits, code = "".join(format(byte, "08b") for byte in text[: length & 0x7F]), "", ""
    for bit in bits:
        code += bit
        if code in DIGITS:
            digits, code = digits + DIGITS[code], ""
    return int(digits[:3])


class Stream:
    def __init__(self):
        self.status, self.length, self.crc, self.done = None, 0, 0, asyncio.get_running_loop().create_future()


class Session:
    """One connection."""

    def __init__(self, caller, token):
        self.caller, self.token, self.streams, self.next = caller, token, {}, 1
        self.task = asyncio.create_task(self._read())

    @staticmethod
    async def open(port, tls, token):
        caller = await Caller.open(port, tls)
        if caller.writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise Failed("HTTP/2 was not agreed")
        settings = struct.pack(">HIHI", 1, 0, 4, AMPLE)
        start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings)
        await caller.write(start + frame(WINDOW, 0, 0, struct.pack(">I", AMPLE)))
        return Session(caller, token)

    async def _read(self):
        reader = self.caller.reader
        try:
            while True:
                head = await reader.readexactly(9)
                length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                number = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
                self._frame(kind, flags, number, await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self._fail(Failed(f"the connection ended: {error!r}"))

    def _frame(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind == SETTINGS and not flags & 1:
            self.caller.writer.write(frame(SETTINGS, 1, 0))
        elif kind == PING and not flags & 1:
            self.caller.writer.write(frame(PING, 1, 0, payload))
        elif kind == GOAWAY and payload[4:8] != b"\x00" * 4:
            self._fail(Failed(f"GOAWAY {payload[4:]!r}"))
        elif stream is None:
            return
        elif kind == RESET:
            self._end(number, Failed(f"RST_STREAM {int.from_bytes(payload, 'big')}, after status {stream.status}"))
        elif kind == HEADERS and stream.status is None:
            stream.status = status(payload)
        elif kind == DATA:
            stream.length, stream.crc = stream.length + len(payload), zlib.crc32(payload, stream.crc)
        if stream and kind in (DATA, HEADERS) and flags & 1:
            self._end(number, None)

    def _end(self, number, error):
        done = self.streams.pop(number).done
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def _fail(self, error):
        for number in list(self.streams):
            self._end(number, error)

    def send(self, method, path, body=b""):
        """Begins a request and returns its stream's number and stream. Bodies of up to 16 KiB."""
        number, stream = self.next, Stream()
        self.next += 2
        self.streams[number] = stream
        fields = ((":method", method), (":scheme", "https"), (":authority", "gateway.test"), (":path", path))
        block = b"".join(literal(*field) for field in (*fields, ("x-api-key", self.token)))
        sent = frame(HEADERS, 4 if body else 5, number, block)
        self.caller.writer.write(sent + (frame(DATA, 1, number, body) if body else b""))
        return number, stream

    def reset(self, number):
        self.streams.pop(number, None)
        self.caller.writer.write(frame(RESET, 0, number, struct.pack(">I", 8)))

    def close(self):
        self.task.cancel()
        self.caller.close()
