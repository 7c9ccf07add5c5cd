// Holds what Temporal needs and nothing else has: an API key, or a client certificate and its key; and the keys that
// payloads of workflows are encrypted with.
param location string
param tags object
param token string
param privateNetwork bool
param purgeProtection bool

@description('Workers that connect to Temporal.')
param readerPrincipalIds array

@description('Values to store; empty ones are left as they are in the vault.')
@secure()
param temporalApiKey string
@secure()
param temporalClientCertificate string
@secure()
param temporalClientKey string
@secure()
param payloadKeys string

@description('Who may read the keys of payloads, for commands and the codec server; nobody when empty.')
param operatorId string
param operatorType string

var roles = loadJsonContent('roles.json')

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
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

resource apiKey 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(temporalApiKey)) {
  parent: vault
  name: 'temporal-api-key'
  properties: {
    value: temporalApiKey
  }
}

resource certificate 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(temporalClientCertificate)) {
  parent: vault
  name: 'temporal-client-certificate'
  properties: {
    value: temporalClientCertificate
  }
}

resource key 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(temporalClientKey)) {
  parent: vault
  name: 'temporal-client-key'
  properties: {
    value: temporalClientKey
  }
}

resource payloadKeysSecret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(payloadKeys)) {
  parent: vault
  name: 'payload-keys'
  properties: {
    value: payloadKeys
  }
}

// This one secret, not what signs in to Temporal.
resource operatorReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(payloadKeys) && !empty(operatorId)) {
  name: guid(vault.id, 'operator', 'payload-keys')
  scope: payloadKeysSecret
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
    principalId: operatorId
    principalType: operatorType
  }
}

resource readers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (principal, i) in readerPrincipalIds: {
  name: guid(vault.id, string(i), 'Key Vault Secrets User')
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}]

output vaultId string = vault.id
output vaultName string = vault.name
output vaultUri string = vault.properties.vaultUri
