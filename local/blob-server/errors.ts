/**
 * Refusals in the words of the Blob service: status, code and a sentence. Codes and statuses are those of its
 * REST reference ("Blob service error codes"), because clients decide by them.
 */

/** Thrown anywhere below a request; becomes the answer. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const invalid = (code: string, message: string): ServiceError => new ServiceError(400, code, message);
export const containerNotFound = (name: string): ServiceError =>
  new ServiceError(404, 'ContainerNotFound', `The specified container does not exist: ${name}.`);
export const blobNotFound = (): ServiceError =>
  new ServiceError(404, 'BlobNotFound', 'The specified blob does not exist.');
export const conditionNotMet = (): ServiceError =>
  new ServiceError(412, 'ConditionNotMet', 'The condition specified using HTTP conditional header(s) is not met.');
export const notImplemented = (what: string): ServiceError =>
  new ServiceError(501, 'NotImplemented', `The Blob server of the laptop stack has no ${what}.`);
