{{/* What the three pods have in common. */}}

{{/* (dict "root" $ "component" "agent"): the pod's metadata, beside annotations. */}}
{{- define "saker.podLabels" -}}
{{ include "saker.labels" . }}
{{- with (index .root.Values .component).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Keys of the pod's spec that say where it runs. */}}
{{- define "saker.placement" -}}
{{- $values := index .root.Values .component -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Probes: (dict "port" "api" "scheme" "HTTP"). Ready means able to persist, so a full disk fails it and restarts
nothing; only a process that no longer answers is started again. */}}
{{- define "saker.probes" -}}
startupProbe:
  httpGet:
    path: /live
    port: {{ .port }}
    scheme: {{ .scheme }}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 300
livenessProbe:
  httpGet:
    path: /live
    port: {{ .port }}
    scheme: {{ .scheme }}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /ready
    port: {{ .port }}
    scheme: {{ .scheme }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Security contexts of the two that need no right on the node. */}}
{{- define "saker.plainPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# Not on every start through all of a large volume.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "saker.plainContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Mounts and volumes of the Secrets a component names. */}}
{{- define "saker.secretMounts" -}}
{{- range (index .root.Values .component).secrets }}
- name: secret-{{ . | sha256sum | trunc 8 }}
  mountPath: /etc/saker/secrets/{{ . }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "saker.secretVolumes" -}}
{{- range (index .root.Values .component).secrets }}
- name: secret-{{ . | sha256sum | trunc 8 }}
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}
