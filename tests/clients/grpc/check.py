#!/usr/bin/env python3
"""Calls of every kind, over TLS to the gateway and in the clear to the upstream; statuses and trailers come through."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent import futures

import grpc

SERVICE = "/check.Engine/"


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    if request == b"who":
        return f"{metadata['x-keystile-username']} {'authorization' in metadata}".encode()
    return request[::-1]


def numbers(request, context):
    if request == b"fail":
        yield b"one"
        context.set_trailing_metadata((("x-row-count", "3"), ("x-private", "1")))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: ä")
    yield from (b"%d" % n for n in range(int(request)))


def total(requests, context):
    return b"%d" % sum(len(r) for r in requests)


def talk(requests, context):
    yield from (r.upper() for r in requests)


def forever(request, context):
    """Until the caller has had enough, which is noted."""
    context.add_callback(left.release)
    while context.is_active():
        yield request


left = threading.Semaphore(0)


class Engine(grpc.GenericRpcHandler):
    KINDS = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Numbers": grpc.unary_stream_rpc_method_handler(numbers),
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
        "Forever": grpc.unary_stream_rpc_method_handler(forever),
    }

    def service(self, details):
        return self.KINDS.get(details.method.removeprefix(SERVICE))


def configuration(directory, upstream, digest):
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", *kind, *files, *subject], check=True, stderr=subprocess.DEVNULL)
    with open(f"{directory}/keystile.yaml", "w") as file:
        file.write(f"""
listeners:
  admin: {{ address: 127.0.0.1:0 }}
  inbound: [{{ address: 127.0.0.1:0, tls: {{ certificate: cert.pem, key: key.pem }} }}]
connections:
  - name: engine
    base_url: http://127.0.0.1:{upstream}
    http: 2
    allow_networks: [127.0.0.0/8]
    trailers: [X-Row-Count]
workflows: [{{ name: engine, template: 'POST /check.Engine/{{method}}', upstream: {{ Production: engine }} }}]
keys: [{{ name: crm, primary: '{digest}', workflows: [engine] }}]
log: {{ access: 'off' }}
""")


def port_of(gateway):
    for line in gateway.stderr:
        event = json.loads(line)
        if event.get("message") == "listening" and event.get("listener") != "admin":
            port = int(event["bound"].rsplit(":", 1)[1])
        if event.get("message") == "ready":
            # What follows is read as well, or the gateway would wait for us.
            threading.Thread(target=gateway.stderr.read, daemon=True).start()
            return port
    sys.exit("the gateway did not become ready")


def check(channel, token):
    said = [("authorization", f"Key {token}")]

    def call(kind, method, request, metadata=said):
        return getattr(channel, kind)(SERVICE + method)(request, metadata=metadata, timeout=20)

    assert call("unary_unary", "Unary", b"abc") == b"cba"
    assert call("unary_unary", "Unary", b"who") == b"Key: crm False", "who called, and nothing of the key"
    big = os.urandom(2_000_000)
    assert call("unary_unary", "Unary", big) == big[::-1]
    assert list(call("unary_stream", "Numbers", b"1000")) == [b"%d" % n for n in range(1000)]
    assert call("stream_unary", "Total", iter([b"x" * 1000] * 500)) == b"500000"

    # Both ways at once: each answer comes before the next question is put.
    answered = threading.Semaphore(1)
    words = [b"one", b"two", b"three"]

    def questions():
        for word in words:
            assert answered.acquire(timeout=10), "an answer is held back"
            yield word

    for word, answer in zip(words, call("stream_stream", "Talk", questions())):
        assert answer == word.upper()
        answered.release()

    for metadata, request, code in [
        (said, b"fail", grpc.StatusCode.FAILED_PRECONDITION),
        ([("authorization", "Key wrong")], b"5", grpc.StatusCode.UNAUTHENTICATED),
    ]:
        try:
            list(call("unary_stream", "Numbers", request, metadata))
            raise AssertionError(f"{request} was answered")
        except grpc.RpcError as error:
            assert error.code() == code, error
            if request == b"fail":
                assert error.details() == "not today: ä", error
                trailers = dict(error.trailing_metadata())
                assert trailers.get("x-row-count") == "3" and "x-private" not in trailers, trailers


def check_at_once(channel, token):
    """Many calls on one connection, some of which are given up, or come to their deadline, in the middle."""
    said = [("authorization", f"Key {token}")]
    unary = channel.unary_unary(SERVICE + "Unary")
    stream = channel.unary_stream(SERVICE + "Numbers")
    large = os.urandom(300_000)
    endless = [channel.unary_stream(SERVICE + "Forever")(b"x" * 50_000, metadata=said) for _ in range(3)]
    for call in endless:
        next(call)
    late = channel.unary_stream(SERVICE + "Forever")(b"late", metadata=said, timeout=0.5)
    calls = [unary.future(large[n:], metadata=said, timeout=20) for n in range(60)]
    counted = [stream(b"%d" % n, metadata=said, timeout=20) for n in range(40)]
    for n, call in enumerate(calls):
        assert call.result() == large[n:][::-1], f"call {n}"
    for n, call in enumerate(counted):
        assert len(list(call)) == n, f"stream {n}"
    for call in endless:
        call.cancel()
    try:
        list(late)
        raise AssertionError("a deadline passed unseen")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    for _ in range(4):
        assert left.acquire(timeout=10), "the upstream does not know that its caller has left"
    assert unary(b"abc", metadata=said, timeout=20) == b"cba"


def main():
    binary = os.path.abspath(sys.argv[1])
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Engine()])
    upstream = server.add_insecure_port("127.0.0.1:0")
    server.start()
    key = json.loads(subprocess.check_output([binary, "keys", "generate", "-o", "json"]))
    with tempfile.TemporaryDirectory() as directory:
        configuration(directory, upstream, key["digest"])
        command = [binary, "serve", "--config", f"{directory}/keystile.yaml"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as gateway:
            try:
                port = port_of(gateway)
                with open(f"{directory}/cert.pem", "rb") as file:
                    credentials = grpc.ssl_channel_credentials(file.read())
                with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
                    check(channel, key["token"])
                    check_at_once(channel, key["token"])
            finally:
                gateway.terminate()
    server.stop(None)
    print("gRPC: unary, server, client and bidirectional streams, many at once, given up and late, statuses and trailers pass")


main()
