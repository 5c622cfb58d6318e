{{/* The name of the Deployment, its Service and its rights: gantry-controller for a release called gantry. */}}
{{- define "gantry.controller" -}}
{{- printf "%s-controller" (.Release.Name | trunc 52 | trimSuffix "-") -}}
{{- end -}}

{{- define "gantry.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "gantry.controller" .) -}}
{{- else -}}
{{- required "serviceAccount.name: which one, when none is created?" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gantry.image" -}}
{{- printf "%s:%s" .Values.image.repository .Values.image.tag -}}
{{- end -}}

{{/* Rights in the whole cluster bear the namespace too, except in gantry-system, so that two releases do not share them. */}}
{{- define "gantry.clusterName" -}}
{{- if eq .Release.Namespace "gantry-system" -}}
{{- include "gantry.controller" . -}}
{{- else -}}
{{- printf "%s-%s" (include "gantry.controller" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}
