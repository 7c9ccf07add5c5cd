// One identity a kind of worker, so that a stolen token of one does not open what only another needs.
import { identity } from 'types.bicep'

param location string
param tags object

@minLength(13)
param token string

resource control 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-control-${token}'
  location: location
  tags: tags
}

resource ingest 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-ingest-${token}'
  location: location
  tags: tags
}

resource scoring 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-scoring-${token}'
  location: location
  tags: tags
}

resource capture 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-capture-${token}'
  location: location
  tags: tags
}

resource database 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-database-${token}'
  location: location
  tags: tags
}

resource stream 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-stream-${token}'
  location: location
  tags: tags
}

output control identity = {
  id: control.id
  clientId: control.properties.clientId
  principalId: control.properties.principalId
  name: control.name
}
output ingest identity = {
  id: ingest.id
  clientId: ingest.properties.clientId
  principalId: ingest.properties.principalId
  name: ingest.name
}
output scoring identity = {
  id: scoring.id
  clientId: scoring.properties.clientId
  principalId: scoring.properties.principalId
  name: scoring.name
}
output capture identity = {
  id: capture.id
  clientId: capture.properties.clientId
  principalId: capture.properties.principalId
  name: capture.name
}
output database identity = {
  id: database.id
  clientId: database.properties.clientId
  principalId: database.properties.principalId
  name: database.name
}
output stream identity = {
  id: stream.id
  clientId: stream.properties.clientId
  principalId: stream.properties.principalId
  name: stream.name
}
