// The workspace of Azure Machine Learning in which scoring jobs run, with the account and the vault that it wants, and the
// environment with our image. Its cluster comes later (scoring-cluster.bicep): it needs the private endpoint of this.
param location string
param tags object
param token string

@description('Log Analytics workspace that diagnostic settings send to.')
param logsId string
param privateNetwork bool
param insightsId string
param registryId string

@description('Image of the scoring worker; empty until it was published.')
param image string
param scoringPrincipalId string
param controlPrincipalId string
param poolOperatorRoleId string

var roles = loadJsonContent('roles.json')

// Azure ML keeps records of jobs in an account and a vault of its own: ours hold nothing of it.
resource jobStorage 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'stml${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource jobVault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: 'kvml-${token}'
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
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' = {
  name: 'mlw-${token}'
  location: location
  tags: tags
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    friendlyName: 'fleetscore'
    storageAccount: jobStorage.id
    keyVault: jobVault.id
    applicationInsights: insightsId
    containerRegistry: registryId
    systemDatastoresAuthMode: 'identity'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    v1LegacyMode: false
  }
}

resource scoringEnvironment 'Microsoft.MachineLearningServices/workspaces/environments@2025-06-01' = {
  parent: workspace
  name: 'fleetscore-scoring'
  properties: {
    description: 'Image of the scoring worker'
  }
}

// A version never changes: another image is another version.
resource scoringVersion 'Microsoft.MachineLearningServices/workspaces/environments/versions@2025-06-01' = if (!empty(image)) {
  parent: scoringEnvironment
  name: uniqueString(image)
  properties: {
    image: image
    osType: 'Linux'
  }
}

resource poolOperator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, 'control', 'pool-operator')
  scope: workspace
  properties: {
    roleDefinitionId: poolOperatorRoleId
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Jobs keep their records (standard output, snapshots) here, as the cluster's identity.
resource jobRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobStorage.id, 'scoring', 'Storage Blob Data Contributor')
  scope: jobStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Contributor'])
    principalId: scoringPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// What happened to the service itself; readings, predictions and payloads are not in it.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'fleetscore'
  scope: workspace
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

output workspaceId string = workspace.id
output workspaceName string = workspace.name
output jobStorageId string = jobStorage.id
output jobVaultId string = jobVault.id
output environmentVersionId string = empty(image) ? '' : scoringVersion.id
