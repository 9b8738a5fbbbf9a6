#!/bin/sh
# What can be known of infrastructure/ and the Dockerfile without a cloud or an account.
#   check.sh PYTHON INFRA_PYTHON
# INFRA_PROVIDER=registry|stand-in decides which provider Terraform is given; not set: the real one
# where the registry answers, else the stand-in of tools/terraform. Works on a copy of the folder.
set -eu
cd "$(dirname "$0")/../.."
python=$1 infra_python=$2
bin=$(dirname "$infra_python")
. tools/infra/common.sh
need terraform "https://developer.hashicorp.com/terraform/install"

work=build/infra-check
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_CLI_ARGS=-no-color
export TF_REGISTRY_CLIENT_TIMEOUT=10 TF_REGISTRY_DISCOVERY_RETRY=0
[ -e "${TF_CLI_CONFIG_FILE:-.}" ] || unset TF_CLI_CONFIG_FILE

step() {  # NAME COMMAND...: what it prints is shown where it fails
    name=$1
    shift
    if "$@" >"$work/$name.log" 2>&1; then
        echo "ok      $name: $(tail -n 1 "$work/$name.log")"
    else
        echo "failed  $name"
        cat "$work/$name.log"
        failed="$failed $name"
    fi
}

copy() {  # FOLDER: the sources only, so that the operator's state and settings stay out of it
    mkdir -p "$1"
    (cd infrastructure && find . -name .terraform -prune -o \( -name '*.tf' -o -name '*.hcl' \) \
        ! -name backend.tf -type f -print | tar -cf - -T -) | tar -xf - -C "$1"
}

stand_in() { "$infra_python" -m tools.terraform.stand_in terraform "$@"; }
chosen() { if [ "$provider" = registry ]; then terraform "$@"; else stand_in "$@"; fi; }

choose_provider() {
    provider=${INFRA_PROVIDER:-registry}
    [ "$provider" = stand-in ] || terraform -chdir="$work/infrastructure" init -backend=false -input=false \
        >"$work/registry.log" 2>&1 && return
    [ -z "${INFRA_PROVIDER:-}" ] || [ "$provider" = stand-in ] ||
        stop "infra-check: the registry gives no provider: $(grep -m 1 Error "$work/registry.log")"
    provider=stand-in
    stand_in -chdir="$work/infrastructure" init -backend=false -input=false >"$work/init.log" 2>&1 ||
        { cat "$work/init.log"; stop "infra-check: terraform init fails"; }
}

examples() {
    "$python" -m tools.infra.examples "$work/examples"
    chosen -chdir="$work/examples" init -backend=false -input=false
    chosen -chdir="$work/examples" validate
}

deployment() {  # made by the stand-in, and judged by what Terraform then knows
    at=-chdir=$work/deployment
    stand_in "$at" init -backend=false -input=false
    stand_in "$at" apply -auto-approve -input=false -var-file="$PWD/tools/infra/everything.tfvars"
    stand_in "$at" plan -detailed-exitcode -input=false -var-file="$PWD/tools/infra/everything.tfvars"
    stand_in "$at" show -json >"$work/state.json"
    "$python" -m tools.infra.check_state <"$work/state.json"
}

rm -rf "$work"
copy "$work/infrastructure"
copy "$work/deployment"
failed=""
choose_provider
case $provider in
    registry) echo "provider: the real ones, from the registry" ;;
    *) echo "provider: the stand-in of tools/terraform (google 6.50.0 by name and type; not its checks of values)" ;;
esac
step format terraform fmt -check -recursive infrastructure
step validate chosen -chdir="$work/infrastructure" validate
step tests chosen -chdir="$work/infrastructure" test
step examples examples
step deployment deployment
[ -z "${TFCHECK:-}" ] || step tfcheck "$infra_python" "$TFCHECK" infrastructure
step dockerfile "$bin/hadolint" Dockerfile
step gcloud "$python" -m tools.infra.gcloud_lines
[ -z "$failed" ] || stop "infra-check:$failed"
