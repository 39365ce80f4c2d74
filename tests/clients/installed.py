"""Where clients from PyPI and npm are installed: under target/clients, and again only if their lists change."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
PLACE = TARGET / "clients"


def install(lists, python, modules=None):
    """The Python of a virtual environment with `lists`/requirements.txt, and node modules with `lists`/package.json, where
    they are wanted."""
    for place, wanted, commands in (
        (
            python,
            lists / "requirements.txt",
            [[sys.executable, "-m", "venv", python], [python / "bin/pip", "install", "-q", "-r", lists / "requirements.txt"]],
        ),
        (modules, lists / "package.json", [["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", modules]]),
    ):
        if place is None:
            continue
        done = place / "installed"
        if done.exists() and done.read_text() == wanted.read_text():
            continue
        if place is modules and not shutil.which("npm"):
            continue
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        if place is modules:
            shutil.copy(wanted, place)
        for command in commands:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        done.write_text(wanted.read_text())
    return python / "bin/python", modules


def gateway_binary():
    """What KEYSTILE names, else the debug build."""
    if not os.environ.get("KEYSTILE"):
        subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=ROOT, check=True)
    return Path(os.environ.get("KEYSTILE", TARGET / "debug" / "keystile")).resolve()
