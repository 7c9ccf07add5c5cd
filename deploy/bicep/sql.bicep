// The store. Entra sign-in only: there is no SQL password. The administrator is an identity that runs for a
// few seconds at each deployment, to make the schema and the users of the workers.
param location string
param tags object
param token string
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
param backupRedundancy string

var serverless = startsWith(skuName, 'GP_S_')

resource server 'Microsoft.Sql/servers@2023-08-01' = {
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
resource azureServices 'Microsoft.Sql/servers/firewallRules@2023-08-01' = if (!privateNetwork) {
  parent: server
  name: 'AllowAllWindowsAzureIps'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

resource database 'Microsoft.Sql/servers/databases@2023-08-01' = {
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

output serverId string = server.id
output host string = server.properties.fullyQualifiedDomainName
output databaseName string = database.name
