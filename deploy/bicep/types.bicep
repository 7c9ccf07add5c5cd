// What modules give each other, by name.
@export()
@description('A user-assigned identity: resource id, client id (sign-in), principal id (roles), name (user of the database).')
type identity = {
  id: string
  clientId: string
  principalId: string
  name: string
}

@export()
@description('A person, group or application that operates fleetscore, by its object id in Entra; type is User, Group or ServicePrincipal.')
type operator = {
  id: string
  type: string
}

@export()
@description('An application, group or person that gets a role, by its object id in Entra; type is User, Group or ServicePrincipal.')
type principal = {
  id: string
  type: string
}

@export()
@description('A user of the database, made by the database job; id is a client id, or the object id of a person or group.')
type databaseUser = {
  name: string
  id: string
  kind: string
  type: string
}

@export()
@description('Where scoring nodes come from, for the control worker.')
type pool = {
  workspaceId: string
  cluster: string
  fallbackCluster: string
  environmentId: string
  subnetId: string
  identityId: string
  clientId: string
  vmSize: string
  vmPriority: string
  maxNodes: int
}

@export()
@description('Principal ids of those that work with blobs.')
type blobPrincipals = {
  control: string
  ingest: string
  scoring: string
  capture: string
}

@export()
@description('One id for each program that runs on Container Apps.')
type workerIds = {
  control: string
  ingest: string
  database: string
}

@export()
@description('Principal ids of those that sign in to Temporal.')
type temporalReaders = {
  control: string
  scoring: string
}
