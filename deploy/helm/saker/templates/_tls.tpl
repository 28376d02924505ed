{{/*
Certificates made by the chart. They are made once for each rendering, since every call gives others, and kept in
`.Values._tls`: for each Secret its data and annotations.

What is in the cluster stays, unless it ends within `renewDays` or its names changed. The authority's key is kept (in
FULLNAME-ca, which no pod mounts) so that a renewed certificate is of the same authority, and the others go on.
*/}}

{{- define "saker.tls.make" -}}
{{- if not (hasKey .Values "_tls") -}}
{{- $root := . -}}
{{- $options := .Values.tls.chart -}}
{{- $namespace := .Release.Namespace -}}
{{- $renewed := now | unixEpoch | int64 | add (mul $options.renewDays 86400) -}}
{{- $made := dict -}}

{{- $caName := printf "%s-ca" (include "saker.fullname" .) -}}
{{- $kept := lookup "v1" "Secret" $namespace $caName -}}
{{- $authority := "" -}}
{{- $caIsNew := true -}}
{{- $caEnds := now | unixEpoch | int64 | add (mul $options.caDays 86400) | toString -}}
{{- if $kept -}}
{{- $ends := dig "metadata" "annotations" "saker.dev/ends" "0" $kept -}}
{{- if gt (int64 $ends) (int64 $renewed) -}}
{{- $authority = buildCustomCert (index $kept.data "tls.crt") (index $kept.data "tls.key") -}}
{{- $caIsNew = false -}}
{{- $caEnds = $ends -}}
{{- end -}}
{{- end -}}
{{- if $caIsNew -}}
{{- $authority = genCAWithKey (printf "Saker %s/%s" $namespace .Release.Name | trunc 64) (int $options.caDays) (genPrivateKey "ecdsa") -}}
{{- end -}}
{{- $_ := set $made "ca" (dict "name" $caName "ends" $caEnds "names" "" "data" (dict "tls.crt" ($authority.Cert | b64enc) "tls.key" ($authority.Key | b64enc))) -}}

{{- range $component := include "saker.tlsBearers" . | fromJsonArray -}}
{{- $call := dict "root" $root "component" $component -}}
{{- $name := include "saker.tlsSecret" $call -}}
{{- $names := include "saker.tlsNames" $call -}}
{{- $kept := lookup "v1" "Secret" $namespace $name -}}
{{- $ends := dig "metadata" "annotations" "saker.dev/ends" "0" (default dict $kept) -}}
{{- $sameNames := eq $names (dig "metadata" "annotations" "saker.dev/names" "" (default dict $kept)) -}}
{{- if and $kept (not $caIsNew) $sameNames (gt (int64 $ends) (int64 $renewed)) -}}
{{- $_ := set $made $component (dict "name" $name "ends" $ends "names" $names "data" $kept.data) -}}
{{- else -}}
{{- $pair := genSignedCertWithKey (fromJsonArray $names | first) nil (fromJsonArray $names) (int $options.days) $authority (genPrivateKey "ecdsa") -}}
{{- $ends := now | unixEpoch | int64 | add (mul $options.days 86400) | toString -}}
{{- $data := dict "tls.crt" ($pair.Cert | b64enc) "tls.key" ($pair.Key | b64enc) "ca.crt" ($authority.Cert | b64enc) -}}
{{- $_ := set $made $component (dict "name" $name "ends" $ends "names" $names "data" $data) -}}
{{- end -}}
{{- end -}}
{{- $_ := set .Values "_tls" $made -}}
{{- end -}}
{{- end -}}
