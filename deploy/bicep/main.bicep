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

@description('Who operates: OBJECT-ID:User,OBJECT-ID:Group ... They import models, read predictions and send readings.')
param operators string = ''

@description('Who deploys; the one operator where none are named above. An application gets no user in the database.')
param deployerId string = ''

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param deployerType string = 'User'

@description('Addresses that may reach the database from outside Azure, try-out only: 203.0.113.7,198.51.100.1-198.51.100.9')
param operatorIps string = ''

@description('Who is told by the alert rules; nobody without.')
param alertEmail string = ''

@description('Gateways or applications that send readings: OBJECT-ID,OBJECT-ID:Group ... Without a type it is an application.')
param senders string = ''

@description('Who takes alarms from their hub, written alike.')
param alarmReaders string = ''

@description('Who may put files into the drop, beside operators; written alike.')
param dropWriters string = ''

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

@description('PEM in base64: azd puts values into JSON as they are, where line breaks end a text.')
@secure()
param temporalClientCertificateBase64 string = ''

@secure()
param temporalClientKeyBase64 string = ''

@description('A client certificate and key of the scoring workers alone; they get a copy of the others when these are empty.')
@secure()
param temporalScoringClientCertificateBase64 string = ''

@secure()
param temporalScoringClientKeyBase64 string = ''

@description('Whether payloads of workflows are encrypted; the keys stay in the vault when none are given here.')
@allowed([
  'off'
  'on'
])
param payloadEncryption string = 'off'

@description('As FLEETSCORE_PAYLOAD_KEYS in config.ts: the first key encrypts, all decrypt.')
@secure()
param payloadKeys string = ''

@description('Set by `azd publish`: the image that was pushed last. The database job runs it first.')
param publishedImage string = ''

@description('Set by the hook after `azd publish`, once the database is ready for it: the image that the workers run.')
param workersImage string = ''

@description('Set by the same hook: the same image as Azure Machine Learning wants it (deploy/node-image).')
param nodeImage string = ''

@description('Set to no by the hook before provisioning where there is no quota of cores: all else is made.')
@allowed([
  'yes'
  'no'
])
param makeCluster string = 'yes'

@description('The same meaning and default as the environment variable of the same name in config.ts.')
param hub string = 'readings'
param alarmsHub string = 'alarms'
param window string = '5s'
param hop string = window

@description('As FLEETSCORE_MAPPING: the name of a ready-made payload mapping. A file of your own goes into the next one.')
param mapping string = 'default'

@description('A mapping of your own, JSON in base64: azd puts values into JSON as they are, where quotes end a text.')
param mappingBase64 string = ''

@description('As FLEETSCORE_DEFAULT_DEVICE: device of readings whose event names none.')
param defaultDevice string = ''
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
var principalTypes = {
  user: 'User'
  group: 'Group'
  serviceprincipal: 'ServicePrincipal'
}
var streamAnalytics = ingestBy == 'streamAnalytics'
var runningImage = empty(workersImage) ? publishedImage : workersImage
// Names of role assignments are made of these ids: one that is named twice would be an assignment made twice, which ends a
// deployment. So each is there once, whatever its case and its spaces, and nobody is both operator and one of the others.
var operatorTexts = filter(union(empty(operators) ? (empty(deployerId) ? [] : [
  '${toLower(deployerId)}:${deployerType}'
]) : split(replace(operators, ' ', ''), ','), []), text => !empty(text))
var operatorList = map(operatorTexts, text => {
  id: toLower(first(split(text, ':')))
  type: contains(text, ':') ? last(split(text, ':')) : 'User'
})
var operatorIds = map(operatorList, one => one.id)
var senderList = filter(map(filter(union(split(toLower(replace(senders, ' ', '')), ','), []), text => !empty(text)), text => {
  id: first(split(text, ':'))
  type: principalTypes[contains(text, ':') ? last(split(text, ':')) : 'serviceprincipal']
}), one => !contains(operatorIds, one.id))
var alarmReaderList = map(filter(union(split(toLower(replace(alarmReaders, ' ', '')), ','), []), text => !empty(text)), text => {
  id: first(split(text, ':'))
  type: principalTypes[contains(text, ':') ? last(split(text, ':')) : 'serviceprincipal']
})
var dropWriterList = filter(map(filter(union(split(toLower(replace(dropWriters, ' ', '')), ','), []), text => !empty(text)), text => {
  id: first(split(text, ':'))
  type: principalTypes[contains(text, ':') ? last(split(text, ':')) : 'serviceprincipal']
}), one => !contains(operatorIds, one.id))
var people = filter(operatorList, operator => operator.type != 'ServicePrincipal')
var logsName = 'log-${token}'

var blobZone = 'privatelink.blob.${environment().suffixes.storage}'
var fileZone = 'privatelink.file.${environment().suffixes.storage}'
var sqlZone = 'privatelink${environment().suffixes.sqlServerHostname}'
var payloadMapping = empty(mappingBase64) ? mapping : base64ToString(mappingBase64)
var eventHubsZone = 'privatelink.servicebus.windows.net'
var vaultZone = 'privatelink.vaultcore.azure.net'
var registryZone = 'privatelink.azurecr.io'
var workspaceZone = 'privatelink.api.azureml.ms'
var notebooksZone = 'privatelink.notebooks.azure.net'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'identities.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
  }
}

module customRoles 'custom-roles.bicep' = {
  scope: group
  params: {
    token: token
  }
}

module monitoring 'monitoring.bicep' = {
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

// Where the network is ours; BCP318 is right that the module is null elsewhere.
var computeSubnetId = network.?outputs.computeSubnetId ?? ''
var appsSubnetId = network.?outputs.appsSubnetId ?? ''
var endpointsSubnetId = network.?outputs.endpointsSubnetId ?? ''

module storage 'storage.bicep' = {
  scope: group
  params: {
    location: location
    logsId: monitoring.outputs.logsId
    tags: tags
    token: token
    sku: sizes.storageSku
    privateNetwork: sizes.privateNetwork
    principals: {
      control: identities.outputs.control.principalId
      ingest: identities.outputs.ingest.principalId
      scoring: identities.outputs.scoring.principalId
      capture: identities.outputs.capture.principalId
    }
    operators: operatorList
    rawCoolDays: sizes.rawCoolDays
    rawDeleteDays: sizes.rawDeleteDays
    predictionsCoolDays: sizes.predictionsCoolDays
    predictionsDeleteDays: sizes.predictionsDeleteDays
    logsDeleteDays: sizes.logsDeleteDays
    dropDeleteDays: sizes.dropDeleteDays
    dropWriters: dropWriterList
    containerCreatorRoleId: customRoles.outputs.containerCreatorId
  }
}

module eventHubs 'event-hubs.bicep' = {
  scope: group
  params: {
    location: location
    logsId: monitoring.outputs.logsId
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
    captureIdentityId: identities.outputs.capture.id
    storageAccountId: storage.outputs.accountId
    captureIntervalSeconds: 60
    captureBytes: 10485760
    ingestPrincipalId: identities.outputs.ingest.principalId
    senders: concat(operatorList, senderList)
    alarmsHub: alarmsHub
    controlPrincipalId: identities.outputs.control.principalId
    alarmReaders: alarmReaderList
  }
}

module sql 'sql.bicep' = {
  scope: group
  params: {
    location: location
    logsId: monitoring.outputs.logsId
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    adminName: identities.outputs.database.name
    adminPrincipalId: identities.outputs.database.principalId
    skuName: sizes.sqlSku
    cores: sizes.sqlCores
    minCores: sizes.sqlMinCores
    autoPauseMinutes: sizes.sqlAutoPauseMinutes
    maxSizeGb: sizes.sqlMaxSizeGb
    zoneRedundant: sizes.sqlZoneRedundant
    operatorIps: operatorIps
    backupRedundancy: sizes.sqlBackupRedundancy
  }
}

module keyVault 'key-vault.bicep' = {
  scope: group
  params: {
    location: location
    logsId: monitoring.outputs.logsId
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    purgeProtection: sizes.purgeProtection
    principals: {
      control: identities.outputs.control.principalId
      scoring: identities.outputs.scoring.principalId
    }
    temporalApiKey: temporalApiKey
    temporalScoringApiKey: temporalScoringApiKey
    temporalClientCertificate: empty(temporalClientCertificateBase64) ? '' : base64ToString(temporalClientCertificateBase64)
    temporalClientKey: empty(temporalClientKeyBase64) ? '' : base64ToString(temporalClientKeyBase64)
    temporalScoringClientCertificate: empty(temporalScoringClientCertificateBase64) ? '' : base64ToString(temporalScoringClientCertificateBase64)
    temporalScoringClientKey: empty(temporalScoringClientKeyBase64) ? '' : base64ToString(temporalScoringClientKeyBase64)
    payloadKeys: payloadKeys
    operators: operatorList
  }
}

module registry 'registry.bicep' = {
  scope: group
  params: {
    location: location
    logsId: monitoring.outputs.logsId
    tags: tags
    token: token
    sku: sizes.registrySku
    privateNetwork: sizes.privateNetwork
    pullPrincipalIds: [
      identities.outputs.control.principalId
      identities.outputs.ingest.principalId
      identities.outputs.scoring.principalId
      identities.outputs.database.principalId
    ]
  }
}

module machineLearning 'machine-learning.bicep' = {
  scope: group
  params: {
    location: location
    logsId: monitoring.outputs.logsId
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    insightsId: monitoring.outputs.insightsId
    registryId: registry.outputs.registryId
    image: nodeImage
    scoringPrincipalId: identities.outputs.scoring.principalId
    controlPrincipalId: identities.outputs.control.principalId
    poolOperatorRoleId: customRoles.outputs.poolOperatorId
  }
}

// After the private endpoint of the workspace: a cluster without public addresses needs it (UserError "requires workspace
// private endpoint", Azure/data-product-analytics#70; how-to-secure-training-vnet). Named after the queue of its workers.
module scoringCluster 'scoring-cluster.bicep' = if (makeCluster == 'yes') {
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: machineLearning.outputs.workspaceName
    clusterName: scoringQueue
    vmSize: sizes.vmSize
    vmPriority: sizes.vmPriority
    maxNodes: sizes.maxNodes
    idleBeforeScaleDown: sizes.idleBeforeScaleDown
    privateNetwork: sizes.privateNetwork
    subnetId: computeSubnetId
    scoringIdentityId: identities.outputs.scoring.id
  }
  dependsOn: [
    privateEndpoints
  ]
}

// Dedicated machines for when no low-priority ones come. Made here, because workers have no right to make one.
module fallbackCluster 'scoring-cluster.bicep' = if (makeCluster == 'yes' && sizes.fallbackCluster) {
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: machineLearning.outputs.workspaceName
    clusterName: '${scoringQueue}-dedicated'
    vmSize: sizes.vmSize
    vmPriority: 'Dedicated'
    maxNodes: sizes.maxNodes
    idleBeforeScaleDown: sizes.idleBeforeScaleDown
    privateNetwork: sizes.privateNetwork
    subnetId: computeSubnetId
    scoringIdentityId: identities.outputs.scoring.id
  }
  dependsOn: [
    privateEndpoints
  ]
}

module workers 'workers.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: sizes.privateNetwork
    subnetId: appsSubnetId
    logsName: logsName
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    registryServer: registry.outputs.loginServer
    publishedImage: publishedImage
    runningImage: runningImage
    identityIds: {
      control: identities.outputs.control.id
      ingest: identities.outputs.ingest.id
      database: identities.outputs.database.id
    }
    clientIds: {
      control: identities.outputs.control.clientId
      ingest: identities.outputs.ingest.clientId
      database: identities.outputs.database.clientId
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
    alarmsHub: alarmsHub
    consumerGroup: consumerGroup
    window: window
    hop: hop
    mapping: payloadMapping
    defaultDevice: defaultDevice
    scoringQueue: scoringQueue
    logLevel: logLevel
    pool: {
      workspaceId: machineLearning.outputs.workspaceId
      cluster: scoringQueue
      fallbackCluster: sizes.fallbackCluster ? '${scoringQueue}-dedicated' : ''
      environmentId: machineLearning.outputs.environmentVersionId
      subnetId: computeSubnetId
      identityId: identities.outputs.scoring.id
      clientId: identities.outputs.scoring.clientId
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
      { name: identities.outputs.control.name, id: identities.outputs.control.clientId, kind: 'control', type: 'E' }
      { name: identities.outputs.ingest.name, id: identities.outputs.ingest.clientId, kind: 'ingest', type: 'E' }
      { name: identities.outputs.scoring.name, id: identities.outputs.scoring.clientId, kind: 'scoring', type: 'E' }
    ], streamAnalytics ? [
      { name: identities.outputs.stream.name, id: identities.outputs.stream.clientId, kind: 'stream', type: 'E' }
    ] : [], map(people, person => {
      name: 'fleetscore-operator-${take(person.id, 8)}'
      id: person.id
      kind: 'operator'
      type: person.type == 'Group' ? 'X' : 'E'
    }))
  }
  // Secrets, image and store are reached through the endpoints.
  dependsOn: [
    privateEndpoints
  ]
}

module streamJob 'stream-analytics.bicep' = if (streamAnalytics) {
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
    identityId: identities.outputs.stream.id
    principalId: identities.outputs.stream.principalId
  }
}

// One private endpoint each, in this order; ids of the services stand beside them, because they are known later.
var endpointKinds = [
  { name: 'blob', groupId: 'blob', zones: [ blobZone ] }
  { name: 'event-hubs', groupId: 'namespace', zones: [ eventHubsZone ] }
  { name: 'sql', groupId: 'sqlServer', zones: [ sqlZone ] }
  { name: 'vault', groupId: 'vault', zones: [ vaultZone ] }
  { name: 'registry', groupId: 'registry', zones: [ registryZone ] }
  { name: 'workspace', groupId: 'amlworkspace', zones: [ workspaceZone, notebooksZone ] }
  { name: 'job-blob', groupId: 'blob', zones: [ blobZone ] }
  { name: 'job-file', groupId: 'file', zones: [ fileZone ] }
  { name: 'job-vault', groupId: 'vault', zones: [ vaultZone ] }
]
var endpointServices = {
  blob: storage.outputs.accountId
  'event-hubs': eventHubs.outputs.namespaceId
  sql: sql.outputs.serverId
  vault: keyVault.outputs.vaultId
  registry: registry.outputs.registryId
  workspace: machineLearning.outputs.workspaceId
  'job-blob': machineLearning.outputs.jobStorageId
  'job-file': machineLearning.outputs.jobStorageId
  'job-vault': machineLearning.outputs.jobVaultId
}

module privateEndpoints 'private-endpoint.bicep' = [for endpoint in (sizes.privateNetwork ? endpointKinds : []): {
  name: 'private-endpoint-${endpoint.name}'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${endpoint.name}-${token}'
    serviceId: endpointServices[endpoint.name]
    groupId: endpoint.groupId
    zoneNames: endpoint.zones
    subnetId: endpointsSubnetId
  }
}]

module alerts 'alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    email: alertEmail
  }
}

// azd puts these into its environment; the hooks and README.md use them.
output AZURE_RESOURCE_GROUP string = group.name
output DEPLOY_PRIVATE_NETWORK string = string(sizes.privateNetwork)
output DEPLOY_VM_SIZE string = sizes.vmSize
output DEPLOY_VM_PRIORITY string = sizes.vmPriority
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output DEPLOY_DATABASE_JOB string = workers.outputs.databaseJobName
output DEPLOY_ML_WORKSPACE string = machineLearning.outputs.workspaceName
output DEPLOY_ML_CLUSTER string = makeCluster == 'yes' ? scoringQueue : ''
output DEPLOY_ML_WORKSPACE_ID string = machineLearning.outputs.workspaceId
output DEPLOY_STREAM_JOB_ID string = streamJob.?outputs.jobId ?? ''
output DEPLOY_DATABASE_CONTAINER string = 'database'
output DEPLOY_ML_ENVIRONMENT_ID string = machineLearning.outputs.environmentVersionId
output DEPLOY_SCORING_CLIENT_ID string = identities.outputs.scoring.clientId
output DEPLOY_VAULT_URI string = keyVault.outputs.vaultUri
output DEPLOY_OUTBOUND_IP string = network.?outputs.outboundIp ?? ''
output FLEETSCORE_BLOB_URL string = storage.outputs.blobUrl
output FLEETSCORE_EVENT_HUBS_NAMESPACE string = eventHubs.outputs.hostName
output FLEETSCORE_EVENT_HUB string = hub
output FLEETSCORE_CONSUMER_GROUP string = consumerGroup
output FLEETSCORE_MAPPING string = payloadMapping
output FLEETSCORE_SQL_URL string = 'Server=${sql.outputs.host},1433;Database=${sql.outputs.databaseName};Authentication=Active Directory Default;Encrypt=true'
output FLEETSCORE_SCORING_QUEUE string = scoringQueue
