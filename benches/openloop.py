#!/usr/bin/env python3
"""Requests at a fixed rate, whoever answers or not; for benches/overload, and for hands.

  openloop.py --rate 5000 --secs 10 --warm 5 --connections 3000 -H 'Authorization: Key=…' http://127.0.0.1:9801/path

Callers who do not know of each other: each request is due at a moment of its own (exponential gaps), whether those before are
answered or not. It takes the connection that became free last, or else a new one; with --connections open and none free it
waits, and its wait counts. Latencies are from when a request was due to the last byte of its reply. While it warms up the rate
rises from nothing, so that connections are opened one after another and not all at once; that is not measured.

One line of JSON: `outcomes` of the requests that were due in the measured time, `ms` by status, percentiles; `whole`: replies
by status, those while it warmed up as well; `late`: by how many milliseconds it was itself behind, at most.
"""
import argparse
import collections
import json
import random
import re
import select
import socket
import sys
import time
import urllib.parse

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CLOSE = re.compile(rb"\r\nconnection: *close", re.I)
# How long replies are waited for after the last request.
PATIENCE = 60


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rate", type=float, required=True, help="requests a second")
    p.add_argument("--secs", type=float, default=10, help="measured")
    p.add_argument("--warm", type=float, default=5, help="seconds before, in which the rate rises")
    p.add_argument("--connections", type=int, default=1000, help="at most")
    p.add_argument("-H", dest="headers", action="append", default=[], metavar="FIELD")
    p.add_argument("url")
    args = p.parse_args()
    print(json.dumps(Load(args).run()))


class Load:
    def __init__(self, args):
        self.args = args
        url = urllib.parse.urlsplit(args.url)
        self.address = (url.hostname, url.port or 80)
        fields = "".join(f"{field}\r\n" for field in [f"Host: {url.netloc}", *args.headers])
        self.request = f"GET {url.path} HTTP/1.1\r\n{fields}\r\n".encode()
        self.poll = select.epoll()
        self.free = []
        # By descriptor: the socket, when its request was due, what has come of the reply.
        self.open = {}
        self.waiting = collections.deque()
        self.outcomes = collections.Counter()
        self.took = collections.defaultdict(list)
        self.whole = collections.Counter()
        self.most, self.late = 0, 0.0

    def run(self):
        args, chance = self.args, random.Random(11)
        begun = time.perf_counter()
        self.measured_from = begun + args.warm
        end, due = self.measured_from + args.secs, begun
        while True:
            now = time.perf_counter()
            if self.measured_from <= now < end:
                self.late = max(self.late, now - due)
            while due <= now and due < end:
                self.waiting.append(due)
                if due >= self.measured_from:
                    self.outcomes["due"] += 1
                # From a tenth of the rate, for a gap is as long as the rate at its begin has it.
                part = min(1.0, max(0.1, (due - begun) / args.warm)) if args.warm else 1.0
                due += chance.expovariate(args.rate * part)
            self.send()
            unanswered = len(self.open) - len(self.free) + len(self.waiting)
            if due >= end and (not unanswered or now > end + PATIENCE):
                break
            for fd, _ in self.poll.poll(max(0.0, min(due - now, 0.05)), 512):
                self.receive(fd)
        self.outcomes["unanswered"] += sum(1 for _, at, _ in self.open.values() if at and at >= self.measured_from)
        return dict(outcomes=dict(self.outcomes), whole=dict(self.whole), connections=self.most, late=round(self.late * 1000, 1),
                    ms={status: percentiles(took) for status, took in self.took.items()})

    def send(self):
        while self.waiting:
            if self.free:
                fd = self.free.pop()
            elif len(self.open) < self.args.connections:
                fd = self.connect()
            else:
                return
            # What did not leave is due still.
            connection = self.open[fd]
            connection[1] = self.waiting.popleft()
            try:
                connection[0].send(self.request)
            except OSError as error:
                self.fail(fd, error)

    def connect(self):
        connection = socket.create_connection(self.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        fd = connection.fileno()
        self.open[fd] = [connection, None, b""]
        self.most = max(self.most, len(self.open))
        self.poll.register(fd, select.EPOLLIN)
        return fd

    def receive(self, fd):
        connection = self.open[fd]
        try:
            data = connection[0].recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            return self.fail(fd, error)
        if not data:
            return self.fail(fd, "closed")
        data = connection[2] + data
        head = data.find(b"\r\n\r\n")
        length = LENGTH.search(data, 0, head + 2) if head >= 0 else None
        if head < 0 or (length and len(data) < head + 4 + int(length[1])):
            connection[2] = data
            return None
        status, at = data[9:12].decode(), connection[1]
        connection[1], connection[2] = None, b""
        self.whole[status] += 1
        if at and at >= self.measured_from:
            self.outcomes[status] += 1
            self.took[status].append(time.perf_counter() - at)
        if CLOSE.search(data, 0, head + 2):
            return self.close(fd)
        self.free.append(fd)
        return None

    def fail(self, fd, error):
        at = self.open[fd][1]
        if at is None:
            self.free.remove(fd)
        elif at >= self.measured_from:
            self.outcomes[f"failed: {error}"] += 1
        self.close(fd)

    def close(self, fd):
        self.poll.unregister(fd)
        self.open.pop(fd)[0].close()


def percentiles(took):
    took.sort()
    return {f"p{q:g}": round(took[min(len(took) - 1, int(len(took) * q / 100))] * 1000, 2) for q in (50, 99, 99.9)}


if __name__ == "__main__":
    sys.exit(main())
