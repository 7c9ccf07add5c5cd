"""What a user without any system writes: one process that loads, predicts and writes for one sensor after the other."""
import time

import job

o = job.options()
warm = list(range(1, min(o.sensors, 3) + 1))
job.score(warm, *job.arguments(o))
started = time.perf_counter()
used = time.process_time()
results = [job.score([sensor_id], *job.arguments(o)) for sensor_id in range(1, o.sensors + 1)]
job.report(started, results, time.process_time() - used)
