/** How clients and workers of this process turn values into what Temporal stores: encrypted when there are keys. */
import { ApplicationFailure, type DataConverter, type PayloadCodec } from '@temporalio/common';
import { FleetscoreError, PAYLOAD_KEY_UNKNOWN } from '../domain/errors.ts';
import { siblingFile } from '../paths.ts';
import { createPayloadCodec } from './codec.ts';
import type { PayloadKeys } from './keys.ts';

/** An attempt that failed for want of a key is made again after this time: elsewhere, by then. */
const RETRY_AFTER = '1m';

/** For clients. There is always a codec, so that a process without keys says what is missing. */
export function clientConverter(keys: PayloadKeys): DataConverter {
  return { payloadCodecs: [createPayloadCodec(keys)], ...failures(keys) };
}

export interface WorkerConverter {
  readonly dataConverter: DataConverter;
  /** Whether what is sent is encrypted. */
  readonly encrypts: boolean;
  /** Resolves when a payload came whose key is not here. */
  readonly blind: Promise<FleetscoreError>;
}

/** For workers: an activity without its key fails with the code `PAYLOAD_KEY_UNKNOWN`, and is tried again later. */
export function workerConverter(keys: PayloadKeys): WorkerConverter {
  const codec = createPayloadCodec(keys);
  let tell: (error: FleetscoreError) => void;
  const blind = new Promise<FleetscoreError>((resolve) => (tell = resolve));
  const telling: PayloadCodec = {
    encode: (payloads) => codec.encode(payloads),
    async decode(payloads) {
      try {
        return await codec.decode(payloads);
      } catch (error) {
        if (!(error instanceof FleetscoreError)) throw error;
        if (error.code === PAYLOAD_KEY_UNKNOWN) tell(error);
        throw ApplicationFailure.create({ message: error.message, type: error.code, nextRetryDelay: RETRY_AFTER });
      }
    },
  };
  return {
    dataConverter: { payloadCodecs: [telling], ...failures(keys) },
    encrypts: keys.encrypting !== undefined,
    blind,
  };
}

/** Without encryption failures stay readable in the Web UI. */
const failures = ({ encrypting }: PayloadKeys): Pick<DataConverter, 'failureConverterPath'> =>
  encrypting ? { failureConverterPath: failureConverterFile() } : {};

const failureConverterFile = (): string => siblingFile('payloads/failure-converter.cjs');
