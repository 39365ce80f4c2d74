"""The providers: one server that is all of them, by Host, over TLS to the gateway; and in the clear, under the gateway's
own paths, to clients that call without it, so that there is something to compare with.

Told at the third port which use of a client begins and in which way, it notes what arrives and judges it."""

import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import apis
from connections import CONNECTIONS, PREFIX
from judge import Arrived, judge

HOSTS = {connection.host for connection in CONNECTIONS.values()}
arrived, current, lock = [], {}, threading.Lock()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Call:
    """A request, as the fake APIs read it."""

    def __init__(self, method, target, fields, body):
        self.method, self.fields, self.body = method, fields, body
        self.path = urlsplit(target).path
        self.query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))

    @property
    def json(self):
        return json.loads(self.body or b"{}")

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode()))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            pass

    def answered(self):
        body, fields = self.body(), self.headers.items()
        direct = self.path.startswith("/c/")
        if direct:
            name, _, rest = self.path.removeprefix("/c/").removeprefix(PREFIX).partition("/")
            host, target = CONNECTIONS[name].host, f"/{rest}"
        else:
            host, target = self.headers["Host"], self.path
        with lock:
            arrived.append(Arrived(dict(current), self.command, target, fields, body))
        if host not in HOSTS:
            return self.send(404, b"nobody has this Host", {})
        call = Call(self.command, target, self.headers, body)
        status, reply, headers = apis.answer(host, call)
        if isinstance(reply, apis.Parts):
            return self.stream(reply, headers)
        whole = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send(status, whole, {"Content-Type": "application/json", **headers})

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = answered

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def send(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self, parts, headers):
        """Part by part, as models answer."""
        self.send_response(200)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            time.sleep(apis.BETWEEN_PARTS)
        self.wfile.write(b"0\r\n\r\n")


class Control(Handler):
    """`/begin?use=…&way=…`, and `/judge?use=…`, which answers with what was wrong."""

    def answered(self):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        said = []
        with lock:
            if urlsplit(self.path).path == "/begin":
                current.clear()
                current.update(asked)
            else:
                said = judge([one for one in arrived if one.during["use"] == asked["use"]])
        self.send(200, json.dumps(said).encode(), {})

    do_GET = answered


def main():
    directory = Path(sys.argv[1])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(directory / "providers.pem", directory / "providers.key")
    servers = {"tls": Server(("127.0.0.1", 0), Handler), "direct": Server(("127.0.0.1", 0), Handler)}
    servers["tls"].socket = tls.wrap_socket(servers["tls"].socket, server_side=True, do_handshake_on_connect=False)
    servers["control"] = Server(("127.0.0.1", 0), Control)
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({name: server.server_address[1] for name, server in servers.items()}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
