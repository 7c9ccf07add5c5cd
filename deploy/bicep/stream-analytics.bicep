// Optional, in place of the ingest worker: the same filter and windows as a managed job. See stream-analytics/. It is made
// stopped, so without outputStartMode ("only if the job is to start upon creation", its reference): its table and user come
// with the database job. The hooks stop it before a change, which a running job refuses (409), and start it afterwards.
param location string
param tags object
param token string
param hub string
param namespaceName string
param consumerGroup string
param sqlHost string
param sqlDatabase string

@description('1, 3, 6 and multiples of 6.')
param streamingUnits int

@description('Identity of the job: reads the hub, inserts into stream_windows.')
param identityId string
param principalId string

@description('Readings may come this late, and this much out of order; the same as FLEETSCORE_OUT_OF_ORDER.')
param lateSeconds int
param outOfOrderSeconds int

var roles = loadJsonContent('roles.json')

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' existing = {
  name: namespaceName
}

resource readings 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' existing = {
  parent: namespace
  name: hub
}

// A preview version: the newest stable one, 2020-03-01, knows neither user-assigned identities nor their sign-in.
resource job 'Microsoft.StreamAnalytics/streamingjobs@2021-10-01-preview' = {
  name: 'asa-${token}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    sku: {
      name: 'Standard'
    }
    compatibilityLevel: '1.2'
    jobType: 'Cloud'
    contentStoragePolicy: 'SystemAccount'
    eventsLateArrivalMaxDelayInSeconds: lateSeconds
    eventsOutOfOrderMaxDelayInSeconds: outOfOrderSeconds
    eventsOutOfOrderPolicy: 'Drop'
    // A row that does not fit is dropped and counted; stopping would lose all the others.
    outputErrorPolicy: 'Drop'
    inputs: [
      {
        name: 'readings'
        properties: {
          type: 'Stream'
          datasource: {
            type: 'Microsoft.EventHub/EventHub'
            properties: {
              authenticationMode: 'Msi'
              serviceBusNamespace: namespaceName
              eventHubName: hub
              consumerGroupName: consumerGroup
            }
          }
          serialization: {
            type: 'Json'
            properties: {
              encoding: 'UTF8'
            }
          }
        }
      }
    ]
    outputs: [
      {
        name: 'stream_windows'
        properties: {
          datasource: {
            type: 'Microsoft.Sql/Server/Database'
            properties: {
              authenticationMode: 'Msi'
              server: sqlHost
              database: sqlDatabase
              table: 'stream_windows'
              maxBatchCount: 10000
              maxWriterCount: 0
            }
          }
        }
      }
    ]
    transformation: {
      name: 'windows'
      properties: {
        streamingUnits: streamingUnits
        query: loadTextContent('../stream-analytics/readings.asaql')
      }
    }
  }
}

resource receiver 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(readings.id, 'stream-analytics', 'Azure Event Hubs Data Receiver')
  scope: readings
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Event Hubs Data Receiver'])
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output jobId string = job.id
