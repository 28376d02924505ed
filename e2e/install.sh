#!/usr/bin/env bash
# Gets the servers the end-to-end tests start: Kafka, an SMTP server, Prometheus, Alertmanager, and
# a Kubernetes cluster, whose first build takes six minutes; and an emulator with kernels to boot.
#
# Safe to run again, and quick when everything is there. What it downloads lives outside the
# checkout, in a folder per version, so that every checkout and every CI run shares it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

KAFKA_VERSION=4.1.0
AIOSMTPD_VERSION=1.4.6
SCHEMATHESIS_VERSION=4.32.5

cache=${XDG_CACHE_HOME:-$HOME/.cache}/saker/e2e
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9

# From the distribution: a Java, Maven, Python's venv, Prometheus and Alertmanager.
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need java default-jre-headless
need mvn maven
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need setpriv util-linux
need ip iproute2
need openssl openssl
need podman podman
need runc runc
need qemu-system-x86_64 qemu-system-x86
need xz xz-utils
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "e2e: missing packages, install them as root: ${missing[*]}" >&2
    exit 1
  fi
  apt-get update -q
  # Debian's Prometheus packages would start daemons of their own.
  printf '#!/bin/sh\nexit 101\n' >"$cache/no-daemons"
  chmod +x "$cache/no-daemons"
  [ -e /usr/sbin/policy-rc.d ] || { cp "$cache/no-daemons" /usr/sbin/policy-rc.d; policy=ours; }
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  [ "${policy:-}" = ours ] && rm /usr/sbin/policy-rc.d
fi

# Each folder appears under its name only when it is complete.
kafka=$cache/kafka-$KAFKA_VERSION
if [ ! -d "$kafka" ]; then
  rm -rf "$kafka.part"
  mkdir -p "$kafka.part"
  cp "$here/servers/kafka-pom.xml" "$kafka.part/pom.xml"
  mvn -q -B -f "$kafka.part/pom.xml" -Dkafka.version="$KAFKA_VERSION" \
    dependency:copy-dependencies -DoutputDirectory="$kafka.part/lib"
  mv "$kafka.part" "$kafka"
fi

smtp=$cache/aiosmtpd-$AIOSMTPD_VERSION
if [ ! -x "$smtp/bin/python" ] || [ ! -e "$smtp/.complete" ]; then
  rm -rf "$smtp"
  python3 -m venv "$smtp"
  "$smtp/bin/pip" install -q "aiosmtpd==$AIOSMTPD_VERSION"
  touch "$smtp/.complete"
fi

schemathesis=$cache/schemathesis-$SCHEMATHESIS_VERSION
if [ ! -e "$schemathesis/.complete" ]; then
  rm -rf "$schemathesis"
  python3 -m venv "$schemathesis"
  "$schemathesis/bin/pip" install -q --no-deps -r "$here/servers/schemathesis.txt"
  touch "$schemathesis/.complete"
fi

"$here/kernels/fetch"
"$here/engines/fetch"
"$here/cluster/build"
