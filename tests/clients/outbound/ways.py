"""Each use of a client library is made in every way, and the providers judge what arrived."""

import asyncio
import inspect
import json
import os
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

import checks  # noqa: E402
from checks import same  # noqa: E402, F401
from connections import PREFIX  # noqa: E402

WAYS = json.loads(os.environ["WAYS"])
CONTROL = os.environ["CONTROL"]


class Way:
    def __init__(self, name):
        self.name, self._at, self._keys = name, WAYS[name]["at"], WAYS[name]["keys"]

    def base(self, connection):
        """What stands for the provider's own base URL."""
        return f"{self._at}/c/{PREFIX}{connection}"

    def default(self, connector):
        """What stands for it by the name of the provider alone."""
        return f"{self._at}/c/{connector}"

    def key(self, connection):
        """What the client is given for its API key."""
        return self._keys[connection]


def control(path, **asked):
    with urllib.request.urlopen(f"{CONTROL}/{path}?{urllib.parse.urlencode(asked)}", timeout=10) as reply:
        return json.load(reply)


def as_it_comes(what, parts):
    """The parts of a stream, which must not have been held back until the end."""
    came = [(time.monotonic(), part) for part in parts]
    fresh(what, came)
    return [part for _, part in came]


async def as_it_comes_async(what, parts):
    came = [(time.monotonic(), part) async for part in parts]
    fresh(what, came)
    return [part for _, part in came]


def fresh(what, came):
    if came[-1][0] - came[0][0] < 0.1:
        raise AssertionError(f"{what}: {len(came)} parts came at once")


def run(*uses):
    """Uses take a way; what takes none is run once, and judges for itself."""

    def in_every_way(use):
        if not inspect.signature(use).parameters:
            return use

        def check():
            for name in WAYS:
                control("begin", use=use.__name__, way=name)
                done = use(Way(name))
                if inspect.iscoroutine(done):
                    asyncio.run(done)
            if wrong := control("judge", use=use.__name__):
                raise AssertionError("\n".join(["what arrived:", *wrong]))

        check.__name__ = use.__name__
        return check

    checks.run(*map(in_every_way, uses))


def refused(error, call):
    """The error that a library makes of a refusal."""
    try:
        call()
    except error as made:
        return made
    raise AssertionError(f"no {error.__name__}")
