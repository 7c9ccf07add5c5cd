// Where devices send readings, and where alarms go that others take from there. Devices and workers sign in with Entra; there are no keys.
import { principal } from 'types.bicep'

param location string
param tags object
param token string

@description('Log Analytics workspace that diagnostic settings send to.')
param logsId string
param privateNetwork bool

@description('Standard or Premium; Basic has neither capture nor consumer groups.')
@allowed([
  'Standard'
  'Premium'
])
param tier string

@description('Throughput units (1 MB/s or 1,000 events/s in, each) and, above it, how far it may grow by itself.')
param throughputUnits int
param maxThroughputUnits int

@description('Cannot be changed later on Standard: at most this many ingest workers share the work.')
@minValue(1)
@maxValue(32)
param partitions int
param retentionHours int
param hub string
param consumerGroup string

@description('Raw events to Blob by Event Hubs itself, in place of the ingest worker.')
param capture bool
param captureIdentityId string
param storageAccountId string
param captureIntervalSeconds int
param captureBytes int
param ingestPrincipalId string

@description('Who may send readings: gateways, applications.')
param senders principal[]

@description('The hub that control workers send alarms to.')
param alarmsHub string

@description('Principal of the control workers: they send alarms, and nothing to the hub of readings.')
param controlPrincipalId string

@description('Who may take alarms from their hub.')
param alarmReaders principal[]

var roles = loadJsonContent('roles.json')

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' = {
  name: 'evhns-${token}'
  location: location
  tags: tags
  sku: {
    name: tier
    tier: tier
    capacity: throughputUnits
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${captureIdentityId}': {}
    }
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    isAutoInflateEnabled: tier == 'Standard' && maxThroughputUnits > throughputUnits
    maximumThroughputUnits: tier == 'Standard' && maxThroughputUnits > throughputUnits ? maxThroughputUnits : 0
  }
}

resource readings 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: hub
  properties: union({
    partitionCount: partitions
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
  }, capture ? {
    captureDescription: {
      enabled: true
      encoding: 'Avro'
      intervalInSeconds: captureIntervalSeconds
      sizeLimitInBytes: captureBytes
      skipEmptyArchives: true
      destination: {
        name: 'EventHubArchive.AzureBlockBlob'
        identity: {
          type: 'UserAssigned'
          userAssignedIdentity: captureIdentityId
        }
        properties: {
          storageAccountResourceId: storageAccountId
          blobContainer: 'raw'
          archiveNameFormat: '{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}'
        }
      }
    }
  } : {})
}

resource group 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2026-01-01' = {
  parent: readings
  name: consumerGroup
  properties: {
    userMetadata: 'ingest workers of fleetscore'
  }
}

resource receiver 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(readings.id, 'ingest', 'Azure Event Hubs Data Receiver')
  scope: readings
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Event Hubs Data Receiver'])
    principalId: ingestPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// An assignment without a type fails while Entra has not told everybody of a new application (PrincipalNotFound).
resource senderGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for sender in senders: {
  name: guid(readings.id, sender.id, 'Azure Event Hubs Data Sender')
  scope: readings
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Event Hubs Data Sender'])
    principalId: sender.id
    principalType: any(sender.type)
  }
}]

// Few messages, in order: one partition. Who takes them makes consumer groups of his own, or uses $Default.
resource alarms 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: alarmsHub
  properties: {
    partitionCount: 1
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
  }
}

resource alarmSender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(alarms.id, 'control', 'Azure Event Hubs Data Sender')
  scope: alarms
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Event Hubs Data Sender'])
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource alarmReceivers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for reader in alarmReaders: {
  name: guid(alarms.id, reader.id, 'Azure Event Hubs Data Receiver')
  scope: alarms
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Event Hubs Data Receiver'])
    principalId: reader.id
    principalType: any(reader.type)
  }
}]

// What happened to the service itself; readings, predictions and payloads are not in it.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'fleetscore'
  scope: namespace
  properties: {
    workspaceId: logsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

output namespaceId string = namespace.id
output namespaceName string = namespace.name
output hostName string = '${namespace.name}.servicebus.windows.net'
