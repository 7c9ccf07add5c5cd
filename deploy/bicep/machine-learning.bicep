// The pool of scoring machines: a compute cluster that has no node while nothing is to be scored. A node comes
// with each job that the control worker submits, and goes when its worker has been idle.
param location string
param tags object
param token string
param privateNetwork bool
param subnetId string
param insightsId string
param registryId string

param clusterName string
param vmSize string

@description('LowPriority is about a fifth of the price; Azure may take nodes away at any time.')
@allowed([
  'Dedicated'
  'LowPriority'
])
param vmPriority string

@minValue(1)
param maxNodes int

@description('ISO 8601; how long a node that has no job stays.')
param idleBeforeScaleDown string

@description('Image of the scoring worker; empty until the first deployment of the workers.')
param image string
param scoringIdentityId string
param scoringPrincipalId string
param controlPrincipalId string
param poolOperatorRoleId string

var roles = loadJsonContent('roles.json')

// Azure ML keeps records of jobs in an account and a vault of its own: ours hold nothing of it.
resource jobStorage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
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

resource jobVault 'Microsoft.KeyVault/vaults@2023-07-01' = {
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

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: workspace
  name: clusterName
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${scoringIdentityId}': {}
    }
  }
  properties: {
    computeType: 'AmlCompute'
    disableLocalAuth: true
    properties: union({
      osType: 'Linux'
      vmSize: vmSize
      vmPriority: vmPriority
      remoteLoginPortPublicAccess: 'Disabled'
      enableNodePublicIp: !privateNetwork
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: maxNodes
        nodeIdleTimeBeforeScaleDown: idleBeforeScaleDown
      }
    }, privateNetwork ? {
      subnet: {
        id: subnetId
      }
    } : {})
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

output workspaceId string = workspace.id
output workspaceName string = workspace.name
output clusterName string = cluster.name
output jobStorageId string = jobStorage.id
output jobVaultId string = jobVault.id
output environmentVersionId string = empty(image) ? '' : scoringVersion.id
