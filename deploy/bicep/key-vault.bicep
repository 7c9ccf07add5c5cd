// Holds what Temporal needs and nothing else has: an API key, or a client certificate and its key; and the keys that
// payloads of workflows are encrypted with.
import { operator, temporalReaders } from 'types.bicep'

param location string
param tags object
param token string

@description('Log Analytics workspace that diagnostic settings send to.')
param logsId string
param privateNetwork bool
param purgeProtection bool

@description('Workers that connect to Temporal.')
param principals temporalReaders

@description('Values to store; empty ones are left as they are in the vault.')
@secure()
param temporalApiKey string
@description('The scoring workers\' own; that of the control workers when empty.')
@secure()
param temporalScoringApiKey string
@secure()
param temporalClientCertificate string
@secure()
param temporalClientKey string
@description('The scoring workers\' own certificate and key; those of the control workers when empty.')
@secure()
param temporalScoringClientCertificate string
@secure()
param temporalScoringClientKey string
@secure()
param payloadKeys string

@description('Who may read the keys of payloads, and no other secret.')
param operators operator[]

var roles = loadJsonContent('roles.json')

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: 'kv-${token}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    // Once on it cannot be turned off, and the name is blocked until the retention is over.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource apiKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(temporalApiKey)) {
  parent: vault
  name: 'temporal-api-key'
  properties: {
    value: temporalApiKey
  }
}

// Of the scoring workers, where foreign models run: what is their own can be given less and revoked alone.
resource scoringApiKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(temporalApiKey)) {
  parent: vault
  name: 'scoring-temporal-api-key'
  properties: {
    value: empty(temporalScoringApiKey) ? temporalApiKey : temporalScoringApiKey
  }
}

resource certificate 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(temporalClientCertificate)) {
  parent: vault
  name: 'temporal-client-certificate'
  properties: {
    value: temporalClientCertificate
  }
}

resource key 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(temporalClientKey)) {
  parent: vault
  name: 'temporal-client-key'
  properties: {
    value: temporalClientKey
  }
}

resource scoringCertificate 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(temporalClientCertificate)) {
  parent: vault
  name: 'scoring-temporal-client-certificate'
  properties: {
    value: empty(temporalScoringClientCertificate) ? temporalClientCertificate : temporalScoringClientCertificate
  }
}

resource scoringKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(temporalClientKey)) {
  parent: vault
  name: 'scoring-temporal-client-key'
  properties: {
    value: empty(temporalScoringClientKey) ? temporalClientKey : temporalScoringClientKey
  }
}

resource payloadKeysSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(payloadKeys)) {
  parent: vault
  name: 'payload-keys'
  properties: {
    value: payloadKeys
  }
}

// The same keys: encryption is symmetric, and both kinds of workers read each other's payloads. A secret of its own, so that
// what scoring may read is named for it alone, and can be taken from it alone.
resource scoringPayloadKeys 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(payloadKeys)) {
  parent: vault
  name: 'scoring-payload-keys'
  properties: {
    value: payloadKeys
  }
}

// This one secret, not what signs in to Temporal.
resource operatorReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for person in (empty(payloadKeys) ? [] : operators): {
  name: guid(vault.id, person.id, 'payload-keys')
  scope: payloadKeysSecret
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
    principalId: person.id
    principalType: any(person.type)
  }
}]

// A role a secret and a worker, never on the vault: what else comes to lie there is not theirs. With no sign-in to
// Temporal and no payload keys, nobody but the operator reads anything.
var readers = concat(empty(temporalApiKey) ? [] : [
  { kind: 'control', secret: 'temporal-api-key' }
  { kind: 'scoring', secret: 'scoring-temporal-api-key' }
], empty(temporalClientCertificate) ? [] : [
  { kind: 'control', secret: 'temporal-client-certificate' }
  { kind: 'scoring', secret: 'scoring-temporal-client-certificate' }
], empty(temporalClientKey) ? [] : [
  { kind: 'control', secret: 'temporal-client-key' }
  { kind: 'scoring', secret: 'scoring-temporal-client-key' }
], empty(payloadKeys) ? [] : [
  { kind: 'control', secret: 'payload-keys' }
  { kind: 'scoring', secret: 'scoring-payload-keys' }
])
resource read 'Microsoft.KeyVault/vaults/secrets@2025-05-01' existing = [for reader in readers: {
  parent: vault
  name: reader.secret
}]

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (reader, i) in readers: {
  name: guid(vault.id, reader.kind, reader.secret)
  scope: read[i]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
    principalId: principals[reader.kind]
    principalType: 'ServicePrincipal'
  }
  dependsOn: [
    apiKey
    scoringApiKey
    certificate
    scoringCertificate
    key
    scoringKey
    payloadKeysSecret
    scoringPayloadKeys
  ]
}]

// What happened to the service itself; readings, predictions and payloads are not in it.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'fleetscore'
  scope: vault
  properties: {
    workspaceId: logsId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

output vaultId string = vault.id
output vaultName string = vault.name
output vaultUri string = vault.properties.vaultUri
