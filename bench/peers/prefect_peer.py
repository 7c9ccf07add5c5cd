"""Prefect: a task run for every sensor, or chunk, in one flow run, against its own local server."""
import time

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

import job

o = job.options()


@task
def score(ids):
    return job.score(ids, *job.arguments(o))


@flow(task_runner=ThreadPoolTaskRunner(max_workers=o.workers * 2))
def score_fleet():
    return score.map(job.items(o)).result()


@flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
def warm_up():
    return score.map([[1]]).result()


warm_up()
started = time.perf_counter()
job.report(started, score_fleet())
