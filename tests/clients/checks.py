"""What every client's checks share."""

import hashlib
import os
import sys
import time
import traceback

PLAIN, TLS, CA, TOKEN = (os.environ.get(name) for name in ("PLAIN", "TLS", "CA", "TOKEN"))
SIZES = [0, 1, 1000, 65536, 1_000_003, 20_000_000]
BLOCK = bytes((n * 7 + n // 251) % 256 for n in range(1 << 16))


def content(size):
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def same(what, seen, expected):
    if seen != expected:
        raise AssertionError(f"{what}: {str(seen)[:300]!r} instead of {str(expected)[:300]!r}")


def check_digest(what, said, body, chunked=None):
    same(f"{what}, length", said["bytes"], len(body))
    same(f"{what}, sha256", said["sha256"], sha256(body))
    if chunked is not None:
        same(f"{what}, chunked", said["chunked"], chunked)


def check_fresh(what, line):
    """An event that says when it left."""
    late = time.time() - float(line.split(":", 1)[1])
    if late > 1:
        raise AssertionError(f"{what}: an event came {late:.1f} s late")


def run(*checks):
    """Runs each, tells of each; the process's status says whether all passed."""
    failed = False
    for check in checks:
        began = time.monotonic()
        try:
            check()
            print(f"ok      {check.__name__}, {time.monotonic() - began:.1f} s", flush=True)
        except Exception:
            failed = True
            print(f"FAILED  {check.__name__}\n{traceback.format_exc()}", flush=True)
    sys.exit(failed)
