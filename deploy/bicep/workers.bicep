// Control and ingest workers on Container Apps: always on, a quarter of a core each at rest, restarted and
// replaced by the platform, no machine to patch. Scoring workers are not here: see machine-learning.bicep.
import { databaseUser, pool as poolType, workerIds } from 'types.bicep'

param location string
param tags object
param token string
param privateNetwork bool
param subnetId string
param logsName string
param registryServer string

@description('What was published last: the database job runs it before the workers do. Empty until then.')
param publishedImage string

@description('What the workers run; empty until the database was made ready for it.')
param runningImage string

@description('Ids and client ids of the identities by kind.')
param identityIds workerIds
param clientIds workerIds

param controlReplicas int
param ingestReplicas int
param controlCpu string
param controlMemory string
param ingestCpu string
param ingestMemory string

param sqlHost string
param sqlDatabase string
param blobUrl string
param eventHubsHost string
param hub string
param alarmsHub string
param consumerGroup string
param window string
param hop string
@description('Name of a payload mapping, or its JSON.')
param mapping string
param defaultDevice string
param scoringQueue string
param logLevel string

@description('Where traces and metrics go. It names the resource; it lets nobody read.')
param insightsConnectionString string

@description('The scoring pool.')
param pool poolType

param temporalAddress string
param temporalNamespace string

@description('none (a server inside the network), apiKey (Temporal Cloud) or mtls.')
@allowed([
  'none'
  'apiKey'
  'mtls'
])
param temporalAuth string
param vaultUri string

@description('Encrypt payloads of workflows with the keys in the vault.')
param payloadEncryption bool

@description('Users of the database, made by the database job.')
param databaseUsers databaseUser[]

@description('Apply the windows of the Stream Analytics job once a minute.')
param streamAnalytics bool

// Stands there until there is an image of ours. It is not ours: it gets no secret and no variable, no replica is kept of
// it, and the job of the database is not started with it.
var placeholder = 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'
var deployed = !empty(runningImage)

var temporalSecretNames = temporalAuth == 'apiKey' ? [
  'temporal-api-key'
] : temporalAuth == 'mtls' ? [
  'temporal-client-certificate'
  'temporal-client-key'
] : []

var temporalSecretEnv = temporalAuth == 'apiKey' ? [
  { name: 'TEMPORAL_TLS', value: 'true' }
  { name: 'TEMPORAL_API_KEY', secretRef: 'temporal-api-key' }
] : temporalAuth == 'mtls' ? [
  { name: 'TEMPORAL_TLS', value: 'true' }
  { name: 'TEMPORAL_TLS_CLIENT_CERT_DATA', secretRef: 'temporal-client-certificate' }
  { name: 'TEMPORAL_TLS_CLIENT_KEY_DATA', secretRef: 'temporal-client-key' }
] : []

var payloadSecretNames = payloadEncryption ? [
  'payload-keys'
] : []

var payloadSecretEnv = payloadEncryption ? [
  { name: 'FLEETSCORE_PAYLOAD_KEYS', secretRef: 'payload-keys' }
] : []

var sqlUrl = 'Server=${sqlHost},1433;Database=${sqlDatabase};Authentication=Active Directory Default;Encrypt=true'

var commonEnv = [
  { name: 'FLEETSCORE_SQL_URL', value: sqlUrl }
  { name: 'FLEETSCORE_BLOB_URL', value: blobUrl }
  { name: 'FLEETSCORE_WINDOW', value: window }
  { name: 'FLEETSCORE_HOP', value: hop }
  { name: 'FLEETSCORE_LOG_LEVEL', value: logLevel }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnectionString }
]

// Variables of jobs can be read by everybody with access to the workspace: nodes fetch secrets by their identity.
var nodeSecrets = concat(temporalAuth == 'apiKey' ? [
  ' --secret TEMPORAL_API_KEY=${vaultUri}secrets/scoring-temporal-api-key'
] : temporalAuth == 'mtls' ? [
  ' --secret TEMPORAL_TLS_CLIENT_CERT_DATA=${vaultUri}secrets/scoring-temporal-client-certificate'
  ' --secret TEMPORAL_TLS_CLIENT_KEY_DATA=${vaultUri}secrets/scoring-temporal-client-key'
] : [], payloadEncryption ? [
  ' --secret FLEETSCORE_PAYLOAD_KEYS=${vaultUri}secrets/scoring-payload-keys'
] : [])

// The pool hands its own AZURE_CLIENT_ID on to its nodes; theirs is another identity. `exec`, so that SIGTERM
// reaches the worker and not a shell.
var nodeCommand = 'exec env AZURE_CLIENT_ID=${pool.clientId} node --disable-warning=ExperimentalWarning /app/deploy/container/start.js scoring${join(nodeSecrets, '')}'

var poolEnv = concat([
  { name: 'FLEETSCORE_AML_WORKSPACE_ID', value: pool.workspaceId }
  { name: 'FLEETSCORE_AML_LOCATION', value: location }
  { name: 'FLEETSCORE_AML_CLUSTER', value: pool.cluster }
  { name: 'FLEETSCORE_AML_ENVIRONMENT_ID', value: pool.environmentId }
  { name: 'FLEETSCORE_AML_COMMAND', value: nodeCommand }
  { name: 'FLEETSCORE_AML_IDENTITY_ID', value: pool.identityId }
  { name: 'FLEETSCORE_POOL', value: scoringQueue }
  { name: 'FLEETSCORE_POOL_VM_SIZE', value: pool.vmSize }
  { name: 'FLEETSCORE_POOL_PRIORITY', value: pool.vmPriority == 'LowPriority' ? 'low-priority' : 'dedicated' }
  { name: 'FLEETSCORE_POOL_MAX_NODES', value: string(pool.maxNodes) }
], empty(pool.subnetId) ? [] : [
  { name: 'FLEETSCORE_AML_SUBNET_ID', value: pool.subnetId }
], empty(pool.fallbackCluster) ? [] : [
  { name: 'FLEETSCORE_AML_FALLBACK_CLUSTER', value: pool.fallbackCluster }
])

var controlEnv = concat(commonEnv, [
  { name: 'WORKER', value: 'control' }
  { name: 'AZURE_CLIENT_ID', value: clientIds.control }
  { name: 'TEMPORAL_ADDRESS', value: temporalAddress }
  { name: 'TEMPORAL_NAMESPACE', value: temporalNamespace }
  { name: 'FLEETSCORE_SCORING_QUEUE', value: scoringQueue }
  // For alarms, which it may send to their own hub only.
  { name: 'FLEETSCORE_EVENT_HUBS_NAMESPACE', value: eventHubsHost }
  { name: 'FLEETSCORE_ALARMS_HUB', value: alarmsHub }
], temporalSecretEnv, payloadSecretEnv, empty(pool.environmentId) ? [] : poolEnv)

var ingestEnv = concat(commonEnv, [
  { name: 'WORKER', value: 'ingest' }
  { name: 'AZURE_CLIENT_ID', value: clientIds.ingest }
  { name: 'FLEETSCORE_EVENT_HUBS_NAMESPACE', value: eventHubsHost }
  { name: 'FLEETSCORE_EVENT_HUB', value: hub }
  { name: 'FLEETSCORE_CONSUMER_GROUP', value: consumerGroup }
  { name: 'FLEETSCORE_MAPPING', value: mapping }
  { name: 'FLEETSCORE_DEFAULT_DEVICE', value: defaultDevice }
])

resource logs 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: logsName
}

resource managedEnvironment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: 'cae-${token}'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
    vnetConfiguration: privateNetwork ? {
      infrastructureSubnetId: subnetId
      internal: true
    } : null
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
    zoneRedundant: privateNetwork
  }
}

resource control 'Microsoft.App/containerApps@2026-01-01' = {
  name: 'ca-control-${token}'
  location: location
  tags: union(tags, {
    'azd-service-name': 'control'
  })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityIds.control}': {}
    }
  }
  properties: {
    environmentId: managedEnvironment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [
        {
          server: registryServer
          identity: identityIds.control
        }
      ]
      secrets: [for name in deployed ? concat(temporalSecretNames, payloadSecretNames) : []: {
        name: name
        keyVaultUrl: '${vaultUri}secrets/${name}'
        identity: identityIds.control
      }]
    }
    template: {
      // A worker drains within 25 s; the rest is for what the platform does around it.
      terminationGracePeriodSeconds: 60
      containers: [
        {
          name: 'control'
          image: deployed ? runningImage : placeholder
          env: deployed ? controlEnv : []
          resources: {
            cpu: json(controlCpu)
            memory: controlMemory
          }
        }
      ]
      scale: {
        minReplicas: deployed ? controlReplicas : 0
        maxReplicas: controlReplicas
      }
    }
  }
}

resource ingest 'Microsoft.App/containerApps@2026-01-01' = {
  name: 'ca-ingest-${token}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityIds.ingest}': {}
    }
  }
  properties: {
    environmentId: managedEnvironment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [
        {
          server: registryServer
          identity: identityIds.ingest
        }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 60
      containers: [
        {
          name: 'ingest'
          image: deployed ? runningImage : placeholder
          env: deployed ? ingestEnv : []
          resources: {
            cpu: json(ingestCpu)
            memory: ingestMemory
          }
        }
      ]
      // Workers share the partitions of the hub between them; more of them than partitions would idle.
      scale: {
        minReplicas: deployed ? ingestReplicas : 0
        maxReplicas: max(1, ingestReplicas)
      }
    }
  }
}

// Makes the schema and the users of the workers, as the administrator of the database. The hook after `azd publish` gives
// it the new image and starts it before any worker has that image; so does the hook after `azd provision`.
resource databaseJob 'Microsoft.App/jobs@2026-01-01' = {
  name: 'caj-database-${token}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityIds.database}': {}
    }
  }
  properties: {
    environmentId: managedEnvironment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
      }
      replicaRetryLimit: 3
      replicaTimeout: 900
      registries: [
        {
          server: registryServer
          identity: identityIds.database
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'database'
          image: empty(publishedImage) ? placeholder : publishedImage
          args: [
            'database'
          ]
          env: [
            { name: 'AZURE_CLIENT_ID', value: clientIds.database }
            { name: 'FLEETSCORE_SQL_URL', value: sqlUrl }
            { name: 'DATABASE_USERS', value: string(databaseUsers) }
          ]
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
    }
  }
}

// With the Stream Analytics job in place of the ingest worker: moves its rows into the windows of the store.
resource streamJob 'Microsoft.App/jobs@2026-01-01' = if (deployed && streamAnalytics) {
  name: 'caj-stream-${token}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityIds.ingest}': {}
    }
  }
  properties: {
    environmentId: managedEnvironment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Schedule'
      scheduleTriggerConfig: {
        cronExpression: '* * * * *'
        parallelism: 1
        replicaCompletionCount: 1
      }
      replicaRetryLimit: 0
      replicaTimeout: 300
      registries: [
        {
          server: registryServer
          identity: identityIds.ingest
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'stream-windows'
          image: runningImage
          args: [
            'stream-windows'
          ]
          env: [
            { name: 'AZURE_CLIENT_ID', value: clientIds.ingest }
            { name: 'FLEETSCORE_SQL_URL', value: sqlUrl }
            { name: 'FLEETSCORE_WINDOW', value: window }
          ]
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
    }
  }
}

output controlName string = control.name
output ingestName string = ingest.name
output databaseJobName string = databaseJob.name
