"""Deliveries to the gateway, and what became of them."""

import base64
import http.client
import itertools
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks import run, same  # noqa: E402, F401

PLAIN, TLS, CA, MEMORY, SECRETS, KEYSTILE = (os.environ[name] for name in ("PLAIN", "TLS", "CA", "MEMORY", "SECRETS", "KEYSTILE"))
numbers = itertools.count()

BODIES = {
    "small": '{"id":"evt_1","object":"event","type":"charge.succeeded"}',
    "spaced": '{ "object" : "event",\r\n\t"amount": 1.50, "again": 1, "again": 2 }\n',
    "unicode": '{"object":"event","name":"Zoë 🪨 北京 \\u00fc \u2028"}',
    "text": "no JSON at all: a=b&c=%20+ü",
    "large": '{"object":"event","rows":"' + "Ünïcode " * 100_000 + '"}',
}


def secret(scheme, which="right"):
    return Path(SECRETS, f"{scheme}.{which}").read_text()


class Delivery:
    """One request, what was answered, and what arrived behind the gateway; nothing, if nothing did."""

    def __init__(self, url, fields, body, method="POST"):
        self.number, body = f"python-{next(numbers)}", body.encode() if isinstance(body, str) else body
        at = urlsplit(url)
        if at.scheme == "https":
            connection = http.client.HTTPSConnection(at.netloc, context=ssl.create_default_context(cafile=CA), timeout=20)
        else:
            connection = http.client.HTTPConnection(at.netloc, timeout=20)
        target = f"{at.path}?{at.query}" if at.query else at.path
        connection.request(method, target, body or None, {**fields, "X-Test-Number": self.number})
        reply = connection.getresponse()
        reply.read()
        self.status, self.code = reply.status, reply.headers.get("X-Keystile-Error")
        self.replayed = reply.headers.get("X-Keystile-Replayed")
        connection.close()
        with urllib.request.urlopen(f"{MEMORY}/{self.number}", timeout=20) as told:
            self.arrived = json.load(told)

    def is_taken(self, what, scheme, body):
        same(f"{what}: verdict", (self.status, self.code, self.replayed), (200, None, None))
        same(f"{what}: username", self.arrived["username"], [f"Webhook: {scheme}"])
        body = body.encode() if isinstance(body, str) else body
        if base64.b64decode(self.arrived["body"]) != body:
            raise AssertionError(f"{what}: the body did not arrive as it was sent")

    def is_refused(self, what, code, status=401):
        same(f"{what}: verdict", (self.status, self.code), (status, code))
        same(f"{what}: arrived", self.arrived, None)

    def is_known(self, what):
        same(f"{what}: verdict", (self.status, self.code), (200, None))
        same(f"{what}: replayed", bool(self.replayed), True)
        same(f"{what}: arrived", self.arrived, None)


def made(scheme, body, which="right", url=None, more=()):
    """What `keystile webhook send` would send: its URL, and its fields by their names in lower case."""
    payload = Path(SECRETS, "payload")
    payload.write_bytes(body.encode())
    command = [KEYSTILE, "webhook", "send", "--scheme", scheme, "--secret-file", Path(SECRETS, f"{scheme}.{which}")]
    command += ["--url", url or f"{PLAIN}/{scheme}", "--data", f"@{payload}", *more, "--dry-run", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise AssertionError(f"keystile webhook send: {done.stderr}")
    told = json.loads(done.stdout)
    return told["url"], {field["name"].lower(): field["value"] for field in told["headers"]}
