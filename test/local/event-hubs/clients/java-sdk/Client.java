import com.azure.core.amqp.AmqpRetryOptions;
import com.azure.core.util.BinaryData;
import com.azure.messaging.eventhubs.*;
import com.azure.messaging.eventhubs.checkpointstore.blob.BlobCheckpointStore;
import com.azure.messaging.eventhubs.models.*;
import com.azure.storage.blob.BlobContainerAsyncClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Collectors;

/**
 * Drives an Event Hubs namespace with azure-messaging-eventhubs, the official client for Java, and prints what it saw
 * as JSON. Arguments: CONNECTION_STRING HUB BLOB_CONNECTION_STRING.
 */
public final class Client {
    private static final Map<String, Object> SEEN = new LinkedHashMap<>();
    private static final AmqpRetryOptions ONCE =
        new AmqpRetryOptions().setMaxRetries(0).setTryTimeout(Duration.ofSeconds(20));

    public static void main(String[] args) throws Exception {
        String connection = args[0], hub = args[1], blob = args[2];
        EventHubClientBuilder builder =
            new EventHubClientBuilder().connectionString(connection, hub).retryOptions(ONCE);
        try (EventHubProducerClient producer = builder.buildProducerClient()) {
            EventHubProperties properties = producer.getEventHubProperties();
            List<String> ids = properties.getPartitionIds().stream().sorted().toList();
            SEEN.put("properties", List.of(properties.getName(), ids));
            EventDataBatch batch = producer.createBatch(new CreateBatchOptions().setPartitionId("0"));
            for (int i = 0; i < 3; i++) batch.tryAdd(typed(Integer.toString(i)));
            producer.send(batch);
            producer.send(List.of(typed("alone")), new SendOptions().setPartitionId("0"));
            PartitionProperties partition = producer.getPartitionProperties("0");
            SEEN.put("partition",
                List.of(partition.getBeginningSequenceNumber(), partition.getLastEnqueuedSequenceNumber()));
            SendOptions none = new SendOptions().setPartitionId("77");
            SEEN.put("partition 77", refused(() -> producer.send(List.of(new EventData("x")), none)));
            SEEN.put("too large", refused(() -> producer.send(List.of(new EventData(new byte[1_100_000])))));
        }
        try (EventHubConsumerClient consumer = builder.consumerGroup("$Default").buildConsumerClient()) {
            List<EventData> events = receive(consumer, EventPosition.earliest(), 4, null);
            SEEN.put("events", events.stream().map(EventData::getBodyAsString).toList());
            SEEN.put("types", events.stream().flatMap(event -> TYPES.entrySet().stream()
                .filter(entry -> !same(entry.getValue(), event.getProperties().get(entry.getKey())))
                .map(entry -> entry.getKey() + ": " + event.getProperties().get(entry.getKey()))).distinct().toList());
            SEEN.put("after a sequence number", first(consumer, EventPosition.fromSequenceNumber(1L)));
            SEEN.put("at a sequence number", first(consumer, EventPosition.fromSequenceNumber(1L, true)));
            SEEN.put("from a time", first(consumer, EventPosition.fromEnqueuedTime(Instant.now().minusSeconds(600))));
            SEEN.put("no such group", refused(() -> {
                try (EventHubConsumerClient other = builder.consumerGroup("none").buildConsumerClient()) {
                    receive(other, EventPosition.earliest(), 1, null);
                }
            }));
        }
        owners(builder);
        processors(connection, hub, blob);
        System.out.println(json(SEEN));
        System.exit(0);
    }

    private static final Map<String, Object> TYPES = Map.of("int", 5, "long", (1L << 53) + 1, "short", (short) 3,
        "double", 5.0, "float", 0.1f, "text", "ü", "yes", true, "uuid", new UUID(1, 2));

    private static EventData typed(String body) {
        EventData event = new EventData(BinaryData.fromString(body));
        event.getProperties().putAll(TYPES);
        return event;
    }

    private static boolean same(Object sent, Object got) {
        return sent.equals(got) && sent.getClass() == got.getClass();
    }

    private static List<EventData> receive(EventHubConsumerClient consumer, EventPosition from, int most,
        ReceiveOptions options) {
        Duration wait = Duration.ofSeconds(15);
        var events = options == null ? consumer.receiveFromPartition("0", most, from, wait)
            : consumer.receiveFromPartition("0", most, from, wait, options);
        return events.stream().map(PartitionEvent::getData).toList();
    }

    private static List<String> bodies(List<EventData> events) {
        return events.stream().map(EventData::getBodyAsString).toList();
    }

    private static List<String> first(EventHubConsumerClient consumer, EventPosition from) {
        return bodies(receive(consumer, from, 1, null));
    }

    /** A reader of a higher level takes over; one of a lower level is refused. */
    private static void owners(EventHubClientBuilder builder) throws Exception {
        try (EventHubConsumerAsyncClient first = builder.consumerGroup("$Default").buildAsyncConsumerClient();
            EventHubConsumerClient second = builder.consumerGroup("$Default").buildConsumerClient()) {
            CompletableFuture<String> told = new CompletableFuture<>();
            CountDownLatch reads = new CountDownLatch(1);
            first.receiveFromPartition("0", EventPosition.earliest(), level(1))
                .subscribe(event -> reads.countDown(), error -> told.complete(error.getMessage()),
                    () -> told.complete("completed"));
            SEEN.put("first owner reads", reads.await(20, TimeUnit.SECONDS));
            SEEN.put("lower level", refused(() -> receive(second, EventPosition.earliest(), 1, level(0))));
            SEEN.put("higher level", bodies(receive(second, EventPosition.earliest(), 1, level(2))));
            SEEN.put("first owner is told", told.get(20, TimeUnit.SECONDS));
        }
    }

    private static ReceiveOptions level(long level) {
        return new ReceiveOptions().setOwnerLevel(level);
    }

    /** Two processors over one checkpoint store: one has all partitions, two share, the other takes over. */
    private static void processors(String connection, String hub, String blob) throws Exception {
        BlobContainerAsyncClient container =
            new BlobContainerClientBuilder().connectionString(blob).containerName("java").buildAsyncClient();
        container.createIfNotExists().block();
        Set<String> seen = ConcurrentHashMap.newKeySet();
        Map<String, Set<String>> owned = new ConcurrentHashMap<>();
        EventProcessorClient a = processor("a", connection, hub, container, seen, owned);
        a.start();
        SEEN.put("one processor has all", until(() -> owned.get("a").size() == 4));
        EventProcessorClient b = processor("b", connection, hub, container, seen, owned);
        b.start();
        SEEN.put("two share", until(() -> owned.get("a").size() == 2 && owned.get("b").size() == 2));
        EventHubClientBuilder builder = new EventHubClientBuilder().connectionString(connection, hub);
        try (EventHubProducerClient producer = builder.buildProducerClient()) {
            for (int i = 0; i < 40; i++)
                producer.send(List.of(new EventData("p" + i)), new SendOptions().setPartitionKey("key-" + i));
        }
        SEEN.put("all events arrive", until(() -> seen.stream().filter(body -> body.startsWith("p")).count() == 40));
        a.stop();
        SEEN.put("the other takes over", until(() -> owned.get("b").size() == 4));
        b.stop();
    }

    private static EventProcessorClient processor(String name, String connection, String hub,
        BlobContainerAsyncClient container, Set<String> seen, Map<String, Set<String>> owned) {
        owned.put(name, ConcurrentHashMap.newKeySet());
        return new EventProcessorClientBuilder().connectionString(connection, hub).consumerGroup("shared")
            .checkpointStore(new BlobCheckpointStore(container))
            .initialPartitionEventPosition(id -> EventPosition.earliest())
            .loadBalancingStrategy(LoadBalancingStrategy.GREEDY).loadBalancingUpdateInterval(Duration.ofSeconds(1))
            .partitionOwnershipExpirationInterval(Duration.ofSeconds(5))
            .processEvent(context -> {
                seen.add(context.getEventData().getBodyAsString());
                context.updateCheckpoint();
            })
            .processPartitionInitialization(
                context -> owned.get(name).add(context.getPartitionContext().getPartitionId()))
            .processPartitionClose(context -> owned.get(name).remove(context.getPartitionContext().getPartitionId()))
            .processError(context -> System.err.println(name + ": " + context.getThrowable().getMessage()))
            .buildEventProcessorClient();
    }

    private static boolean until(Callable<Boolean> holds) throws Exception {
        for (int i = 0; i < 600; i++) {
            if (holds.call()) return true;
            Thread.sleep(100);
        }
        return false;
    }

    private static String refused(Runnable work) {
        try {
            work.run();
            return "not refused";
        } catch (RuntimeException error) {
            return String.valueOf(error.getMessage());
        }
    }

    private static String json(Object value) {
        if (value instanceof Map<?, ?> map)
            return map.entrySet().stream().map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
                .collect(Collectors.joining(",", "{", "}"));
        if (value instanceof Collection<?> list)
            return list.stream().map(Client::json).collect(Collectors.joining(",", "[", "]"));
        if (value instanceof Number || value instanceof Boolean) return value.toString();
        String text = String.valueOf(value).replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ");
        return "\"" + text + "\"";
    }
}
