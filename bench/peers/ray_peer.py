"""Ray: a task for every sensor, or chunk. The clock starts when the cluster is up and its workers are warm."""
import time

import ray

import job

o = job.options()
ray.init(num_cpus=o.workers, include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="error", log_to_driver=False)
score = ray.remote(job.score)
ray.get([score.remote([1], *job.arguments(o)) for _ in range(o.workers * 4)])
started = time.perf_counter()
job.report(started, ray.get([score.remote(ids, *job.arguments(o)) for ids in job.items(o)]))
ray.shutdown()
