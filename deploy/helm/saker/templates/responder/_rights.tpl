{{/*
What each action needs of the API server; docs/response-rbac.md is the same as a table, and a test compares them.
They are granted in the namespaces the action lists, unless its mode is off.
*/}}

{{- define "saker.response.observe" -}}
- apiGroups: [""]
  resources: [pods, namespaces, nodes]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get, list, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch]
{{- end -}}

{{- define "saker.response.killPod" -}}
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
{{- if .allowDelete }}
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
{{- end }}
{{- end -}}

{{- define "saker.response.labelPod" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
{{- end -}}

{{- define "saker.response.isolatePod" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, create, delete]
{{- end -}}

{{- define "saker.response.snapshotEvidence" -}}
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end -}}

{{/* These act through the agent of the node; the API server is not asked. */}}
{{- define "saker.response.killProcess" -}}{{- end -}}
{{- define "saker.response.killProcessTree" -}}{{- end -}}

{{/* "true" if an action has rights, under the ceiling. */}}
{{- define "saker.response.granted" -}}
{{- $modes := ternary (list "dry_run" "approve" "auto") (list "approve" "auto") .root.Values.responder.dryRunRights -}}
{{- if and (has (include "saker.mode" .root.Values.responder.mode) $modes) (has (include "saker.mode" .action.mode) $modes) -}}true{{- end -}}
{{- end -}}
