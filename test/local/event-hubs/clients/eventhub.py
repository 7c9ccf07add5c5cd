"""Drives an Event Hubs namespace with azure-eventhub, the official client for Python: synchronous, asynchronous,
buffered, and two consumers that share the partitions by a checkpoint store in Blob. Prints what it saw as JSON.

    python eventhub.py CONNECTION_STRING HUB BLOB_CONNECTION_STRING
"""

import asyncio
import datetime
import json
import sys
import threading
import time
import uuid

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub._pyamqp.utils import amqp_long_value
from azure.eventhub.aio import EventHubConsumerClient as AioConsumer
from azure.eventhub.aio import EventHubProducerClient as AioProducer
from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore
from azure.eventhub.extensions.checkpointstoreblobaio._vendor.storage.blob.aio import ContainerClient

CONNECTION, HUB, BLOB = sys.argv[1:4]
PATIENCE = 60
seen = {}


def producer(**options):
    return EventHubProducerClient.from_connection_string(CONNECTION, eventhub_name=HUB, retry_total=1, **options)


def read(count, partition="0", **options):
    """The bodies of the first events that a reader gets, or the error that ends it."""
    got, errors, done = [], [], threading.Event()
    client = EventHubConsumerClient.from_connection_string(
        CONNECTION, consumer_group="$Default", eventhub_name=HUB, retry_total=0
    )

    def on_event(_, event):
        if event is not None:
            got.append(event)
        if len(got) >= count:
            done.set()

    def on_error(_, error):
        errors.append(str(error).splitlines()[0])
        done.set()

    receive = threading.Thread(
        target=lambda: client.receive(on_event=on_event, on_error=on_error, partition_id=partition, **options),
        daemon=True,
    )
    receive.start()
    done.wait(PATIENCE)
    client.close()
    receive.join(PATIENCE)
    return got[:count], [str(error) for error in errors]


def bodies(events):
    return [event.body_as_str() for event in events]


def synchronous():
    with producer() as client:
        properties = client.get_eventhub_properties()
        seen["properties"] = [properties["eventhub_name"], properties["partition_ids"]]
        batch = client.create_batch(partition_id="0")
        for number in range(5):
            batch.add(EventData(str(number)))
        client.send_batch(batch)
        # One event alone, with a type of each kind: it must come back with the same ones.
        event = EventData(b"typed")
        event.properties = {
            b"int": 5, b"big": amqp_long_value(2**53 + 1), b"float": 5.0, b"bytes": b"\x00\xff", b"text": "\u00fc", b"none": None,
            b"yes": True, b"uuid": uuid.UUID(int=7), b"when": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        }
        sent = {**event.properties, b"big": 2**53 + 1}
        client.send_event(event, partition_id="0")
        partition = client.get_partition_properties("0")
        seen["partition"] = [partition["beginning_sequence_number"], partition["last_enqueued_sequence_number"]]
        try:
            client.send_batch([EventData("x")], partition_id="77")
            seen["partition 77"] = "taken"
        except Exception as error:
            seen["partition 77"] = str(error).splitlines()[0]
        try:
            client.send_event(EventData("x" * 1_100_000), partition_id="0")
            seen["too large"] = "taken"
        except Exception as error:
            seen["too large"] = error.__class__.__name__
    events, errors = read(6, starting_position="-1")
    seen["from the start"] = bodies(events) + errors
    got = dict(events[-1].properties)
    sent[b"text"] = sent[b"text"].encode()  # the client hands over text undecoded
    sent[b"when"] = int(sent[b"when"].timestamp() * 1000)  # and times as milliseconds
    seen["types"] = sorted(
        key.decode() for key, value in sent.items() if (type(got.get(key)), got.get(key)) != (type(value), value)
    )
    second, third = events[1], events[2]
    starts = {
        "after a sequence number": dict(starting_position=second.sequence_number),
        "at a sequence number": dict(starting_position=second.sequence_number, starting_position_inclusive=True),
        "after an offset": dict(starting_position=second.offset),
        "at an offset": dict(starting_position=second.offset, starting_position_inclusive=True),
        "from a time": dict(starting_position=third.enqueued_time - datetime.timedelta(days=1)),
    }
    for name, options in starts.items():
        seen[name] = [part[:1] for part in read(1, **options)]
        seen[name] = bodies(seen[name][0]) + seen[name][1]
    seen["no such position"] = read(1, starting_position="abc")[1]
    seen["no such partition"] = read(1, partition="77", starting_position="-1")[1][:1]


def owner_levels():
    """A reader with a level takes a partition over; then one without or with a lower one is refused."""
    first = EventHubConsumerClient.from_connection_string(
        CONNECTION, consumer_group="$Default", eventhub_name=HUB, retry_total=0
    )
    got, told = threading.Event(), threading.Event()
    threading.Thread(
        target=lambda: first.receive(
            on_event=lambda *_: got.set(), on_error=lambda *_: told.set(),
            partition_id="0", starting_position="-1", owner_level=1,
        ),
        daemon=True,
    ).start()
    seen["first owner reads"] = got.wait(PATIENCE)
    seen["lower level"] = read(1, starting_position="-1", owner_level=0)[1][:1]
    seen["no level"] = read(1, starting_position="-1")[1][:1]
    seen["higher level"] = bodies(read(1, starting_position="-1", owner_level=2)[0])
    seen["first owner is told"] = told.wait(PATIENCE)
    first.close()


def buffered():
    failed = []
    done = threading.Semaphore(0)

    def on_success(events, _):
        for _event in events:
            done.release()

    client = producer(
        buffered_mode=True, on_success=on_success, on_error=lambda *args: failed.append(str(args[-1])), max_wait_time=1
    )
    with client:
        for number in range(200):
            client.send_event(EventData(f"b{number}"), partition_key=f"sensor-{number % 10}")
        client.flush(timeout=PATIENCE)
    seen["buffered"] = [sum(done.acquire(timeout=PATIENCE) for _ in range(200)), failed]


async def shared():
    """Two consumers share the partitions; when one leaves, the other one has all."""
    container = ContainerClient.from_connection_string(BLOB, "python-checkpoints")
    await container.create_container()
    await container.close()
    owned = {"a": set(), "b": set()}
    got = set()

    def consumer(name):
        store = BlobCheckpointStore.from_connection_string(BLOB, "python-checkpoints")
        client = AioConsumer.from_connection_string(
            CONNECTION, consumer_group="shared", eventhub_name=HUB, checkpoint_store=store, load_balancing_interval=1,
            partition_ownership_expiration_interval=5, load_balancing_strategy="greedy",
        )

        async def on_event(context, event):
            owned[name].add(context.partition_id)
            if event is not None:
                got.add((context.partition_id, event.sequence_number))
                await context.update_checkpoint(event)

        async def on_close(context, _reason):
            owned[name].discard(context.partition_id)

        task = asyncio.create_task(
            client.receive(on_event=on_event, on_partition_close=on_close, starting_position="-1", max_wait_time=0.5)
        )
        return client, task

    async def until(holds):
        end = time.monotonic() + PATIENCE
        while not holds() and time.monotonic() < end:
            await asyncio.sleep(0.1)
        return holds()

    async with AioProducer.from_connection_string(CONNECTION, eventhub_name=HUB) as client:
        ids = await client.get_partition_ids()
        for partition in ids:
            await client.send_batch([EventData(f"a{number}") for number in range(5)], partition_id=partition)
        ends = {p: (await client.get_partition_properties(p))["last_enqueued_sequence_number"] for p in ids}
    everything = {(p, number) for p, last in ends.items() for number in range(last + 1)}
    a, a_task = consumer("a")
    seen["one consumer has all"] = await until(lambda: owned["a"] == set(ids) and got == everything)
    b, b_task = consumer("b")
    half = len(ids) // 2
    seen["two share"] = await until(lambda: len(owned["a"]) == half and len(owned["b"]) == half)
    await a.close()
    a_task.cancel()
    seen["the other takes over"] = await until(lambda: owned["b"] == set(ids))
    await b.close()
    b_task.cancel()
    await asyncio.gather(a_task, b_task, return_exceptions=True)


synchronous()
owner_levels()
buffered()
asyncio.run(shared())
print(json.dumps(seen))
