"""The reference's way: a fresh Python process for every sensor, as many at a time as there are cores."""
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import job

ONE = "import sys, job; o = job.options(); print(*job.score([o.sensors], *job.arguments(o)))"


def run(sensor_id):
    args = [arg if previous != "--sensors" else str(sensor_id) for previous, arg in zip([""] + sys.argv[1:], sys.argv[1:])]
    done = subprocess.run([sys.executable, "-c", ONE, *args], check=True, capture_output=True, text=True)
    return tuple(int(word) for word in done.stdout.split())


o = job.options()
started = time.perf_counter()
with ThreadPoolExecutor(o.workers) as pool:
    job.report(started, pool.map(run, range(1, o.sensors + 1)))
