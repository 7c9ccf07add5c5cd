// The pool of scoring machines: a compute cluster that has no node while nothing is to be scored. A node comes
// with each job that the control worker submits, and goes when its worker has been idle.
param location string
param tags object
param workspaceName string
param clusterName string
param vmSize string

@description('LowPriority is about a fifth of the price; Azure may take nodes away at any time.')
@allowed([
  'Dedicated'
  'LowPriority'
])
param vmPriority string

@minValue(1)
param maxNodes int

@description('ISO 8601; how long a node that has no job stays.')
param idleBeforeScaleDown string
param privateNetwork bool
param subnetId string
param scoringIdentityId string

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: workspace
  name: clusterName
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${scoringIdentityId}': {}
    }
  }
  properties: {
    computeType: 'AmlCompute'
    disableLocalAuth: true
    properties: union({
      osType: 'Linux'
      vmSize: vmSize
      vmPriority: vmPriority
      remoteLoginPortPublicAccess: 'Disabled'
      enableNodePublicIp: !privateNetwork
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: maxNodes
        nodeIdleTimeBeforeScaleDown: idleBeforeScaleDown
      }
    }, privateNetwork ? {
      subnet: {
        id: subnetId
      }
    } : {})
  }
}
