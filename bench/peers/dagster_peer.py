"""Dagster: a mapped op for every sensor, or chunk, in one run of a job, with its multiprocess executor."""
import tempfile
import time

import dagster as dg

import job

o = job.options()


@dg.op(out=dg.DynamicOut())
def plan():
    for ids in job.items(o):
        yield dg.DynamicOutput(ids, mapping_key=f"from_{ids[0]}")


@dg.op
def score(ids):
    return job.score(ids, *job.arguments(o))


@dg.op
def total(results):
    return results


@dg.job(executor_def=dg.multiprocess_executor.configured({"max_concurrent": o.workers}))
def score_fleet():
    total(plan().map(score).collect())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        with dg.DagsterInstance.local_temp(home) as instance:
            started = time.perf_counter()
            result = dg.execute_job(dg.reconstructable(score_fleet), instance=instance, raise_on_error=True)
            with result:
                job.report(started, result.output_for_node("total"))
