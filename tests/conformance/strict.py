"""A strict reader of HTTP/1.1 requests, and an upstream that records what it is sent and answers with it.

Whatever can be read in more than one way is a violation: the proxy in front has let through what it should not.
"""
import re
import socket
import threading

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/1\.[01]\Z")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e\x80-\xff]*)?\Z")
BODY = b"ok\n" * 20


class Violation(Exception):
    """The bytes are no request that everybody reads alike."""


class Incomplete(Exception):
    """The bytes end before the request does."""


def take_line(data, at):
    end = data.find(b"\n", at)
    if end < 0:
        raise Incomplete
    if end == at or data[end - 1:end] != b"\r":
        raise Violation("a line ends in LF alone")
    line = data[at:end - 1]
    if b"\r" in line or b"\0" in line:
        raise Violation("CR or NUL in a line")
    return line, end + 1


def request(data):
    """The first request: its line and the number of bytes it takes."""
    line, at = take_line(data, 0)
    if not LINE.match(line):
        raise Violation(f"the request line {line[:60]!r}")
    fields = {}
    while True:
        field, at = take_line(data, at)
        if not field:
            break
        name, colon, value = field.partition(b":")
        if not colon or not TOKEN.match(name) or not VALUE.match(value):
            raise Violation(f"the field {field[:60]!r}")
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
    for name in (b"host", b"content-length", b"transfer-encoding"):
        if len(fields.get(name, [])) > 1:
            raise Violation(f"{name.decode()} is repeated")
    if line.endswith(b"1.1") and b"host" not in fields:
        raise Violation("no host")
    if re.search(rb"[\s,/@]", fields.get(b"host", [b""])[0]):
        raise Violation(f"the host {fields[b'host'][0][:60]!r}")
    aliases = {b"content_length", b"transfer_encoding"} & set(fields)
    if aliases:
        raise Violation(f"an alias of a length: {aliases}")
    return line.decode("latin-1"), body_end(data, at, fields)


def body_end(data, at, fields):
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding:
        if length:
            raise Violation("both a length and chunks")
        if coding[0].lower() != b"chunked":
            raise Violation(f"the transfer coding {coding[0][:60]!r}")
        return chunks_end(data, at)
    if length and not re.match(rb"[0-9]{1,18}\Z", length[0]):
        raise Violation(f"the length {length[0][:60]!r}")
    end = at + int(length[0] if length else 0)
    if end > len(data):
        raise Incomplete
    return end


def chunks_end(data, at):
    while True:
        line, at = take_line(data, at)
        size = CHUNK.match(line)
        if not size:
            raise Violation(f"the chunk size {line[:60]!r}")
        size = int(size[1], 16)
        if size == 0:
            return trailers_end(data, at)
        at += size
        if at + 2 > len(data):
            raise Incomplete
        if data[at:at + 2] != b"\r\n":
            raise Violation("data after a chunk")
        at += 2


def trailers_end(data, at):
    while True:
        line, at = take_line(data, at)
        if not line:
            return at
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name) or not VALUE.match(value):
            raise Violation(f"the trailer {line[:60]!r}")
        if name.lower() in (b"content-length", b"transfer-encoding", b"host", b"authorization"):
            raise Violation(f"a trailer that is none: {line[:60]!r}")


class Upstream:
    """Listens on a free port; counts requests, and keeps what was wrong with others."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.requests, self.violations = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        with connection:
            try:
                while True:
                    data = self.answer(connection, data)
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
            except Violation as violation:
                with self.lock:
                    self.violations.append(str(violation))
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                pass

    def answer(self, connection, data):
        while data:
            try:
                line, end = request(data)
            except Incomplete:
                return data
            with self.lock:
                self.requests.append(line)
            body = b"" if line.startswith("HEAD ") else BODY
            head = b"HTTP/1.1 200 OK\r\nX-From: upstream\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % len(BODY) + body)
            data = data[end:]
        return data

    def seen(self):
        """What came since the last call: the requests' lines, and the violations."""
        with self.lock:
            seen = self.requests, self.violations
            self.requests, self.violations = [], []
        return seen
