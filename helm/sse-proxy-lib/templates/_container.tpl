{{- /* The container itself, and its environment. */ -}}
{{- define "sse-proxy.image" -}}
{{- $image := (include "sse-proxy.values" . | fromJson).image -}}
{{- $repository := ternary (printf "%s/%s" $image.registry $image.repository) $image.repository (not (empty $image.registry)) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (required "sse-proxy-lib: image.tag or image.digest is needed" $image.tag) -}}
{{- end -}}
{{- end -}}

{{- /*
The ports by number, for what selects pods. By name a native sidecar's ports were not found for years: not by Services before
Kubernetes 1.32 (kubernetes#127958), and not by every implementation of NetworkPolicy (calico#8881).
*/ -}}
{{- define "sse-proxy.port" -}}
{{- (include "sse-proxy.settings" . | fromJson).port | int64 -}}
{{- end -}}

{{- define "sse-proxy.adminPort" -}}
{{- (include "sse-proxy.settings" . | fromJson).admin_port | int64 -}}
{{- end -}}

{{- define "sse-proxy.env" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
# The root is read-only.
- name: PYTHONDONTWRITEBYTECODE
  value: "1"
{{- if (include "sse-proxy.files" . | fromJson).config }}
- name: SSE_PROXY_CONFIG
  value: /etc/sse-proxy/config.toml
{{- end }}
{{- range $name, $value := $settings }}
- name: SSE_PROXY_{{ upper $name }}
  {{- if kindIs "slice" $value }}
  value: {{ join "," $value | quote }}
  {{- else if kindIs "string" $value }}
  value: {{ $value | quote }}
  {{- else }}
  value: {{ include "sse-proxy.scalar" $value | quote }}
  {{- end }}
{{- end }}
{{- with $values.secrets.redisUrl }}
{{- if .name }}
- name: SSE_PROXY_RESUME
  valueFrom:
    secretKeyRef:
      name: {{ .name }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The container without what differs between a sidecar and a pod of its own: a map. */ -}}
{{- define "sse-proxy.container" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
name: sse-proxy
image: {{ include "sse-proxy.image" . | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args:
  - serve
  {{- with $values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  {{- include "sse-proxy.env" . | nindent 2 }}
ports:
  # Not "http", which the other containers of a pod may have.
  - name: sse-http
    containerPort: {{ int64 $settings.port }}
  - name: sse-admin
    containerPort: {{ int64 $settings.admin_port }}
startupProbe:
  httpGet:
    path: /healthz
    port: sse-admin
  {{- include "sse-proxy.timing" $values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet:
    path: /healthz
    port: sse-admin
  {{- include "sse-proxy.timing" $values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: sse-admin
  {{- include "sse-proxy.timing" $values.probes.readiness | nindent 2 }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $values.securityContext | nindent 2 }}
volumeMounts:
  {{- include "sse-proxy.volumeMounts" . | nindent 2 }}
{{- end -}}

{{- define "sse-proxy.timing" -}}
periodSeconds: {{ int64 .periodSeconds }}
failureThreshold: {{ int64 .failureThreshold }}
timeoutSeconds: {{ int64 .timeoutSeconds }}
{{- end -}}

{{- /*
The container beside an LLM server: an item of a list. Of `initContainers` where `nativeSidecar`, else of `containers`.
*/ -}}
{{- define "sse-proxy.sidecar" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
- {{ include "sse-proxy.container" . | nindent 2 | trim }}
  lifecycle:
    {{- include "sse-proxy.sidecarLifecycle" . | nindent 4 }}
  {{- if $values.nativeSidecar }}
  # Makes it a native sidecar: it has started before the containers do, and gets its SIGTERM after the last of them is gone.
  restartPolicy: Always
  {{- end }}
{{- end -}}
