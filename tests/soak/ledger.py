"""Every request that was sent, held against every record that was written."""

import json
import re
from collections import Counter

from world import BODY_IDLE

NUMBER = re.compile(r"/q(\d+)")
OK = frozenset({(200, "complete")})
# The caller left: before there was an answer, in the middle of it, or, as far as the gateway can tell, after it.
LEFT = frozenset({(499, "client_gone"), (200, "client_gone"), (200, "complete")})


class Kind:
    """What may become of a request: `records` are the pairs of status and end that its record may have."""

    def __init__(self, records, honest=False, optional=False, nameless=False, lasts=None):
        self.records, self.honest = frozenset(records), honest
        # From when to when its record must say that it lasted, in seconds.
        self.lasts = lasts
        # It may have been cut before its head was whole, and then there is no record.
        self.optional = optional
        # Its head may be unreadable, and then its record has no path.
        self.nameless = nameless


def refused(*statuses):
    return [(status, "complete") for status in statuses]


KINDS = {
    # These must succeed, whatever else goes on.
    "get": Kind(OK, honest=True),
    "head": Kind(OK, honest=True),
    "post": Kind(OK, honest=True),
    "continue": Kind(OK, honest=True),
    "large": Kind(OK, honest=True),
    "pipelined": Kind(OK, honest=True),
    "h2": Kind(OK, honest=True),
    "h2load": Kind(OK, honest=True),
    "resumed": Kind(OK, honest=True),
    "slow_reader": Kind(OK, honest=True),
    "slow_writer": Kind(OK, honest=True),
    "slow_head": Kind(OK, honest=True),
    "sse": Kind(OK, honest=True),
    "websocket": Kind([(101, "complete")], honest=True),
    # These must be refused, and answered.
    "refused": Kind(refused(401, 403, 404, 405, 413, 417), honest=True),
    "malformed": Kind(refused(400, 405, 408, 414, 431, 501, 505), honest=True, nameless=True),
    "half_head": Kind(refused(400, 408), optional=True, nameless=True),
    # These may be either.
    "limited": Kind(refused(200, 429), honest=True),
    "sometimes": Kind(refused(200, 401), honest=True),
    "flapping": Kind([*refused(200, 502, 503, 504), (200, "upstream_died")]),
    "silent": Kind(refused(504), honest=True),
    "broken_head": Kind(refused(502), honest=True),
    "broken_body": Kind([(200, "upstream_died"), (502, "complete")]),
    "body_stalled": Kind(refused(408), honest=True),
    # Who took enough in the first measuring is measured once more: he stops late if he is busy when the kernel is full.
    "reader_stalled": Kind(LEFT - OK, lasts=(BODY_IDLE, 2 * BODY_IDLE + 3)),
    # Callers who leave.
    "left_in_body": Kind([*LEFT, (400, "complete"), (408, "complete")]),
    "left_waiting": Kind(LEFT),
    "left_in_reply": Kind(LEFT),
    "h2_reset": Kind(LEFT | {(400, "complete")}, optional=True),
    "websocket_cut": Kind([(101, "complete"), (101, "client_gone"), (101, "revoked"), (401, "complete")]),
}


class Ledger:
    def __init__(self):
        self.next = 1
        self.waiting = {}
        self.sent, self.recorded, self.outcomes = Counter(), Counter(), Counter()
        self.nameless = 0
        self.mistakes = Counter()
        self.examples = []

    def open(self, kind, times=1):
        """A number for a new request, to stand in its path as `/q<number>`."""
        number, self.next = self.next, self.next + 1
        self.waiting[number] = [kind, times]
        self.sent[kind] += times
        return number

    def withdraw(self, number):
        """It was not sent after all."""
        kind, times = self.waiting.pop(number)
        self.sent[kind] -= times

    def closed(self, kind, outcome="ok"):
        """What the caller saw. Anything but `ok` of an honest request is a failure."""
        self.outcomes[kind, outcome] += 1

    def wrong(self, what, example):
        self.mistakes[what] += 1
        if self.mistakes[what] <= 5:
            self.examples.append(f"{what}: {example}")

    def record(self, line):
        """A line of the access log."""
        try:
            record = json.loads(line)
        except ValueError:
            return self.wrong("a record is no JSON", repr(line[:300]))
        found = NUMBER.search(record["path"])
        self.recorded["all"] += 1
        if not found:
            if record["status"] not in (400, 408, 414, 431, 505):
                self.wrong("a record without a number", line)
            self.nameless += 1
            return None
        number = int(found[1])
        entry = self.waiting.get(number)
        if entry is None:
            return self.wrong("a second record of one request, or of none", line)
        kind, entry[1] = entry[0], entry[1] - 1
        if entry[1] == 0:
            del self.waiting[number]
        self.recorded[kind] += 1
        if (record["status"], record["end"]) not in KINDS[kind].records:
            self.wrong(f"{kind} was recorded as {record['status']} {record['end']}", line)
        lasts = KINDS[kind].lasts
        if lasts and not lasts[0] <= record["duration_us"] / 1e6 < lasts[1]:
            self.wrong(f"{kind} did not end at the stated time", line)
        return None

    def settle(self):
        """At the end: whoever has no record must be one of those that may have none, or a nameless one."""
        may_be_nameless = must_be_nameless = 0
        for number, (kind, times) in self.waiting.items():
            rules = KINDS[kind]
            if rules.nameless:
                may_be_nameless += times
                must_be_nameless += 0 if rules.optional else times
            elif not rules.optional:
                self.wrong(f"{kind} has no record", f"/q{number}, {times} missing")
        if not must_be_nameless <= self.nameless <= may_be_nameless:
            self.wrong(
                "records without a path",
                f"{self.nameless}, expected {must_be_nameless} to {may_be_nameless}",
            )


class Follower:
    """Reads the access log as it grows and is rotated."""

    def __init__(self, path, ledger):
        self.path, self.ledger, self.file, self.rest = path, ledger, None, b""

    def read_on(self):
        if self.file is None:
            if not self.path.exists():
                return
            self.file = self.path.open("rb")
        lines = (self.rest + self.file.read()).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            self.ledger.record(line.decode(errors="backslashreplace"))

    def moved(self, aside):
        """The file was renamed to `aside` and the gateway has begun another: reads the rest and removes it."""
        self.read_on()
        if self.rest:
            self.ledger.wrong("a record that was torn by the rotation", repr(self.rest))
        self.file.close()
        self.file, self.rest = None, b""
        aside.unlink()
