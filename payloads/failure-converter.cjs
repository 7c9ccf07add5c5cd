/**
 * Failures with messages and stack traces in a payload, where the codec encrypts them: they name sensors. CommonJS,
 * because Temporal's SDK loads it by path with `require`, in workers and in the bundle of workflows.
 */
const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
