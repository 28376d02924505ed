{{/* What objects are called, and the labels they carry. */}}

{{- define "saker.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "component" "agent") */}}
{{- define "saker.name" -}}
{{- printf "%s-%s" (include "saker.fullname" .root) .component -}}
{{- end -}}

{{- define "saker.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "saker.labels" -}}
{{ include "saker.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "saker.image" -}}
{{- $image := (index .root.Values .component).image -}}
{{- $registry := $image.registry | default .root.Values.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "saker.tlsSecret" -}}
{{- $own := get .root.Values.tls.existingSecret .component -}}
{{- if and (eq .root.Values.tls.mode "existingSecret") $own -}}
{{- $own -}}
{{- else -}}
{{- printf "%s-tls" (include "saker.name" .) -}}
{{- end -}}
{{- end -}}

{{- define "saker.authSecret" -}}
{{- (index .root.Values .component).auth.existingSecret | default (printf "%s-auth" (include "saker.name" .)) -}}
{{- end -}}

{{/* Whoever gets a certificate: our components, and senders of alerts the values name. A JSON list. */}}
{{- define "saker.tlsBearers" -}}
{{- concat (list "agent" "router" "responder") .Values.tls.senders | uniq | toJson -}}
{{- end -}}

{{/* DNS names of a certificate, as a JSON list. The first says who it is. */}}
{{- define "saker.tlsNames" -}}
{{- $names := list -}}
{{- if has .component (list "agent" "router" "responder") -}}
{{- $names = list (printf "saker-%s" .component) -}}
{{- else -}}
{{- $names = list .component -}}
{{- end -}}
{{- if has .component (list "router" "responder") -}}
{{- $service := include "saker.name" . -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $names = concat $names (list $service (printf "%s.%s" $service $namespace) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s.svc.%s" $service $namespace .root.Values.clusterDomain)) -}}
{{- end -}}
{{- if eq .component "router" -}}
{{- $names = concat $names .root.Values.tls.routerNames -}}
{{- end -}}
{{- $names | uniq | toJson -}}
{{- end -}}
