{{- define "sse-proxy-chart.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough for "-dashboards" behind it: a name has at most 63 characters. */ -}}
{{- define "sse-proxy-chart.fullname" -}}
{{- $name := include "sse-proxy-chart.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What selectors look for. They cannot be changed in a Deployment, so nothing that may change belongs here. */ -}}
{{- define "sse-proxy-chart.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sse-proxy-chart.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end -}}

{{- /* (dict "root" $ "component" "proxy") */ -}}
{{- define "sse-proxy-chart.labels" -}}
app.kubernetes.io/name: {{ include "sse-proxy-chart.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component | default "proxy" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sse-proxy
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* (dict "root" $ "component" … "name" … "labels" … "annotations" …): metadata of an object. */ -}}
{{- define "sse-proxy-chart.metadata" -}}
name: {{ .name | default (include "sse-proxy-chart.fullname" .root) }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "sse-proxy-chart.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sse-proxy-chart.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "sse-proxy-chart.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- /* True where there can be more than one pod. */ -}}
{{- define "sse-proxy-chart.hasReplicas" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled (gt (int .Values.replicas) 1) -}}true{{- end -}}
{{- end -}}

{{- /* Combinations that would do something else than they seem to. */ -}}
{{- define "sse-proxy-chart.check" -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
  {{- fail "autoscaling and keda are both enabled: two autoscalers would fight over the same Deployment; leave one of them out" -}}
{{- end -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
  {{- fail "podMonitor and serviceMonitor are both enabled: every series would be scraped twice; leave one of them out" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") (not .Values.llm.image.repository) -}}
  {{- fail "mode is sidecar, but llm.image.repository is not set: which LLM server is to run in the pod?" -}}
{{- end -}}
{{- if and (eq .Values.mode "standalone") .Values.llm.image.repository -}}
  {{- fail "llm.image.repository is set, but mode is standalone: set mode to sidecar, or proxy.config.upstream to where the LLM server is" -}}
{{- end -}}
{{- if and .Values.keda.enabled (not .Values.keda.serverAddress) -}}
  {{- fail "keda is enabled, but keda.serverAddress is not set: where is Prometheus?" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
  {{- fail "httpRoute is enabled, but httpRoute.parentRefs is empty: which Gateway does it belong to?" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
  {{- fail "ingress is enabled, but ingress.hosts is empty" -}}
{{- end -}}
{{- end -}}
