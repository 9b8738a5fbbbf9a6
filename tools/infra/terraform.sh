#!/bin/sh
# Terraform in infrastructure/: terraform.sh init|plan|apply|destroy [ARGUMENT...]
set -eu
cd "$(dirname "$0")/../.."
action=$1
shift
. tools/infra/common.sh

need terraform "https://developer.hashicorp.com/terraform/install"
cd infrastructure

if [ "$action" = init ]; then
    [ -f backend.tf ] ||
        echo "infra-init: the state stays on this machine; docs/deploy.md puts it in a bucket (backend.tf.example)" >&2
    exec terraform init -input=false "$@"
fi

[ -d .terraform ] || stop "infra-$action: not initialised; run: make infra-init"
[ -n "${PROJECT:-${TF_VAR_project_id:-}}" ] || grep -qs '^project_id *=' terraform.tfvars ||
    stop "infra-$action: no project; set PROJECT=my-project or copy terraform.tfvars.example to terraform.tfvars"
[ -z "${PROJECT:-}" ] || export TF_VAR_project_id="$PROJECT"
need gcloud "https://cloud.google.com/sdk/docs/install"
gcloud auth application-default print-access-token >/dev/null 2>&1 ||
    stop "infra-$action: Terraform has no login; run: gcloud auth application-default login"
(cd .. && "${PYTHON:-python3}" -m workflows.functions.staging build/functions) >/dev/null ||
    stop "infra-$action: the functions' sources could not be staged"

[ ! -f ../build/images.tfvars.json ] || set -- -var-file=../build/images.tfvars.json "$@"
exec terraform "$action" "$@"
