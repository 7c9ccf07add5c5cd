// Two roles that Azure has no built-in one for, as small as the calls that the code makes.
targetScope = 'resourceGroup'
param token string

// BlobStore.prepare() creates the containers that are missing. It reads and writes no blob.
resource containerCreator 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'fleetscore-container-creator')
  properties: {
    roleName: 'fleetscore container creator ${token}'
    description: 'Creates Blob containers that are missing; no access to blobs'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/write'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [
      resourceGroup().id
    ]
  }
}

// The pool looks at the cluster, submits one job a node, and cancels jobs that have not begun. It cannot change the
// cluster: Bicep makes it, and its largest size bounds what a pool can cost. The actions are Microsoft's list for
// "Submitting any type of run (V2)" (learn.microsoft.com, azure/machine-learning/how-to-assign-roles, read in November
// 2026), without the right to change a cluster, which the list does not have. Not tried live.
resource poolOperator 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'fleetscore-pool-operator')
  properties: {
    roleName: 'fleetscore pool operator ${token}'
    description: 'Scales the scoring cluster by submitting and cancelling its jobs; cannot change the cluster or the workspace'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.MachineLearningServices/workspaces/read'
          'Microsoft.MachineLearningServices/workspaces/*/read'
          'Microsoft.MachineLearningServices/workspaces/environments/write'
          'Microsoft.MachineLearningServices/workspaces/environments/build/action'
          'Microsoft.MachineLearningServices/workspaces/environments/readSecrets/action'
          'Microsoft.MachineLearningServices/workspaces/jobs/*'
          'Microsoft.MachineLearningServices/workspaces/metadata/artifacts/write'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [
      resourceGroup().id
    ]
  }
}

output containerCreatorId string = containerCreator.id
output poolOperatorId string = poolOperator.id
