"""Requests that are meant to be misread: our own few, and whatever public corpora lie in a folder beside each other.

Understood are checkouts of llhttp (`test/request/*.md`), of smuggler (`configs/*.py`), of the HTTP Garden
(`TROPHIES.md`), and files `*.req` that hold one request to the byte. None of them is part of this repository.
"""
import itertools
import pathlib
import re

HOST = b"Host: gateway.test\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


def all_of(folder):
    """(corpus, name, bytes) of everything."""
    yield from own()
    if not folder:
        return
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if not path.is_file() or ".git" in path.parts:
            continue
        text = path.read_bytes()
        if path.suffix == ".req":
            yield "req", path.name, text
        elif path.suffix == ".md":
            yield from markdown(path, text.decode("utf-8", "replace"))
        elif path.suffix == ".py" and path.parent.name == "configs":
            yield from smuggler(path)


def own():
    """Every wrong length beside every other, with a second request where the first one may end."""
    lengths = [b"", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: +5\r\n",
               b"Content-Length: 0x5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: \r\n",
               b"Content-Length : 5\r\n", b"Content_Length: 5\r\n", b"Content-Length: 5\r\nContent-Length: 0\r\n",
               b"Content-Length:\r\n 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n"]
    codings = [b"", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: Chunked \r\n",
               b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
               b"Transfer-Encoding: identity, chunked\r\n", b"Transfer-Encoding : chunked\r\n",
               b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
               b"Transfer_Encoding: chunked\r\n", b"Transfer-Encoding:\n chunked\r\n", b"X: y\rTransfer-Encoding: chunked\r\n"]
    for (a, length), (b, coding) in itertools.product(enumerate(lengths), enumerate(codings)):
        head = b"POST /own HTTP/1.1\r\n" + HOST + length + coding + b"\r\n"
        yield "own", f"length {a} coding {b}", head + b"0\r\n\r\n" + SMUGGLED
    chunked = b"POST /own HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = [b"5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"+5\r\nhello\r\n", b"5 \r\nhello\r\n", b" 5\r\nhello\r\n", b"5_0\r\nhello\r\n",
              b"5\nhello\r\n", b"5\r\nhello\n", b"5\r\nhelloX\r\n", b"5;x=\n\r\nhello\r\n", b"5;\rx\r\nhello\r\n", b"5\r\r\nhello\r\n",
              b"10000000000000005\r\nhello\r\n", b"\r\n5\r\nhello\r\n", b"5;" + b"x" * 20000 + b"\r\nhello\r\n", b"ffffffffffffffff\r\nhello\r\n"]
    ends = [b"0\r\n\r\n", b"0\n\n", b"0\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 9\r\n\r\n", b"00000\r\n\r\n", b"-0\r\n\r\n", b"0\r\n\n"]
    for (a, chunk), (b, end) in itertools.product(enumerate(chunks), enumerate(ends)):
        yield "own", f"chunk {a} end {b}", chunked + chunk + end + SMUGGLED


def markdown(path, text):
    for at, block in enumerate(re.findall(r"```http\n(.*?)```", text, re.S)):
        if "response" not in path.parts and "${" not in block:
            yield "llhttp", f"{path.name} {at}", llhttp(block)
    for at, payload in enumerate(re.findall(r"Payload: `([^`]+)`", text)):
        yield "http-garden", f"{path.name} {at}", payload.encode("latin-1", "replace").decode("unicode_escape").encode("latin-1", "replace")


def llhttp(block):
    """As its own test runner reads a block: lines end in CRLF, and some escapes are known."""
    block = re.sub(r"\n\Z", "", block)
    block = re.sub(r"\\\n", "", block).replace("\n", "\r\n")
    for escape, byte in (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\f", "\f")):
        block = block.replace(escape, byte)
    block = re.sub(r"\\x([0-9a-fA-F]+)", lambda m: chr(int(m[1], 16) & 0xff), block)
    return block.encode("latin-1", "replace")


class Payload:
    """What smuggler's configurations fill in."""
    header = body = None


def smuggler(path):
    """Its configurations are programs that fill `mutations`; each is sent with both endings that it would try."""
    names = {"Payload": Payload, "mutations": {}, "RN": "\r\n", "EndChunk": "0\r\n\r\n",
             "Chunked": lambda data: f"{len(data):x}\r\n{data}\r\n"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    for name, made in names["mutations"].items():
        for ending, body, length in (("te.cl", "0\r\n\r\nX", 6), ("te.cl short", "0\r\n\r\nX", 5),
                                     ("cl.te", "1\r\nZ\r\n0\r\n\r\n", 11), ("cl.te short", "1\r\nZ\r\n0\r\n\r\n", 4),
                                     ("second", "0\r\n\r\n" + SMUGGLED.decode(), 5)):
            head = made.header
            for key, value in (("__METHOD__", "POST"), ("__ENDPOINT__", "/smuggler"), ("__RANDOM__", "1"),
                               ("__HOST__", "gateway.test"), ("__REPLACE_CL__", str(length))):
                head = head.replace(key, value)
            yield f"smuggler/{path.stem}", f"{name} {ending}", (head + "\r\n" + body).encode("latin-1", "replace")


def with_fields(payload, fields, host):
    """The payload with more fields right behind its first line: a proxy that wants a key gets one."""
    line, newline, rest = payload.partition(b"\n")
    if not newline or b" HTTP/" not in line:
        return payload
    added = b"".join(field.encode() + b"\r\n" for field in fields)
    if host and b"\nhost" not in payload.lower():
        added += HOST
    return line + newline + added + rest
