// The store. Entra sign-in only: there is no SQL password. The administrator is an identity that runs for a
// few seconds at each deployment, to make the schema and the users of the workers.
param location string
param tags object
param token string

@description('Log Analytics workspace that diagnostic settings send to.')
param logsId string
param privateNetwork bool
param adminName string
param adminPrincipalId string

@description('Serverless (GP_S_Gen5, pauses when idle) or provisioned (GP_Gen5).')
param skuName string
param cores int

@description('Serverless only: least cores as text ("0.5"), and minutes until it pauses (-1: never).')
param minCores string
param autoPauseMinutes int
param maxSizeGb int
param zoneRedundant bool

@description('Addresses, or FIRST-LAST, that reach the server from outside Azure; for people, where the network is not ours.')
param operatorIps string
param backupRedundancy string

var serverless = startsWith(skuName, 'GP_S_')

resource server 'Microsoft.Sql/servers@2025-01-01' = {
  name: 'sql-${token}'
  location: location
  tags: tags
  properties: {
    minimalTlsVersion: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      principalType: 'Application'
      login: adminName
      sid: adminPrincipalId
      tenantId: tenant().tenantId
    }
  }
}

// Without a network of one's own, workers come from addresses of Azure that are not known in advance. They
// still need a token of an identity that has a user in the database.
resource azureServices 'Microsoft.Sql/servers/firewallRules@2025-01-01' = if (!privateNetwork) {
  parent: server
  name: 'AllowAllWindowsAzureIps'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

// People come from addresses of their own; they need a token and a user in the database besides. Without this Azure SQL
// says "Client with IP address ... is not allowed to access the server" (40615), which names the address to give here.
resource operatorAddresses 'Microsoft.Sql/servers/firewallRules@2025-01-01' = [for range in (privateNetwork || empty(operatorIps) ? [] : split(replace(operatorIps, ' ', ''), ',')): {
  parent: server
  name: 'operator-${replace(range, '.', '-')}'
  properties: {
    startIpAddress: first(split(range, '-'))
    endIpAddress: last(split(range, '-'))
  }
}]

resource database 'Microsoft.Sql/servers/databases@2025-01-01' = {
  parent: server
  name: 'fleetscore'
  location: location
  tags: tags
  sku: {
    name: skuName
    tier: 'GeneralPurpose'
    family: 'Gen5'
    capacity: cores
  }
  properties: union({
    maxSizeBytes: maxSizeGb * 1073741824
    zoneRedundant: zoneRedundant
    requestedBackupStorageRedundancy: backupRedundancy
  }, serverless ? {
    autoPauseDelay: autoPauseMinutes
    minCapacity: json(minCores)
  } : {})
}

// Who signed in and who changed rights, with the statements of administrators; not the rows that workers write.
resource auditing 'Microsoft.Sql/servers/auditingSettings@2025-01-01' = {
  parent: server
  name: 'default'
  properties: {
    state: 'Enabled'
    isAzureMonitorTargetEnabled: true
    auditActionsAndGroups: [
      'SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP'
      'FAILED_DATABASE_AUTHENTICATION_GROUP'
      'DATABASE_PERMISSION_CHANGE_GROUP'
      'DATABASE_PRINCIPAL_CHANGE_GROUP'
      'SCHEMA_OBJECT_CHANGE_GROUP'
    ]
  }
}

// What happened to the service itself; readings, predictions and payloads are not in it.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'fleetscore'
  scope: database
  properties: {
    workspaceId: logsId
    logs: [
      {
        category: 'SQLSecurityAuditEvents'
        enabled: true
      }
      {
        category: 'Errors'
        enabled: true
      }
      {
        category: 'Timeouts'
        enabled: true
      }
      {
        category: 'Blocks'
        enabled: true
      }
      {
        category: 'Deadlocks'
        enabled: true
      }
    ]
  }
}

output serverId string = server.id
output host string = server.properties.fullyQualifiedDomainName
output databaseName string = database.name
