{{/* The configuration files: what the chart knows, and over it what the values say. */}}

{{- define "saker.tls.files" -}}
{"certificate": "/etc/saker/tls/tls.crt", "key": "/etc/saker/tls/tls.key"}
{{- end -}}

{{- define "saker.tokens" -}}
{{- $tokens := list -}}
{{- range . -}}
{{- $tokens = append $tokens (dict "name" . "role" . "token" (printf "${file:/etc/saker/auth/%s}" .)) -}}
{{- end -}}
{{- dict "tokens" $tokens | toJson -}}
{{- end -}}

{{/* Helm reads a bare `off` as false. */}}
{{- define "saker.mode" -}}
{{- ternary "off" . (kindIs "bool" .) -}}
{{- end -}}

{{/* "true" if the responder may give orders to agents: it asks them whether a process is dead. */}}
{{- define "saker.orders" -}}
{{- if .Values.responder.enabled -}}
{{- range $action := .Values.responder.actions -}}
{{- if ne (include "saker.mode" $action.mode) "off" -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" if the responder may have processes killed. */}}
{{- define "saker.kills" -}}
{{- if and .Values.responder.enabled (has (include "saker.mode" .Values.responder.mode) (list "approve" "auto")) -}}
{{- range $action := list .Values.responder.actions.killProcess .Values.responder.actions.killProcessTree -}}
{{- if has (include "saker.mode" $action.mode) (list "approve" "auto") -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "saker.agent.kills" -}}
{{- if or (include "saker.kills" .) (eq (dig "enforce" "mode" "off" .Values.agent.config) "enforce") -}}true{{- end -}}
{{- end -}}

{{- define "saker.agent.config" -}}
{{- $name := include "saker.fullname" . -}}
{{- $tls := include "saker.tls.files" . | fromJson -}}
{{- $sockets := list -}}
{{- range .Values.agent.runtimeSockets -}}
{{- $sockets = append $sockets (printf "/host%s" .) -}}
{{- end -}}
{{- $agent := dict
  "hostname" "${env:NODE_NAME}"
  "admin" "0.0.0.0:2803"
  "builtin_rules" .Values.agent.rules.builtin
  "router" (merge (dict "url" (printf "https://%s-router:2801" $name) "ca" "/etc/saker/tls/ca.crt") $tls)
  "spool" (dict "dir" "/var/lib/saker-agent/spool")
  "containers" (dict "sockets" $sockets)
-}}
{{- if or .Values.agent.rules.files .Values.agent.rules.existingConfigMap -}}
{{- $_ := set $agent "rules" (list "/etc/saker/rules") -}}
{{- end -}}
{{- if include "saker.orders" . -}}
{{- $_ := set $agent "actions" (dict
  "listen" "0.0.0.0:2804"
  "tls" (merge (dict "client_ca" "/etc/saker/tls/ca.crt") $tls)
  "clients" (list "saker-responder")
  "host_processes" .Values.agent.hostProcesses
) -}}
{{- end -}}
{{- dict "agent" (mergeOverwrite $agent (deepCopy .Values.agent.config)) "logs" .Values.logs | toYaml -}}
{{- end -}}

{{- define "saker.router.config" -}}
{{- $name := include "saker.fullname" . -}}
{{- $tls := include "saker.tls.files" . | fromJson -}}
{{- $listen := deepCopy $tls -}}
{{- if .Values.tls.requireClientCertificates -}}
{{- $_ := set $listen "client_ca" "/etc/saker/tls/ca.crt" -}}
{{- end -}}
{{- $router := dict
  "listen" "0.0.0.0:2801"
  "tls" $listen
  "api" "0.0.0.0:2802"
  "auth" (include "saker.tokens" (list "admin" "viewer") | fromJson)
  "data" "/var/lib/saker"
-}}
{{- if .Values.router.apiTls.enabled -}}
{{- $_ := set $router "api_tls" $tls -}}
{{- end -}}
{{- if .Values.router.kubernetes.enabled -}}
{{- $kubernetes := dict -}}
{{- with .Values.router.kubernetes.cluster -}}
{{- $_ := set $kubernetes "cluster" . -}}
{{- end -}}
{{- $_ := set $router "kubernetes" $kubernetes -}}
{{- end -}}
{{- if .Values.responder.enabled -}}
{{- $responder := merge (dict "url" (printf "https://%s-responder:2805" $name) "ca" "/etc/saker/tls/ca.crt") $tls -}}
{{- with .Values.responder.match -}}
{{- $_ := set $responder "match" . -}}
{{- end -}}
{{- $_ := set $router "responder" $responder -}}
{{- end -}}
{{- $config := dict "router" (mergeOverwrite $router (deepCopy .Values.router.config)) "logs" .Values.logs -}}
{{- range $key := list "outputs" "routes" "intervals" "silences" "silence_notices" "inhibitions" "windows" "fingerprints" "score" "limits" -}}
{{- with index $.Values $key -}}
{{- $_ := set $config $key . -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The part of the configuration a running router, or responder, does not take up. */}}
{{- define "saker.router.start" -}}
{{- $config := include "saker.router.config" . | fromYaml -}}
{{- dict "router" (omit $config.router "auth") "logs" $config.logs | toJson -}}
{{- end -}}

{{- define "saker.responder.config" -}}
{{- $name := include "saker.fullname" . -}}
{{- $tls := include "saker.tls.files" . | fromJson -}}
{{- $actions := dict -}}
{{- range $key, $action := .Values.responder.actions -}}
{{- $mode := include "saker.mode" $action.mode -}}
{{- if ne $mode "off" -}}
{{- $_ := set $actions (snakecase $key) (dict "mode" $mode "namespaces" $action.namespaces) -}}
{{- end -}}
{{- end -}}
{{- $agents := printf "app.kubernetes.io/name=%s,app.kubernetes.io/instance=%s,app.kubernetes.io/component=agent" (default .Chart.Name .Values.nameOverride) .Release.Name -}}
{{- $response := dict
  "listen" "0.0.0.0:2805"
  "tls" (merge (dict "client_ca" "/etc/saker/tls/ca.crt") $tls)
  "api" "0.0.0.0:2806"
  "auth" (include "saker.tokens" (list "admin" "responder" "viewer") | fromJson)
  "data" "/var/lib/saker-responder"
  "mode" (include "saker.mode" .Values.responder.mode)
  "actions" $actions
  "responses" .Values.responder.responses
  "kubernetes" (dict "agent_selector" $agents "network_policies_enforced" .Values.responder.networkPoliciesEnforced)
  "agents" (merge (dict "ca" "/etc/saker/tls/ca.crt") $tls)
  "router" (merge (dict "url" (printf "https://%s-router:2801" $name) "ca" "/etc/saker/tls/ca.crt") $tls)
-}}
{{- if .Values.responder.apiTls.enabled -}}
{{- $_ := set $response "api_tls" $tls -}}
{{- end -}}
{{- dict "response" (mergeOverwrite $response (deepCopy .Values.responder.config)) "logs" .Values.logs | toYaml -}}
{{- end -}}

{{- define "saker.responder.start" -}}
{{- $config := include "saker.responder.config" . | fromYaml -}}
{{- $response := omit $config.response "mode" "actions" "responses" "trusted_sources" "freshness" "protected" "budgets" "cool_down" "approval" "freezes" "plans_per_minute_max" -}}
{{- dict "response" $response "logs" $config.logs | toJson -}}
{{- end -}}
