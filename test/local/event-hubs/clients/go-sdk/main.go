// Drives an Event Hubs namespace with azeventhubs, the official client for Go, and prints what it saw as JSON.
//
//	go run . CONNECTION_STRING HUB
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func codeOf(err error) string {
	var known *azeventhubs.Error
	if errors.As(err, &known) {
		return string(known.Code)
	}
	return fmt.Sprint(err)
}

func main() {
	connection, hub := os.Args[1], os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seen := map[string]any{}
	once := azeventhubs.RetryOptions{MaxRetries: -1}

	producer := must(azeventhubs.NewProducerClientFromConnectionString(connection, hub, &azeventhubs.ProducerClientOptions{RetryOptions: once}))
	properties := must(producer.GetEventHubProperties(ctx, nil))
	seen["properties"] = []any{properties.Name, properties.PartitionIDs}

	zero := "0"
	sent := map[string]any{"int32": int32(5), "int64": int64(1<<53 + 1), "uint8": uint8(3), "float32": float32(0.1), "float64": 5.0, "bytes": []byte{0, 255}, "text": "ü", "yes": true}
	batch := must(producer.NewEventDataBatch(ctx, &azeventhubs.EventDataBatchOptions{PartitionID: &zero}))
	for i := 0; i < 3; i++ {
		must(0, batch.AddEventData(&azeventhubs.EventData{Body: fmt.Append(nil, i), Properties: sent}, nil))
	}
	must(0, producer.SendEventDataBatch(ctx, batch, nil))
	partition := must(producer.GetPartitionProperties(ctx, zero, nil))
	seen["partition"] = []int64{partition.BeginningSequenceNumber, partition.LastEnqueuedSequenceNumber}
	none := "77"
	_, err := producer.NewEventDataBatch(ctx, &azeventhubs.EventDataBatchOptions{PartitionID: &none})
	seen["partition 77 is refused"] = err != nil

	consumer := must(azeventhubs.NewConsumerClientFromConnectionString(connection, hub, azeventhubs.DefaultConsumerGroup, &azeventhubs.ConsumerClientOptions{RetryOptions: once}))
	earliest, level := true, int64(1)
	open := func(ownerLevel *int64) *azeventhubs.PartitionClient {
		return must(consumer.NewPartitionClient(zero, &azeventhubs.PartitionClientOptions{
			StartPosition: azeventhubs.StartPosition{Earliest: &earliest}, OwnerLevel: ownerLevel,
		}))
	}
	first := open(nil)
	events := must(first.ReceiveEvents(ctx, 3, nil))
	bodies, changed := []string{}, []string{}
	for _, event := range events {
		bodies = append(bodies, string(event.Body))
	}
	for name, value := range sent {
		if !reflect.DeepEqual(events[0].Properties[name], value) {
			changed = append(changed, fmt.Sprintf("%s: %T", name, events[0].Properties[name]))
		}
	}
	sort.Strings(changed)
	seen["events"], seen["types"] = bodies, changed
	owner := open(&level)
	must(owner.ReceiveEvents(ctx, 1, nil))
	_, err = first.ReceiveEvents(ctx, 100, nil)
	seen["without a level"] = codeOf(err)
	must(0, json.NewEncoder(os.Stdout).Encode(seen))
}
