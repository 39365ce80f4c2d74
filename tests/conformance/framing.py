"""Sends every payload of the corpora to a proxy, and holds what its upstream was sent against what was answered.

A payload fails if the upstream, which reads strictly, was sent what can be read in more than one way; or if it was sent
more requests than the caller was answered, as then somebody else's request would be answered with the rest.
"""
import queue
import re
import select
import socket
import threading
import time

import corpora

STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


def run(lanes, folder):
    """Counts, what was forwarded, and the failures with all it takes to repeat them. `lanes`: pairs of a server and the upstream that it
    alone has, so that what arrives belongs to the one payload that is under way there."""
    work, counts, forwarded, failures = queue.SimpleQueue(), {}, [], []
    for corpus, name, payload in corpora.all_of(folder):
        counts.setdefault(corpus, {"sent": 0, "refused": 0, "forwarded": 0, "failed": 0})
        work.put((corpus, name, payload))
    lock = threading.Lock()
    threads = [threading.Thread(target=lane, args=(*pair, work, counts, forwarded, failures, lock)) for pair in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts, forwarded, failures


def lane(server, upstream, work, counts, forwarded, failures, lock):
    upstream.seen()
    while True:
        try:
            corpus, name, payload = work.get_nowait()
        except queue.Empty:
            return
        payload = corpora.with_fields(payload, server.headers, corpus in ("llhttp", "http-garden"))
        answer = exchange(server.ports["h1"], payload)
        requests, wrong = settled(upstream)
        statuses = [int(s) for s in STATUS.findall(answer) if s[0:1] != b"1"]
        if len(requests) > len(statuses):
            wrong.append(f"{len(requests)} requests arrived, {len(statuses)} replies were given")
        with lock:
            counted = counts[corpus]
            counted["sent"] += 1
            counted["forwarded" if requests else "refused"] += 1
            if requests:
                forwarded.append({"case": f"{corpus}: {name}", "sent": mask(payload, server.headers), "arrived": requests})
            if wrong:
                counted["failed"] += 1
                failures.append({"case": f"{corpus}: {name}", "why": "; ".join(wrong),
                                 "sent": mask(payload, server.headers), "arrived": requests, "statuses": statuses})


def mask(payload, headers):
    for field in headers:
        payload = payload.replace(field.encode() + b"\r\n", b"")
    return repr(payload[:600])[2:-1]


def exchange(port, payload):
    """All that is answered, until the proxy closes or is silent for a while."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        try:
            connection.sendall(payload)
            while True:
                ready, _, _ = select.select([connection], [], [], 0.25 if not answer else 0.08)
                if not ready:
                    break
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except OSError:
            pass
    return answer


def settled(upstream):
    """What arrived; a request that came with the last bytes is given the time to be read."""
    time.sleep(0.01)
    return upstream.seen()
