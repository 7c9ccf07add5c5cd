/**
 * The client of the management API. It does not retry by itself: the pool's loop does, with what it knows then.
 * An `endpoint` on loopback is for tests; bearer tokens go over plain http to nowhere else.
 */
import { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { bearerTokenAuthenticationPolicyName } from '@azure/core-rest-pipeline';
import type { TokenCredential } from '@azure/identity';
import { requestLimit } from '../../storage/request-limit.ts';

export interface ArmOptions {
  readonly credential: TokenCredential;
  readonly subscriptionId: string;
  /** Another cloud (https), or a server on 127.0.0.1. Default: Azure's public cloud. */
  readonly endpoint?: string;
}

/** Longest time of one request: the loop looks again by itself. */
const ANSWER_MS = 30_000;

const LOOPBACK = /^http:\/\/127\.0\.0\.1:\d+$/;

export function createArmClient({ credential, subscriptionId, endpoint }: ArmOptions): AzureMachineLearningWorkspaces {
  const loopback = endpoint !== undefined && LOOPBACK.test(endpoint);
  const client = new AzureMachineLearningWorkspaces(credential, subscriptionId, {
    ...(endpoint === undefined ? {} : { endpoint, allowInsecureConnection: loopback }),
    retryOptions: { maxRetries: 0 },
  });
  client.pipeline.addPolicy(requestLimit(ANSWER_MS));
  if (loopback) {
    client.pipeline.removePolicy({ name: bearerTokenAuthenticationPolicyName });
    client.pipeline.addPolicy({
      name: 'loopbackAuth',
      async sendRequest(request, next) {
        const token = await credential.getToken('loopback');
        request.headers.set('Authorization', `Bearer ${token?.token ?? ''}`);
        return next(request);
      },
    });
  }
  return client;
}
