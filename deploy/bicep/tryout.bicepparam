// For the compiler: `bicep snapshot tryout.bicepparam` expands this profile without a subscription. azd takes main.parameters.json.
using 'main.bicep'

param environmentName = 'snapshot-tryout'
param location = 'westeurope'
param profile = 'tryout'
param operators = '00000000-0000-0000-0000-000000000001:User,00000000-0000-0000-0000-000000000002:Group'
param operatorIps = '203.0.113.7'
param alertEmail = 'operators@example.com'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param publishedImage = 'registry.azurecr.io/fleetscore/control-snapshot:1'
param nodeImage = 'registry.azurecr.io/fleetscore/node:1'
