// One private endpoint of one service. The DNS zones exist already (network.bicep); they make the service's
// public name resolve to this endpoint inside the network.
param location string
param tags object
param name string
param serviceId string
param groupId string
param subnetId string

@description('Names of the private DNS zones of this kind of service.')
param zoneNames string[]

resource endpoint 'Microsoft.Network/privateEndpoints@2025-09-01' = {
  name: 'pe-${name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: name
        properties: {
          privateLinkServiceId: serviceId
          groupIds: [
            groupId
          ]
        }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-09-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [for zone in zoneNames: {
      name: replace(zone, '.', '-')
      properties: {
        privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zone)
      }
    }]
  }
}
