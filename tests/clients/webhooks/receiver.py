"""The upstream of all webhooks. Keeps what arrives by the number that the test gave it, and tells it on its second port; it
notes whatever the gateway should have kept, and whatever came twice."""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = sys.argv[1]
arrived, lock = {}, threading.Lock()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Upstream(Quiet):
    def delivered(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = self.headers.get("X-Test-Number", "none")
        if self.headers.get_all("X-Engine-Key") != [SECRET]:
            print(f"{number} came without the upstream's secret", file=sys.stderr, flush=True)
        if "Transfer-Encoding" in self.headers:
            print(f"{number} came in chunks", file=sys.stderr, flush=True)
        with lock:
            if number in arrived:
                print(f"{number} came twice", file=sys.stderr, flush=True)
            arrived[number] = {
                "line": self.requestline,
                "username": self.headers.get_all("X-Keystile-Username"),
                "body": base64.b64encode(body).decode(),
            }
        self.answer(200, b"taken")

    do_POST = do_GET = delivered


class Memory(Quiet):
    def do_GET(self):
        with lock:
            self.answer(200, json.dumps(arrived.get(self.path[1:])).encode())


def main():
    servers = {name: Server(("127.0.0.1", 0), handler) for name, handler in (("hooks", Upstream), ("memory", Memory))}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({name: server.server_port for name, server in servers.items()}), flush=True)
    threading.Event().wait()


main()
