// Azure Monitor alert rules over the metrics of Application Insights: those of monitoring/prometheus-alerts.yaml that a
// person must hear of. Metrics come as differences with a sum and a count; a gauge is valueSum / valueCount.
param location string
param tags object
param insightsId string

@description('Who is told; without, rules fire in the portal only.')
param email string

@description('In the currency of the price file, for all pools together.')
param costPerDay int = 50

var rules = [
  {
    name: 'BatchFailed'
    severity: 1
    title: 'fleetscore: A batch failed'
    description: 'batches that failed in the last quarter of an hour: `fleetscore status` shows them, `fleetscore batch show ID` the causes'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_batches_total" and tostring(customDimensions.status) == "failed" | summarize total = sum(valueSum) | where total > 0'
  }
  {
    name: 'PeriodsMissed'
    severity: 2
    title: 'fleetscore: Periods of a schedule were not scored'
    description: '`fleetscore gaps` lists them with the command that scores them'
    window: 'PT30M'
    every: 'PT15M'
    query: 'customMetrics | where name == "fleetscore_schedule_unscored_periods" and tostring(customDimensions.state) == "missing" | summarize missed = max(valueSum / valueCount) by schedule = tostring(customDimensions.schedule) | where missed > 0'
  }
  {
    name: 'WorkflowStuck'
    severity: 1
    title: 'fleetscore: Workflows do not go on'
    description: '`fleetscore doctor` names them'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_workflows_stuck" | summarize arg_max(timestamp, valueSum, valueCount) | where valueSum / valueCount > 0'
  }
  {
    name: 'BatchWaits'
    severity: 1
    title: 'fleetscore: A batch waits for more than an hour'
    description: 'do its readings not come, or is no control worker there? `fleetscore doctor`'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_batch_oldest_waiting_seconds" | summarize arg_max(timestamp, valueSum, valueCount) | where valueSum / valueCount > 3600'
  }
  {
    name: 'SensorsSkipped'
    severity: 2
    title: 'fleetscore: More than a fifth of the sensors were skipped'
    description: 'no readings, or no model in the release'
    window: 'PT1H'
    every: 'PT15M'
    query: 'customMetrics | where name in ("fleetscore_last_batch_skipped_sensors", "fleetscore_last_batch_sensors") | summarize arg_max(timestamp, valueSum, valueCount) by name, schedule = tostring(customDimensions.schedule) | extend value = valueSum / valueCount | summarize skipped = sumif(value, name == "fleetscore_last_batch_skipped_sensors"), sensors = sumif(value, name == "fleetscore_last_batch_sensors") by schedule | where skipped > 0.2 * sensors'
  }
  {
    name: 'IngestLag'
    severity: 2
    title: 'fleetscore: Ingest falls behind'
    description: 'events wait; `fleetscore status`'
    window: 'PT30M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_ingest_hub_lag_events" | summarize lag = max(valueSum / valueCount) by partition = tostring(customDimensions.partition), bin(timestamp, 10m) | summarize lag = sum(lag) by timestamp | summarize least = min(lag) | where least > 10000'
  }
  {
    name: 'PartitionsUnread'
    severity: 1
    title: 'fleetscore: Nobody, or a stranger, reads partitions of the event hub'
    description: '`fleetscore status` names those that nobody reads; a stranger is another program on the consumer group of fleetscore'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_ingest_hub_partitions" and tostring(customDimensions.held_by) in ("nobody", "stranger") | summarize unread = max(valueSum / valueCount) by held_by = tostring(customDimensions.held_by), bin(timestamp, 5m) | summarize least = min(unread) by held_by | where least > 0'
  }
  {
    name: 'HubChanged'
    severity: 1
    title: 'fleetscore: Partitions are not those that were read before'
    description: 'they are left alone; `fleetscore ingest status` says what differs and what to do'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_ingest_partition_problem" | summarize arg_max(timestamp, valueSum, valueCount) by partition = tostring(customDimensions.partition) | where valueSum / valueCount > 0'
  }
  {
    name: 'StandsStill'
    severity: 1
    title: 'fleetscore: A worker has work and does not get on, though the services answer'
    description: 'it ends by itself and a new one takes over; if it comes again, `fleetscore logs --level error`'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_ingest_stalled_partitions" and valueSum / valueCount > 0 or name == "fleetscore_scoring_oldest_chunk_seconds" and valueSum / valueCount > 660 | summarize last = max(timestamp) by name'
  }
  {
    name: 'DropFailed'
    severity: 2
    title: 'fleetscore: Files of the drop could not be read'
    description: '`fleetscore drop list --failed` says why, and what to do'
    window: 'PT30M'
    every: 'PT15M'
    query: 'customMetrics | where name == "fleetscore_drop_files_total" and tostring(customDimensions.result) == "failed" | summarize total = sum(valueSum) | where total > 0'
  }
  {
    name: 'StoreDown'
    severity: 1
    title: 'fleetscore: The store does not answer'
    description: '`fleetscore doctor`'
    window: 'PT15M'
    every: 'PT5M'
    query: 'customMetrics | where name == "fleetscore_store_up" | summarize up = max(valueSum / valueCount) | where up == 0'
  }
  {
    name: 'PoolCannotGrow'
    severity: 1
    title: 'fleetscore: Nodes do not come'
    description: 'quota, image, or rights: `fleetscore pool` says'
    window: 'PT30M'
    every: 'PT15M'
    query: 'customMetrics | where name == "fleetscore_pool_failures_in_a_row" | summarize arg_max(timestamp, valueSum, valueCount) by pool = tostring(customDimensions.pool) | where valueSum / valueCount >= 3'
  }
  {
    name: 'CostOfDay'
    severity: 3
    title: 'fleetscore: Scoring cost more than the limit in a day'
    description: 'the limit is costPerDay in alerts.bicep; needs FLEETSCORE_PRICES_FILE'
    window: 'PT1H'
    every: 'PT1H'
    query: 'customMetrics | where name == "fleetscore_pool_cost_last_day" | summarize arg_max(timestamp, valueSum, valueCount) by pool = tostring(customDimensions.pool) | summarize cost = sum(valueSum / valueCount) | where cost > ${costPerDay}'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'fleetscore-operators'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'fleetscore'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [for rule in rules: {
  name: 'fleetscore-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [
      insightsId
    ]
    evaluationFrequency: rule.every
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    actions: {
      actionGroups: empty(email) ? [] : [
        people.id
      ]
    }
  }
}]
