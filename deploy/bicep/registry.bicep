// The image of the workers.
param location string
param tags object

@minLength(13)
param token string

@description('Log Analytics workspace that diagnostic settings send to.')
param logsId string

@description('Premium where the network is private: only it has private endpoints.')
param sku string
param privateNetwork bool
param pullPrincipalIds string[]

var roles = loadJsonContent('roles.json')

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: 'cr${token}'
  location: location
  tags: tags
  sku: {
    name: sku
  }
  properties: {
    adminUserEnabled: false
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    // This lets services of Azure through, such as the scan of images. It does not let a quick build push ("client with IP
    // ... is not allowed access", aka.ms/acr/firewall): the hooks of azd open the registry for that time, behind Entra.
    networkRuleBypassOptions: 'AzureServices'
  }
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (principal, i) in pullPrincipalIds: {
  name: guid(registry.id, string(i), 'AcrPull')
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.AcrPull)
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}]

// What happened to the service itself; readings, predictions and payloads are not in it.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'fleetscore'
  scope: registry
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

output registryId string = registry.id
output registryName string = registry.name
output loginServer string = registry.properties.loginServer
