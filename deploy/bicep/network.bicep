// A network of one's own for production: workers in subnets, every service behind a private endpoint, one way out.
param location string
param tags object
param token string

@description('Address space; a /16 is cut into the subnets below.')
param addressPrefix string = '10.60.0.0/16'

@description('Private DNS zones of the services behind private endpoints.')
param zoneNames string[]

var appsSubnet = 'apps'
var computeSubnet = 'compute'
var endpointsSubnet = 'endpoints'

// Temporal, Entra and the image registry of Azure ML are reached through this address only.
resource outboundAddress 'Microsoft.Network/publicIPAddresses@2025-09-01' = {
  name: 'pip-out-${token}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource outbound 'Microsoft.Network/natGateways@2025-09-01' = {
  name: 'ng-${token}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 10
    publicIpAddresses: [
      {
        id: outboundAddress.id
      }
    ]
  }
}

// No rule of ours lets anything in: the default rules deny what comes from outside the network.
resource workersFirewall 'Microsoft.Network/networkSecurityGroups@2025-09-01' = {
  name: 'nsg-workers-${token}'
  location: location
  tags: tags
  properties: {
    securityRules: []
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-09-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: appsSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 23, 0)
          natGateway: {
            id: outbound.id
          }
          networkSecurityGroup: {
            id: workersFirewall.id
          }
          delegations: [
            {
              name: 'container-apps'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: computeSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 23, 1)
          natGateway: {
            id: outbound.id
          }
          networkSecurityGroup: {
            id: workersFirewall.id
          }
        }
      }
      {
        name: endpointsSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 4)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zoneNames: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zoneNames: {
  parent: zones[i]
  name: 'fleetscore'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

output networkId string = network.id
output appsSubnetId string = '${network.id}/subnets/${appsSubnet}'
output computeSubnetId string = '${network.id}/subnets/${computeSubnet}'
output endpointsSubnetId string = '${network.id}/subnets/${endpointsSubnet}'
output outboundIp string = outboundAddress.properties.ipAddress
