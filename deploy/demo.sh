#!/usr/bin/env bash
# A cluster on this machine, a Deployment behind a Service, and the page it serves: by cluster
# address, by node port, and by name from inside a pod. Run it again as often as you like.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

say "Starting the cluster (wherry up)"
wherry up

say "Building the image wherry-hello:1 from static busybox"
python -m deploy.image wherry-hello:1

say "Applying deploy/examples/hello.yaml"
wherry apply -f deploy/examples/hello.yaml
wherry rollout status deployment/hello --timeout=60s
wherry get pods -o wide -l app=hello

fetch() { # a rule may still be on its way to the packet filter: a few tries, then say why
    curl --silent --show-error --fail --max-time 5 --retry 10 --retry-connrefused --retry-delay 1 "$1"
}
ip=$(wherry get service hello -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["spec"]["clusterIP"])')
node=$(wherry get nodes -o json | python3 -c 'import json,sys
print(next(a["address"] for a in json.load(sys.stdin)["items"][0]["status"]["addresses"] if a["type"] == "InternalIP"))')
pod=$(wherry get pods -l app=hello -o name | head -n 1)

say "By cluster address: curl http://$ip/"
fetch "http://$ip/"
say "By node port: curl http://$node:30080/"
fetch "http://$node:30080/"
say "By name from inside a pod: wherry exec $pod -- wget -qO- http://hello/"
wherry exec "$pod" -- wget -qO- http://hello/

say "That worked. The cluster keeps running; try:"
cat <<'EOF'
    wherry get pods                          what runs
    wherry scale deployment/hello --replicas=5
    wherry logs -l app=hello --tail=3
    wherry describe pod -l app=hello
    KUBECONFIG=/etc/wherry/admin.kubeconfig kubectl get all
    make down                                stop it        (make down PURGE=1: leave no trace)
EOF
