/** Search attributes of batches, for lists and filters in the Web UI. Registered by the control worker. */
import { defineSearchAttributeKey } from '@temporalio/common';

export const ATTRIBUTES = {
  batch: defineSearchAttributeKey('FleetscoreBatch', 'KEYWORD'),
  phase: defineSearchAttributeKey('FleetscorePhase', 'KEYWORD'),
  release: defineSearchAttributeKey('FleetscoreRelease', 'KEYWORD'),
  periodStart: defineSearchAttributeKey('FleetscorePeriodStart', 'DATETIME'),
  periodEnd: defineSearchAttributeKey('FleetscorePeriodEnd', 'DATETIME'),
  failed: defineSearchAttributeKey('FleetscoreFailed', 'INT'),
  anomalies: defineSearchAttributeKey('FleetscoreAnomalies', 'INT'),
} as const;

/** Set by Temporal on workflows that a schedule started. */
export const SCHEDULED_START_TIME = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');
export const SCHEDULED_BY_ID = defineSearchAttributeKey('TemporalScheduledById', 'KEYWORD');
