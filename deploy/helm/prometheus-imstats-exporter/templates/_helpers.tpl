{{- define "imstats.name" -}}
{{- default "imstats-exporter" .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* It begins with imstats, since the alert rules go by the job, which is the service's name. */}}
{{- define "imstats.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "imstats.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" (include "imstats.name" .) .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "imstats.selector" -}}
app.kubernetes.io/name: {{ include "imstats.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "imstats.labels" -}}
{{ include "imstats.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "imstats.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "imstats.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "imstats.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* The program asks itself whether it is ready, with TLS too. */}}
{{- define "imstats.probe" -}}
exec:
  command: [/usr/bin/imstats_exporter, healthcheck]
timeoutSeconds: 5
{{- end }}
