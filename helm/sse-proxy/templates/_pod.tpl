{{- /* `spec` of the pods: a map. */ -}}
{{- define "sse-proxy-chart.pod" -}}
{{- $proxy := dict "root" . "values" .Values.proxy "mode" .Values.mode -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
{{- $native := and $sidecar .Values.proxy.nativeSidecar -}}
serviceAccountName: {{ include "sse-proxy-chart.serviceAccountName" . }}
automountServiceAccountToken: false
# A Service named sse-proxy would put SSE_PROXY_PORT=tcp://… into the environment.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "sse-proxy.terminationGracePeriodSeconds" $proxy }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- if or .Values.extraInitContainers $native }}
initContainers:
  {{- with .Values.extraInitContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if $native }}
  {{- include "sse-proxy.sidecar" $proxy | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  {{- if $sidecar }}
  {{- include "sse-proxy-chart.llm" . | nindent 2 }}
  {{- end }}
  {{- if not $sidecar }}
  - {{ include "sse-proxy.container" $proxy | nindent 4 | trim }}
  {{- else if not $native }}
  {{- include "sse-proxy.sidecar" $proxy | nindent 2 }}
  {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "sse-proxy.volumes" $proxy | nindent 2 }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and .Values.topologySpread.enabled (include "sse-proxy-chart.hasReplicas" .) }}
topologySpreadConstraints:
  {{- range .Values.topologySpread.topologyKeys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sse-proxy-chart.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with .Values.extraPodSpec }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The LLM server's container: an item of a list. */ -}}
{{- define "sse-proxy-chart.llm" -}}
{{- $llm := .Values.llm -}}
- name: {{ $llm.name }}
  {{- if $llm.image.digest }}
  image: {{ printf "%s@%s" $llm.image.repository $llm.image.digest | quote }}
  {{- else }}
  image: {{ printf "%s:%s" $llm.image.repository (required "llm.image.tag or llm.image.digest is needed" $llm.image.tag) | quote }}
  {{- end }}
  imagePullPolicy: {{ $llm.image.pullPolicy }}
  {{- range $key := list "command" "args" "env" "envFrom" }}
  {{- with get $llm $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  ports:
    - name: llm
      containerPort: {{ int64 .Values.proxy.llm.port }}
  lifecycle:
    {{- include "sse-proxy.llmLifecycle" (dict "root" . "values" .Values.proxy "mode" .Values.mode) | nindent 4 }}
  {{- range $key := list "startupProbe" "readinessProbe" "livenessProbe" "resources" "securityContext" "volumeMounts" }}
  {{- with get $llm $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}
