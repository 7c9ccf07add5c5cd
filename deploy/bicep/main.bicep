// fleetscore in a subscription of one's own: one resource group with all of it. Sizes come from profiles/.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the azd environment; names the resource group.')
param environmentName string

@description('Region of everything.')
param location string

@description('Sizes: tryout is cheap and reachable from the internet with an Entra token; production is private.')
@allowed([
  'tryout'
  'production'
])
param profile string = 'tryout'

@description('Who makes windows of readings: the ingest worker, or a Stream Analytics job with Event Hubs Capture.')
@allowed([
  'worker'
  'streamAnalytics'
])
param ingestBy string = 'worker'

@description('Object id of the person or group that imports models, reads predictions and sends test readings.')
param operatorId string = ''

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorType string = 'User'

@description('Principals of gateways or applications that send readings.')
param senderPrincipalIds array = []

@description('host:port of the Temporal server: Temporal Cloud, or one of your own that this network reaches.')
param temporalAddress string
param temporalNamespace string = 'default'

@allowed([
  'none'
  'apiKey'
  'mtls'
])
param temporalAuth string = 'apiKey'

@secure()
param temporalApiKey string = ''

@description('An API key of the scoring workers alone; they get a copy of the other when this is empty.')
@secure()
param temporalScoringApiKey string = ''

@secure()
param temporalClientCertificate string = ''

@secure()
param temporalClientKey string = ''

@description('Whether payloads of workflows are encrypted; the keys stay in the vault when none are given here.')
@allowed([
  'off'
  'on'
])
param payloadEncryption string = 'off'

@description('As FLEETSCORE_PAYLOAD_KEYS in config.ts: the first key encrypts, all decrypt.')
@secure()
param payloadKeys string = ''

@description('Set by azd after the first deployment of the workers.')
param controlImage string = ''
param ingestImage string = ''

@description('The same meaning and default as the environment variable of the same name in config.ts.')
param hub string = 'readings'
param window string = '5s'
param hop string = window
param outOfOrderSeconds int = 30
param scoringQueue string = 'scoring'
param logLevel string = 'info'
param consumerGroup string = 'fleetscore'

var sizes = profile == 'production' ? loadJsonContent('profiles/production.json') : loadJsonContent('profiles/tryout.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
  application: 'fleetscore'
}
var streamAnalytics = ingestBy == 'streamAnalytics'

// Order matters: identities are picked by position below.
var kinds = [
  'control'
  'ingest'
  'scoring'
  'capture'
  'database'
  'stream'
]

var blobZone = 'privatelink.blob.${environment().suffixes.storage}'
var fileZone = 'privatelink.file.${environment().suffixes.storage}'
var sqlZone = 'privatelink${environment().suffixes.sqlServerHostname}'
var eventHubsZone = 'privatelink.servicebus.windows.net'
var vaultZone = 'privatelink.vaultcore.azure.net'
var registryZone = 'privatelink.azurecr.io'
var workspaceZone = 'privatelink.api.azureml.ms'
var notebooksZone = 'privatelink.notebooks.azure.net'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'identities.bicep' = {
  name: 'identities'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    kinds: kinds
  }
}

module customRoles 'custom-roles.bicep' = {
  name: 'custom-roles'
  scope: group
  params: {
    token: token
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    retentionDays: sizes.logRetentionDays
    dailyCapGb: sizes.logDailyCapGb
  }
}

module network 'network.bicep' = if (sizes.privateNetwork) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    zoneNames: [
      blobZone
      fileZone
      sqlZone
      eventHubsZone
      vaultZone
      registryZone
      workspaceZone
      notebooksZone
    ]
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    sku: sizes.storageSku
    privateNetwork: sizes.privateNetwork
    principals: {
      control: identities.outputs.principalIds[0]
      ingest: identities.outputs.principalIds[1]
      scoring: identities.outputs.principalIds[2]
      capture: identities.outputs.principalIds[3]
    }
    operatorId: operatorId
    operatorType: operatorType
    rawCoolDays: sizes.rawCoolDays
    rawDeleteDays: sizes.rawDeleteDays
    predictionsCoolDays: sizes.predictionsCoolDays
    predictionsDeleteDays: sizes.predictionsDeleteDays
    logsDeleteDays: sizes.logsDeleteDays
    containerCreatorRoleId: customRoles.outputs.containerCreatorId
  }
}

module eventHubs 'event-hubs.bicep' = {
  name: 'event-hubs'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    tier: sizes.eventHubsTier
    throughputUnits: sizes.throughputUnits
    maxThroughputUnits: sizes.maxThroughputUnits
    partitions: sizes.partitions
    retentionHours: sizes.retentionHours
    hub: hub
    consumerGroup: consumerGroup
    // The ingest worker writes the raw events itself, in the same layout; two writers would store them twice.
    capture: streamAnalytics
    captureIdentityId: identities.outputs.ids[3]
    storageAccountId: storage.outputs.accountId
    captureIntervalSeconds: 60
    captureBytes: 10485760
    ingestPrincipalId: identities.outputs.principalIds[1]
    senderPrincipalIds: empty(operatorId) ? senderPrincipalIds : union(senderPrincipalIds, [
      operatorId
    ])
  }
}

module sql 'sql.bicep' = {
  name: 'sql'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    adminName: identities.outputs.names[4]
    adminPrincipalId: identities.outputs.principalIds[4]
    skuName: sizes.sqlSku
    cores: sizes.sqlCores
    minCores: sizes.sqlMinCores
    autoPauseMinutes: sizes.sqlAutoPauseMinutes
    maxSizeGb: sizes.sqlMaxSizeGb
    zoneRedundant: sizes.sqlZoneRedundant
    backupRedundancy: sizes.sqlBackupRedundancy
  }
}

module keyVault 'key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    purgeProtection: sizes.purgeProtection
    principals: {
      control: identities.outputs.principalIds[0]
      scoring: identities.outputs.principalIds[2]
    }
    temporalApiKey: temporalApiKey
    temporalScoringApiKey: temporalScoringApiKey
    temporalClientCertificate: temporalClientCertificate
    temporalClientKey: temporalClientKey
    payloadKeys: payloadKeys
    operatorId: operatorId
    operatorType: operatorType
  }
}

module registry 'registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    sku: sizes.registrySku
    privateNetwork: sizes.privateNetwork
    pullPrincipalIds: [
      identities.outputs.principalIds[0]
      identities.outputs.principalIds[1]
      identities.outputs.principalIds[2]
      identities.outputs.principalIds[4]
    ]
  }
}

module machineLearning 'machine-learning.bicep' = {
  name: 'machine-learning'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    subnetId: sizes.privateNetwork ? network.outputs.computeSubnetId : ''
    insightsId: monitoring.outputs.insightsId
    registryId: registry.outputs.registryId
    // The cluster is named after the task queue that its workers poll.
    clusterName: scoringQueue
    vmSize: sizes.vmSize
    vmPriority: sizes.vmPriority
    maxNodes: sizes.maxNodes
    idleBeforeScaleDown: sizes.idleBeforeScaleDown
    image: controlImage
    scoringIdentityId: identities.outputs.ids[2]
    scoringPrincipalId: identities.outputs.principalIds[2]
    controlPrincipalId: identities.outputs.principalIds[0]
    poolOperatorRoleId: customRoles.outputs.poolOperatorId
  }
}

module workers 'workers.bicep' = {
  name: 'workers'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    subnetId: sizes.privateNetwork ? network.outputs.appsSubnetId : ''
    logsName: monitoring.outputs.logsName
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    registryServer: registry.outputs.loginServer
    controlImage: controlImage
    ingestImage: ingestImage
    identityIds: {
      control: identities.outputs.ids[0]
      ingest: identities.outputs.ids[1]
      database: identities.outputs.ids[4]
    }
    clientIds: {
      control: identities.outputs.clientIds[0]
      ingest: identities.outputs.clientIds[1]
      database: identities.outputs.clientIds[4]
    }
    controlReplicas: sizes.controlReplicas
    ingestReplicas: streamAnalytics ? 0 : sizes.ingestReplicas
    controlCpu: sizes.controlCpu
    controlMemory: sizes.controlMemory
    ingestCpu: sizes.ingestCpu
    ingestMemory: sizes.ingestMemory
    sqlHost: sql.outputs.host
    sqlDatabase: sql.outputs.databaseName
    blobUrl: storage.outputs.blobUrl
    eventHubsHost: eventHubs.outputs.hostName
    hub: hub
    consumerGroup: consumerGroup
    window: window
    hop: hop
    scoringQueue: scoringQueue
    logLevel: logLevel
    pool: {
      workspaceId: machineLearning.outputs.workspaceId
      cluster: machineLearning.outputs.clusterName
      environmentId: machineLearning.outputs.environmentVersionId
      subnetId: sizes.privateNetwork ? network.outputs.computeSubnetId : ''
      identityId: identities.outputs.ids[2]
      clientId: identities.outputs.clientIds[2]
      vmSize: sizes.vmSize
      vmPriority: sizes.vmPriority
      maxNodes: sizes.maxNodes
    }
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    vaultUri: keyVault.outputs.vaultUri
    payloadEncryption: payloadEncryption == 'on'
    streamAnalytics: streamAnalytics
    databaseUsers: concat([
      { name: identities.outputs.names[0], id: identities.outputs.clientIds[0], kind: 'control', type: 'E' }
      { name: identities.outputs.names[1], id: identities.outputs.clientIds[1], kind: 'ingest', type: 'E' }
      { name: identities.outputs.names[2], id: identities.outputs.clientIds[2], kind: 'scoring', type: 'E' }
    ], streamAnalytics ? [
      { name: identities.outputs.names[5], id: identities.outputs.clientIds[5], kind: 'stream', type: 'E' }
    ] : [], empty(operatorId) || operatorType == 'ServicePrincipal' ? [] : [
      { name: 'fleetscore-operator', id: operatorId, kind: 'operator', type: operatorType == 'Group' ? 'X' : 'E' }
    ])
  }
}

module streamJob 'stream-analytics.bicep' = if (streamAnalytics) {
  name: 'stream-analytics'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    hub: hub
    namespaceName: eventHubs.outputs.namespaceName
    consumerGroup: consumerGroup
    sqlHost: sql.outputs.host
    sqlDatabase: sql.outputs.databaseName
    streamingUnits: sizes.streamingUnits
    lateSeconds: outOfOrderSeconds
    outOfOrderSeconds: outOfOrderSeconds
    identityId: identities.outputs.ids[5]
    principalId: identities.outputs.principalIds[5]
  }
}

var endpoints = [
  { name: 'blob', serviceId: storage.outputs.accountId, groupId: 'blob', zones: [ blobZone ] }
  { name: 'event-hubs', serviceId: eventHubs.outputs.namespaceId, groupId: 'namespace', zones: [ eventHubsZone ] }
  { name: 'sql', serviceId: sql.outputs.serverId, groupId: 'sqlServer', zones: [ sqlZone ] }
  { name: 'vault', serviceId: keyVault.outputs.vaultId, groupId: 'vault', zones: [ vaultZone ] }
  { name: 'registry', serviceId: registry.outputs.registryId, groupId: 'registry', zones: [ registryZone ] }
  { name: 'workspace', serviceId: machineLearning.outputs.workspaceId, groupId: 'amlworkspace', zones: [ workspaceZone, notebooksZone ] }
  { name: 'job-blob', serviceId: machineLearning.outputs.jobStorageId, groupId: 'blob', zones: [ blobZone ] }
  { name: 'job-file', serviceId: machineLearning.outputs.jobStorageId, groupId: 'file', zones: [ fileZone ] }
  { name: 'job-vault', serviceId: machineLearning.outputs.jobVaultId, groupId: 'vault', zones: [ vaultZone ] }
]

module privateEndpoints 'private-endpoint.bicep' = [for i in range(0, sizes.privateNetwork ? 9 : 0): {
  name: 'private-endpoint-${i}'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${endpoints[i].name}-${token}'
    serviceId: endpoints[i].serviceId
    groupId: endpoints[i].groupId
    zoneNames: endpoints[i].zones
    subnetId: network.outputs.endpointsSubnetId
  }
}]

// azd puts these into its environment; the hooks and README.md use them.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output DEPLOY_DATABASE_JOB string = workers.outputs.databaseJobName
output DEPLOY_ML_WORKSPACE string = machineLearning.outputs.workspaceName
output DEPLOY_ML_CLUSTER string = machineLearning.outputs.clusterName
output DEPLOY_ML_ENVIRONMENT_ID string = machineLearning.outputs.environmentVersionId
output DEPLOY_SCORING_CLIENT_ID string = identities.outputs.clientIds[2]
output DEPLOY_VAULT_URI string = keyVault.outputs.vaultUri
output DEPLOY_OUTBOUND_IP string = sizes.privateNetwork ? network.outputs.outboundIp : ''
output FLEETSCORE_BLOB_URL string = storage.outputs.blobUrl
output FLEETSCORE_EVENT_HUBS_NAMESPACE string = eventHubs.outputs.hostName
output FLEETSCORE_EVENT_HUB string = hub
output FLEETSCORE_CONSUMER_GROUP string = consumerGroup
output FLEETSCORE_SQL_URL string = 'Server=${sql.outputs.host},1433;Database=${sql.outputs.databaseName};Authentication=Active Directory Default;Encrypt=true'
output FLEETSCORE_SCORING_QUEUE string = scoringQueue
