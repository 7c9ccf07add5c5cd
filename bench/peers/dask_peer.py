"""Dask distributed: a future for every sensor, or chunk, on a process for each core. The clock starts when they are warm."""
import time

from dask.distributed import Client, LocalCluster

import job

if __name__ == "__main__":
    o = job.options()
    cluster = LocalCluster(n_workers=o.workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    client = Client(cluster)
    client.gather([client.submit(job.score, [1], *job.arguments(o), pure=False) for _ in range(o.workers * 4)])
    started = time.perf_counter()
    job.report(started, client.gather([client.submit(job.score, ids, *job.arguments(o), pure=False) for ids in job.items(o)]))
    client.close()
    cluster.close()
