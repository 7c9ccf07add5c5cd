#!/bin/sh
# After `azd provision`: makes the schema and the users of the database, as soon as there is an image that can.
# azd gives the outputs of main.bicep as variables.
set -eu
if [ -z "${DEPLOY_DATABASE_JOB:-}" ]; then
  echo "The workers have no image yet: the database is set up after the first deployment (azd up does both)."
  exit 0
fi
execution=$(az containerapp job start --resource-group "$AZURE_RESOURCE_GROUP" --name "$DEPLOY_DATABASE_JOB" --query name --output tsv)
echo "setting up the database: $execution"
i=0
while [ "$i" -lt 60 ]; do
  status=$(az containerapp job execution show --resource-group "$AZURE_RESOURCE_GROUP" --name "$DEPLOY_DATABASE_JOB" \
    --job-execution-name "$execution" --query properties.status --output tsv)
  case "$status" in
    Succeeded) echo "the database is set up"; exit 0 ;;
    Failed | Stopped | Degraded)
      echo "The job $DEPLOY_DATABASE_JOB ended as $status. See its log: az containerapp job logs show --resource-group $AZURE_RESOURCE_GROUP --name $DEPLOY_DATABASE_JOB --execution $execution --container database" >&2
      exit 1 ;;
  esac
  i=$((i + 1))
  sleep 10
done
echo "The job $DEPLOY_DATABASE_JOB is still running after 10 minutes; look at it before you go on." >&2
exit 1
