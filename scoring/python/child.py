"""Runs a function in a process of its own, with limits of memory and time, and gives back what it returns.

What reads files of strangers must end, and must not take the machine's memory: the limits are the kernel's. Where
there is no fork (Windows) the function runs in this process, without limits.
"""

import json
import os
import select
import signal
import sys
import time

MEMORY_BYTES = 1024 * 1024 * 1024
SECONDS = 60
FILE_BYTES = 256 * 1024 * 1024


class Ended(Exception):
    """The process ended without an answer. The text says why."""


def in_child(work, memory=MEMORY_BYTES, seconds=SECONDS):
    """What `work()` returns, a JSON value. Raises Ended."""
    if not hasattr(os, "fork"):
        return work()
    sys.stdout.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            limit(memory, seconds)
            answer = json.dumps(work()).encode()
            while answer:
                answer = answer[os.write(writing, answer):]
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    try:
        answer, late = received(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        # It has closed its pipe or is too late: either way there is nothing more to wait for.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if late:
        raise Ended(f"it took longer than {seconds} s to read")
    try:
        return json.loads(answer)
    except ValueError:
        raise Ended(f"it took more than {memory >> 20} MiB of memory, or more than {seconds} s, to read") from None


def received(reading, end):
    """All that comes from the pipe until its other end is closed; True when the time was over before."""
    parts = []
    while True:
        ready, _, _ = select.select([reading], [], [], max(0, end - time.monotonic()))
        if not ready:
            return b"".join(parts), True
        part = os.read(reading, 1 << 16)
        if not part:
            return b"".join(parts), False
        parts.append(part)


def limit(memory, seconds):
    import resource

    def at_most(name, value):
        kind = getattr(resource, name, None)
        if kind is None:
            return
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            pass  # macOS takes no limit of addresses that is below what the process has

    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        used = 0
    at_most("RLIMIT_AS", used + memory)
    at_most("RLIMIT_CPU", seconds)
    at_most("RLIMIT_FSIZE", FILE_BYTES)
    at_most("RLIMIT_CORE", 0)
