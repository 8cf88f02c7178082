#!/usr/bin/env bash
# usage: keycloak.sh FOLDER      Keycloak into FOLDER/bin/kc.sh: an ordinary Maven artifact, unpacked and built for a file database.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
version=26.7.3
home=$1/keycloak-$version
[ ! -e "$home/.built-dev-file" ] || exit 0
for tool in java mvn python3; do
  command -v "$tool" >/dev/null || { echo "no $tool: Keycloak cannot be had, its tests are skipped"; exit 1; }
done
draft=$1/.keycloak
rm -rf "$draft" "$home"
mkdir -p "$draft" "$1/bin"
mvn -q -B dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$draft"
python3 -m zipfile -e "$draft/keycloak-quarkus-dist-$version.zip" "$draft"
mv "$draft/keycloak-$version" "$home"
rm -rf "$draft"
chmod +x "$home"/bin/*.sh
"$home/bin/kc.sh" build --db=dev-file --health-enabled=true --metrics-enabled=true >/dev/null
printf '#!/bin/sh\nexec "%s/bin/kc.sh" "$@"\n' "$home" >"$1/bin/kc.sh"
chmod +x "$1/bin/kc.sh"
touch "$home/.built-dev-file"
