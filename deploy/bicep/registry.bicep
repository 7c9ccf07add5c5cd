// The image of the workers.
param location string
param tags object
param token string

@description('Premium where the network is private: only it has private endpoints.')
param sku string
param privateNetwork bool
param pullPrincipalIds array

var roles = loadJsonContent('roles.json')

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: 'cr${token}'
  location: location
  tags: tags
  sku: {
    name: sku
  }
  properties: {
    adminUserEnabled: false
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    // Lets Azure's own build tasks push where the network is closed.
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

output registryId string = registry.id
output registryName string = registry.name
output loginServer string = registry.properties.loginServer
