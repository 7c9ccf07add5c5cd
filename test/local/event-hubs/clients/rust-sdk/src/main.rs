//! Drives an Event Hubs namespace with azure_messaging_eventhubs and prints what it saw as JSON.
//! Arguments: CONNECTION_STRING HUB. The crate does not know UseDevelopmentEmulator, so it is told the endpoint.
use azure_core::time::Duration;
use azure_messaging_eventhubs::models::EventData;
use azure_messaging_eventhubs::{
    ConsumerClient, EventDataBatchOptions, OpenReceiverOptions, ProducerClient, SendEventOptions, StartLocation,
    StartPosition,
};
use futures::StreamExt;
use serde_json::{json, Map, Value};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn typed(body: &str) -> EventData {
    EventData::builder()
        .with_body(body.as_bytes().to_vec())
        .add_property("int".into(), 5i32)
        .add_property("long".into(), (1i64 << 53) + 1)
        .add_property("ubyte".into(), 3u8)
        .add_property("float".into(), 0.1f32)
        .add_property("double".into(), 5.0f64)
        .add_property("text".into(), "ü")
        .add_property("yes".into(), true)
        .build()
}

async fn read(
    consumer: &ConsumerClient,
    from: StartLocation,
    inclusive: bool,
    most: usize,
    level: Option<i64>,
) -> Result<Vec<EventData>> {
    let receiver = consumer
        .open_receiver_on_partition(
            "0".to_string(),
            Some(OpenReceiverOptions {
                owner_level: level,
                start_position: Some(StartPosition {
                    location: from,
                    inclusive,
                }),
                receive_timeout: Some(Duration::seconds(15)),
                ..Default::default()
            }),
        )
        .await?;
    let mut found = Vec::new();
    {
        let mut stream = receiver.stream_events();
        while found.len() < most {
            match stream.next().await {
                Some(event) => found.push(event?.event_data().clone()),
                None => break,
            }
        }
    }
    receiver.close().await?;
    Ok(found)
}

fn bodies(events: &[EventData]) -> Value {
    events
        .iter()
        .map(|event| String::from_utf8_lossy(event.body().unwrap_or_default()).into_owned())
        .collect()
}

fn told<T>(result: Result<T>) -> Value {
    match result {
        Ok(_) => json!("not refused"),
        Err(error) => json!(error.to_string()),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let (connection, hub) = (args[1].as_str(), args[2].as_str());
    let host = connection
        .split(';')
        .find_map(|part| part.strip_prefix("Endpoint=sb://"))
        .unwrap_or_default();
    let endpoint = format!("amqp://{}", host.trim_end_matches('/'));
    let mut seen = Map::new();

    let producer = ProducerClient::builder()
        .with_custom_endpoint(endpoint.clone())
        .open_with_connection_string(connection, Some(hub))
        .await?;
    let properties = producer.get_eventhub_properties().await?;
    seen.insert("properties".into(), json!([properties.name, properties.partition_ids]));
    let batch = producer
        .create_batch(Some(EventDataBatchOptions {
            partition_id: Some("0".into()),
            ..Default::default()
        }))
        .await?;
    for i in 0..3 {
        batch.try_add_event_data(typed(&i.to_string()), None)?;
    }
    producer.send_batch(batch, None).await?;
    producer
        .send_event(
            typed("alone"),
            Some(SendEventOptions {
                partition_id: Some("0".into()),
            }),
        )
        .await?;
    let partition = producer.get_partition_properties("0").await?;
    seen.insert(
        "partition".into(),
        json!([
            partition.beginning_sequence_number,
            partition.last_enqueued_sequence_number
        ]),
    );
    let wrong = producer
        .send_event(
            "x",
            Some(SendEventOptions {
                partition_id: Some("77".into()),
            }),
        )
        .await;
    seen.insert("partition 77".into(), told(wrong.map_err(Into::into)));

    let consumer = ConsumerClient::builder()
        .with_custom_endpoint(endpoint.clone())
        .open_with_connection_string(connection, Some(hub))
        .await?;
    let events = read(&consumer, StartLocation::Earliest, false, 4, None).await?;
    seen.insert("events".into(), bodies(&events));
    let sent = typed("");
    let differ: Vec<String> = events
        .iter()
        .filter(|event| event.properties() != sent.properties())
        .map(|event| format!("{:?}", event.properties()))
        .collect();
    seen.insert("types".into(), json!(differ));
    seen.insert(
        "after a sequence number".into(),
        bodies(&read(&consumer, StartLocation::SequenceNumber(1), false, 1, None).await?),
    );
    seen.insert(
        "at a sequence number".into(),
        bodies(&read(&consumer, StartLocation::SequenceNumber(1), true, 1, None).await?),
    );
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(600);
    seen.insert(
        "from a time".into(),
        bodies(&read(&consumer, StartLocation::EnqueuedTime(then), false, 1, None).await?),
    );

    let owner = consumer
        .open_receiver_on_partition(
            "0".to_string(),
            Some(OpenReceiverOptions {
                owner_level: Some(1),
                start_position: Some(StartPosition {
                    location: StartLocation::Earliest,
                    inclusive: false,
                }),
                receive_timeout: Some(Duration::seconds(30)),
                ..Default::default()
            }),
        )
        .await?;
    let mut stream = owner.stream_events();
    seen.insert(
        "first owner reads".into(),
        json!(stream.next().await.is_some_and(|event| event.is_ok())),
    );
    let other = ConsumerClient::builder()
        .with_custom_endpoint(endpoint)
        .open_with_connection_string(connection, Some(hub))
        .await?;
    seen.insert(
        "lower level".into(),
        told(read(&other, StartLocation::Earliest, false, 1, Some(0)).await),
    );
    seen.insert(
        "higher level".into(),
        bodies(&read(&other, StartLocation::Earliest, false, 1, Some(2)).await?),
    );
    let mut last = json!("nothing");
    for _ in 0..6 {
        match stream.next().await {
            Some(Ok(_)) => continue,
            Some(Err(error)) => {
                last = json!(error.to_string());
                break;
            }
            None => {
                last = json!("ended");
                break;
            }
        }
    }
    seen.insert("first owner is told".into(), last);
    println!("{}", Value::Object(seen));
    std::process::exit(0)
}
