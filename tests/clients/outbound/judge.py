"""What may arrive at a provider: to the byte what the client sends it without a gateway, but for the few fields below."""

import base64
import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote

from connections import CONNECTIONS

# Made anew for every request, or measured.
VOLATILE = {"idempotency-key", "x-stripe-client-telemetry"}
# The gateway's own word: it may not be sent twice to itself, and log lines want to be found.
ADDED = {"via": r"1\.1 keystile-[0-9a-f]{16}", "x-request-id": r"[\w-]{16,64}"}
# Between the client and the gateway, or the gateway's to say, since it looks for the secret in replies.
REPLACED = {"host", "connection", "accept-encoding"}


def injected():
    """By the field in which a client sends its key where its connector would not put it so: the fields that arrive."""
    anthropic, github = CONNECTIONS["anthropic"].secret, CONNECTIONS["github"].secret
    yield ("authorization", f"Bearer {anthropic}"), [("x-api-key", anthropic)]
    # PyGithub names no version, so the connector does.
    version = ("x-github-api-version", "2022-11-28")
    yield ("authorization", f"token {github}"), [("authorization", f"Bearer {github}"), version]


INJECTED = dict(injected())
# Gemini's key at the end of a URL, and where it arrives.
IN_URL, FROM_URL = f"&key={CONNECTIONS['gemini'].secret}", ("x-goog-api-key", CONNECTIONS["gemini"].secret)


@dataclass(frozen=True)
class Arrived:
    during: dict
    method: str
    target: str
    fields: list
    body: bytes

    def __str__(self):
        return f"{self.during['use']}, {self.during['way']}: {self.method} {self.target}"

    @property
    def text(self):
        """All of it, with what Basic hides."""
        lines = [f"{self.method} {unquote(self.target)}"] + [f"{name}: {value}" for name, value in self.fields]
        for _, value in self.fields:
            if value.startswith("Basic "):
                lines.append(base64.b64decode(value[6:]).decode())
        return "\n".join(lines) + "\n" + self.body.decode("latin-1")

    @property
    def comparable(self):
        """Method, target, fields but for those that differ by nature, body."""
        fields = [(name.lower(), value) for name, value in self.fields if name.lower() not in REPLACED | set(ADDED)]
        fields = [(name, "…" if name in VOLATILE else value) for name, value in fields]
        target = self.target
        if self.during["way"] == "direct":
            fields = [arrives for field in fields for arrives in INJECTED.get(field, [field])]
            if target.endswith(IN_URL):
                target, fields = target.removesuffix(IN_URL), [*fields, FROM_URL]
        boundary = re.search(r'boundary="?([^";]+)', dict(fields).get("content-type", ""))
        body = self.body
        if boundary:
            body = body.replace(boundary[1].encode(), b"BOUNDARY")
            fields = [(name, value.replace(boundary[1], "BOUNDARY")) for name, value in fields]
        # python-telegram-bot writes the colon of its token so in one of two paths.
        return self.method, target.replace("%3A", ":"), sorted(fields), body


def judge(all_of_it):
    """What is wrong with a use's requests in its several ways."""
    by_way = {}
    for one in all_of_it:
        by_way.setdefault(one.during["way"], []).append(one)
    direct = by_way.pop("direct", [])
    wrong = [] if direct else ["nothing arrived without the gateway: there is nothing to compare with"]
    for one in direct:
        secrets = {connection.secret for connection in CONNECTIONS.values()}
        if sum(one.text.count(secret) for secret in secrets) != 1:
            wrong.append(f"{one}: without the gateway the secret is not there once")
    for way in ("token", "sidecar"):
        through = by_way.pop(way, [])
        if len(through) != len(direct):
            wrong.append(f"{way}: {len(through)} requests instead of {len(direct)}")
        for expected, one in zip(direct, through):
            wrong += compare(expected, one)
    return wrong


def compare(expected, one):
    seen = [part for part, other in zip(one.comparable, expected.comparable) if part != other]
    instead = [part for part, other in zip(expected.comparable, one.comparable) if part != other]
    wrong = [f"{one}: {str(a)[:2000]} instead of {str(b)[:2000]}" for a, b in zip(seen, instead)]
    names = Counter(name.lower() for name, _ in one.fields)
    fields = {name.lower(): value for name, value in one.fields}
    for name, form in ADDED.items():
        if names[name] != 1 or not re.fullmatch(form, fields[name]):
            wrong.append(f"{one}: {name}: {fields.get(name)}")
    if names["host"] != 1 or fields["host"] not in {connection.host for connection in CONNECTIONS.values()}:
        wrong.append(f"{one}: Host: {fields.get('host')}")
    if fields.get("accept-encoding") != "identity" or "connection" in fields:
        wrong.append(f"{one}: {fields}")
    # All of this would differ as well, and is said in so many words because it is what matters.
    for told in ["kst_", "keystile-key", "x-keystile", "x-forwarded", "\nforwarded:"]:
        if told in one.text.lower():
            wrong.append(f"{one}: the provider is told {told}")
    for dummy in {connection.dummy for connection in CONNECTIONS.values()}:
        if dummy in one.text:
            wrong.append(f"{one}: what the client held for its key arrived")
    return wrong
