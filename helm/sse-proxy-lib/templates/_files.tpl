{{- /*
What the container reads from files. One projected volume at /etc/sse-proxy holds it all, as a folder and not as single
files (subPath), since only in a folder the kubelet replaces what has changed.

"sse-proxy.files": {"secrets": [{setting, secret, key, path}], "config": true where there is a config.toml}, as JSON.
*/ -}}
{{- define "sse-proxy.files" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $secrets := $values.secrets -}}
{{- $files := list -}}
{{- range $one := list
      (list $secrets.authTokens "key" "auth_tokens_file" "auth-tokens")
      (list $secrets.upstreamHeaders "key" "upstream_headers_file" "upstream-headers")
      (list $secrets.adminToken "key" "admin_token_file" "admin-token")
      (list $secrets.serverTls "cert" "tls_cert_file" "tls/tls.crt")
      (list $secrets.serverTls "key" "tls_key_file" "tls/tls.key")
      (list $secrets.serverTls "clientCa" "tls_client_ca_file" "tls/client-ca.crt")
      (list $secrets.upstreamTls "ca" "upstream_ca_file" "upstream-tls/ca.crt")
      (list $secrets.upstreamTls "cert" "upstream_client_cert" "upstream-tls/tls.crt")
      (list $secrets.upstreamTls "key" "upstream_client_key" "upstream-tls/tls.key") -}}
  {{- $secret := index $one 0 -}}
  {{- $key := get $secret (index $one 1) -}}
  {{- if and $secret.name $key -}}
    {{- $files = append $files (dict "secret" $secret.name "key" $key "setting" (index $one 2) "path" (index $one 3)) -}}
  {{- end -}}
{{- end -}}
{{- toJson (dict "secrets" $files "config" (not (empty $values.config.routes))) -}}
{{- end -}}

{{- /* Name of the ConfigMap that "sse-proxy.configMap" makes. */ -}}
{{- define "sse-proxy.configMapName" -}}
{{- printf "%s-sse-proxy" .root.Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The pod's volumes that the container needs: a list. */ -}}
{{- define "sse-proxy.volumes" -}}
{{- $files := include "sse-proxy.files" . | fromJson -}}
- name: sse-proxy-tmp
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{- if or $files.secrets $files.config }}
- name: sse-proxy-files
  projected:
    # Readable for uid 65532 without the pod's fsGroup, which is not ours to set; no other container mounts it.
    defaultMode: 0444
    sources:
      {{- if $files.config }}
      - configMap:
          name: {{ include "sse-proxy.configMapName" . }}
          items:
            - key: config.toml
              path: config.toml
      {{- end }}
      {{- range $file := $files.secrets }}
      - secret:
          name: {{ $file.secret }}
          items:
            - key: {{ $file.key | quote }}
              path: {{ $file.path }}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "sse-proxy.volumeMounts" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $files := include "sse-proxy.files" . | fromJson -}}
- name: sse-proxy-tmp
  mountPath: /tmp
{{- if or $files.secrets $files.config }}
- name: sse-proxy-files
  mountPath: /etc/sse-proxy
  readOnly: true
{{- end }}
{{- with $values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The ConfigMap with the settings that only a file can hold; nothing where there are none. A manifest of its own. */ -}}
{{- define "sse-proxy.configMap" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- if $values.config.routes -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "sse-proxy.configMapName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .root.Chart.Name }}
    app.kubernetes.io/instance: {{ .root.Release.Name }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
data:
  config.toml: |
    {{- include "sse-proxy.config" . | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "sse-proxy.config" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
routes = [
{{- range $values.config.routes }}
  {{ include "sse-proxy.toml" . }},
{{- end }}
]
{{- end -}}

{{- /* For an annotation of the pod, so that another config.toml is another pod: the file is read once, at the start. */ -}}
{{- define "sse-proxy.configChecksum" -}}
{{- include "sse-proxy.config" . | sha256sum -}}
{{- end -}}

{{- /*
A value in TOML, on one line. Not toToml: it writes the numbers of values.yaml, all of which Helm reads as floats, as 4096.0
or 3.3e+07, and a body's `max_tokens` has to stay a whole number.
*/ -}}
{{- define "sse-proxy.toml" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }},{{ end }} {{ toRawJson $key }} = {{ include "sse-proxy.toml" (get $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{- range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "sse-proxy.toml" $item }}{{ end }}]
{{- else if kindIs "string" . -}}
{{- toRawJson . | replace "\u007f" "\\u007F" -}}
{{- else if kindIs "invalid" . -}}
{{- fail "sse-proxy-lib: config.routes holds a null, which TOML does not have" -}}
{{- else -}}
{{- include "sse-proxy.scalar" . -}}
{{- end -}}
{{- end -}}

{{- /* A number or boolean as the proxy reads it: 33554432, where Go would print 3.3554432e+07. */ -}}
{{- define "sse-proxy.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) (float64 .)) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}
