// One identity a kind of worker, so that a stolen token of one does not open what only another needs.
param location string
param tags object
param token string

@description('Kinds of workers and helpers that get an identity of their own.')
param kinds array

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = [for kind in kinds: {
  name: 'id-${kind}-${token}'
  location: location
  tags: tags
}]

output ids array = [for (kind, i) in kinds: identities[i].id]
output principalIds array = [for (kind, i) in kinds: identities[i].properties.principalId]
output clientIds array = [for (kind, i) in kinds: identities[i].properties.clientId]
output names array = [for (kind, i) in kinds: identities[i].name]
