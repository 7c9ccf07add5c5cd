/**
 * A message that was read quickly (quick-decode.ts). To the client it is one of its own: the fields that it looks at
 * are made when it looks at them, which it does not where events are gathered (gather.ts).
 */
import type { Simple } from './quick-value.ts';

export interface QuickAnnotations {
  readonly seq: number;
  readonly offset: string;
  readonly enqueuedMs: number;
  readonly partitionKey: string | undefined;
  /** All but those above; undefined when there are none. */
  readonly others: Readonly<Record<string, Simple>> | undefined;
}

/** Properties of AMQP by their names in the client, times as epoch ms. */
export type QuickFields = Readonly<Record<string, string | number>>;

/** Application properties. */
export type QuickProperties = Readonly<Record<string, Simple>>;

let section: (data: Buffer) => object;

/**
 * Called once, before the first message.
 * @param own a message of the client
 * @param dataSection makes a body of bytes
 */
export function asClientReadsIt(own: object, dataSection: (data: Buffer) => object): void {
  Object.setPrototypeOf(Quick.prototype, Object.getPrototypeOf(own) as object);
  section = dataSection;
}

export class Quick {
  readonly annotations: QuickAnnotations;
  /** One object for all messages that follow each other with the same ones, as {@link application}. */
  readonly fields: QuickFields;
  readonly application: QuickProperties | undefined;
  /** Part of the bytes of the message. */
  readonly data: Buffer;
  /** Of the whole message as it came. */
  readonly bytes: number;

  constructor(
    annotations: QuickAnnotations,
    fields: QuickFields,
    application: QuickProperties | undefined,
    data: Buffer,
    bytes: number,
  ) {
    this.annotations = annotations;
    this.fields = fields;
    this.application = application;
    this.data = data;
    this.bytes = bytes;
  }

  get message_annotations(): Readonly<Record<string, Simple>> {
    const { seq, offset, enqueuedMs, partitionKey, others } = this.annotations;
    return {
      'x-opt-sequence-number': seq,
      'x-opt-offset': offset,
      'x-opt-enqueued-time': new Date(enqueuedMs),
      ...(partitionKey === undefined ? undefined : { 'x-opt-partition-key': partitionKey }),
      ...others,
    };
  }

  get application_properties(): QuickProperties | undefined {
    return this.application;
  }

  get body(): object {
    return section(this.data);
  }

  get message_id(): Field {
    return this.fields['messageId'];
  }
  get to(): Field {
    return this.fields['to'];
  }
  get subject(): Field {
    return this.fields['subject'];
  }
  get reply_to(): Field {
    return this.fields['replyTo'];
  }
  get correlation_id(): Field {
    return this.fields['correlationId'];
  }
  get content_type(): Field {
    return this.fields['contentType'];
  }
  get content_encoding(): Field {
    return this.fields['contentEncoding'];
  }
  get absolute_expiry_time(): Date | undefined {
    return time(this.fields['absoluteExpiryTime']);
  }
  get creation_time(): Date | undefined {
    return time(this.fields['creationTime']);
  }
  get group_id(): Field {
    return this.fields['groupId'];
  }
}

type Field = string | number | undefined;

const time = (ms: Field): Date | undefined => (ms === undefined ? undefined : new Date(ms));
