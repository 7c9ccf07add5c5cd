// Where logs, traces and metrics of the workers go, and the workbook that shows them.
param location string
param tags object
param token string
param retentionDays int
param dailyCapGb int

resource logs 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyCapGb
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'other'
  properties: {
    Application_Type: 'other'
    WorkspaceResourceId: logs.id
    IngestionMode: 'LogAnalytics'
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // Workbooks are named by a GUID.
  name: guid(resourceGroup().id, 'fleetscore-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'fleetscore'
    category: 'workbook'
    sourceId: insights.id
    serializedData: loadTextContent('../monitoring/azure-workbook.json')
  }
}

output logsId string = logs.id
output insightsId string = insights.id
output insightsConnectionString string = insights.properties.ConnectionString
