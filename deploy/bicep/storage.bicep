// Blob storage: the containers of domain/blob-names.ts, who may do what in each, and how long things stay.
import { blobPrincipals, operator, principal } from 'types.bicep'

param location string
param tags object

@minLength(13)
param token string
param sku string
param privateNetwork bool

@description('Principals by kind of worker.')
param principals blobPrincipals

@description('Who imports models and reads predictions.')
param operators operator[]

@description('Log Analytics workspace that diagnostic settings send to.')
param logsId string

@description('Days until raw captures move to the cool tier, and until they are deleted.')
param rawCoolDays int
param rawDeleteDays int

@description('Days until predictions move to the cool tier, and until they are deleted (0: never).')
param predictionsCoolDays int
param predictionsDeleteDays int

@description('Days until logs, dead letters and the pages of a batch on the site are deleted.')
param logsDeleteDays int

@description('Days until files in the drop are deleted, counted from their last change (0: never).')
param dropDeleteDays int

@description('Who may put files into the drop, beside operators.')
param dropWriters principal[]

@description('Role that may create containers and nothing else: workers make sure at their start that all are there.')
param containerCreatorRoleId string

var roles = loadJsonContent('roles.json')

var containerNames = [
  'models'
  'raw'
  'predictions'
  'drop'
  'deadletters'
  'checkpoints'
  'logs'
  'site'
]

// What each worker does in each container. Nobody but operators writes models.
var grants = [
  { kind: 'control', container: 'models', role: 'Storage Blob Data Reader' }
  { kind: 'control', container: 'predictions', role: 'Storage Blob Data Contributor' }
  { kind: 'control', container: 'logs', role: 'Storage Blob Data Contributor' }
  { kind: 'control', container: 'site', role: 'Storage Blob Data Contributor' }
  { kind: 'ingest', container: 'drop', role: 'Storage Blob Data Reader' }
  { kind: 'ingest', container: 'checkpoints', role: 'Storage Blob Data Contributor' }
  { kind: 'ingest', container: 'raw', role: 'Storage Blob Data Contributor' }
  { kind: 'ingest', container: 'deadletters', role: 'Storage Blob Data Contributor' }
  { kind: 'ingest', container: 'logs', role: 'Storage Blob Data Contributor' }
  { kind: 'scoring', container: 'models', role: 'Storage Blob Data Reader' }
  { kind: 'scoring', container: 'predictions', role: 'Storage Blob Data Contributor' }
  { kind: 'scoring', container: 'logs', role: 'Storage Blob Data Contributor' }
  { kind: 'capture', container: 'raw', role: 'Storage Blob Data Contributor' }
]

var operatorGrants = [
  { container: 'models', role: 'Storage Blob Data Contributor' }
  { container: 'predictions', role: 'Storage Blob Data Reader' }
  { container: 'raw', role: 'Storage Blob Data Reader' }
  { container: 'deadletters', role: 'Storage Blob Data Contributor' }
  { container: 'drop', role: 'Storage Blob Data Contributor' }
  { container: 'logs', role: 'Storage Blob Data Reader' }
  { container: 'site', role: 'Storage Blob Data Reader' }
]

// Both create missing containers when they start, which needs that right on each of them.
var containerCreators = [
  'control'
  'ingest'
]

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'st${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      // Event Hubs Capture comes as a trusted service where the network is closed.
      bypass: 'AzureServices'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = [for name in containerNames: {
  parent: blobService
  name: name
  properties: {
    publicAccess: 'None'
  }
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: concat([
        {
          name: 'raw'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                'raw/'
              ]
            }
            actions: {
              baseBlob: {
                tierToCool: {
                  daysAfterModificationGreaterThan: rawCoolDays
                }
                delete: {
                  daysAfterModificationGreaterThan: rawDeleteDays
                }
              }
            }
          }
        }
        {
          name: 'predictions-cool'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                'predictions/'
              ]
            }
            actions: {
              baseBlob: {
                tierToCool: {
                  daysAfterModificationGreaterThan: predictionsCoolDays
                }
              }
            }
          }
        }
        {
          name: 'logs-and-dead-letters'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              // Append blobs can be deleted, but not moved to another tier.
              blobTypes: [
                'blockBlob'
                'appendBlob'
              ]
              prefixMatch: [
                'logs/'
                'deadletters/'
                'site/batches/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: logsDeleteDays
                }
              }
            }
          }
        }
      ], dropDeleteDays == 0 ? [] : [
        {
          name: 'drop'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
                'appendBlob'
              ]
              prefixMatch: [
                'drop/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: dropDeleteDays
                }
              }
            }
          }
        }
      ], predictionsDeleteDays == 0 ? [] : [
        {
          name: 'predictions-delete'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                'predictions/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: predictionsDeleteDays
                }
              }
            }
          }
        }
      ])
    }
  }
}

resource workerGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in grants: {
  name: guid(account.id, grant.kind, grant.container, grant.role)
  scope: containers[indexOf(containerNames, grant.container)]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    principalId: principals[grant.kind]
    principalType: 'ServicePrincipal'
  }
}]

resource dropGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for writer in dropWriters: {
  name: guid(account.id, writer.id, 'drop', 'Storage Blob Data Contributor')
  scope: containers[indexOf(containerNames, 'drop')]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Contributor'])
    principalId: writer.id
    principalType: any(writer.type)
  }
}]

resource creatorGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for kind in containerCreators: {
  name: guid(account.id, kind, 'container-creator')
  scope: account
  properties: {
    roleDefinitionId: containerCreatorRoleId
    principalId: principals[kind]
    principalType: 'ServicePrincipal'
  }
}]

// Every operator with every grant, one after the other.
resource peopleGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for i in range(0, length(operators) * length(operatorGrants)): {
  name: guid(account.id, operators[i / length(operatorGrants)].id, operatorGrants[i % length(operatorGrants)].container, operatorGrants[i % length(operatorGrants)].role)
  scope: containers[indexOf(containerNames, operatorGrants[i % length(operatorGrants)].container)]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[operatorGrants[i % length(operatorGrants)].role])
    principalId: operators[i / length(operatorGrants)].id
    principalType: any(operators[i / length(operatorGrants)].type)
  }
}]

// What happened to the service itself; readings, predictions and payloads are not in it.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'fleetscore'
  scope: blobService
  properties: {
    workspaceId: logsId
    logs: [
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
  }
}

output accountId string = account.id
output accountName string = account.name
output blobUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}'
