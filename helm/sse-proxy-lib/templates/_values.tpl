{{- /*
What every template of this library takes: (dict "root" $ "values" .Values.<dependency> ["mode" "standalone"]).

"sse-proxy.values" is those values, over the library's defaults where the caller's chart keeps them in a block of its
own, as JSON. "sse-proxy.settings" is what the proxy is to be told: setting → value, as JSON.
*/ -}}
{{- define "sse-proxy.values" -}}
{{- $defaults := get .root.Values "sse-proxy-lib" | default dict -}}
{{- $values := mustMergeOverwrite (deepCopy $defaults) (deepCopy (.values | default dict)) -}}
{{- if not (hasKey $values "nativeSidecar") -}}
  {{- fail "sse-proxy-lib: no values; pass those of the dependency, under its name or alias: (dict \"root\" $ \"values\" .Values.<alias>)" -}}
{{- end -}}
{{- toJson $values -}}
{{- end -}}

{{- define "sse-proxy.mode" -}}
{{- $mode := .mode | default "sidecar" -}}
{{- if not (has $mode (list "sidecar" "standalone")) -}}
  {{- fail (printf "sse-proxy-lib: mode is %q, expected sidecar or standalone" $mode) -}}
{{- end -}}
{{- $mode -}}
{{- end -}}

{{- define "sse-proxy.settings" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $sidecar := eq (include "sse-proxy.mode" .) "sidecar" -}}
{{- $defaults := include "sse-proxy.settingDefaults" . | fromJson -}}
{{- $settings := dict
      "host" "::"
      "admin_host" "::"
      "readiness_upstream" (ternary "tcp" "off" $sidecar)
      "drain_delay_seconds" $defaults.drain_delay_seconds
      "drain_seconds" $defaults.drain_seconds
      "port" $defaults.port
      "admin_port" $defaults.admin_port -}}
{{- if $sidecar -}}
  {{- $_ := set $settings "upstream" (printf "http://127.0.0.1:%d" (int64 $values.llm.port)) -}}
{{- end -}}
{{- range $name, $value := $values.config -}}
  {{- if not (hasKey $defaults $name) -}}
    {{- fail (printf "sse-proxy-lib: config.%s is no setting of sse-proxy" $name) -}}
  {{- end -}}
  {{- if and (not (kindIs "invalid" $value)) (ne $name "routes") -}}
    {{- $_ := set $settings $name $value -}}
  {{- end -}}
{{- end -}}
{{- range $file := (include "sse-proxy.files" . | fromJson).secrets -}}
  {{- if hasKey $settings $file.setting -}}
    {{- fail (printf "sse-proxy-lib: config.%s and the Secret %s both say where it is; leave one of them out" $file.setting $file.secret) -}}
  {{- end -}}
  {{- $_ := set $settings $file.setting (printf "/etc/sse-proxy/%s" $file.path) -}}
{{- end -}}
{{- include "sse-proxy.checkSettings" (dict "settings" $settings "values" $values "sidecar" $sidecar) -}}
{{- toJson $settings -}}
{{- end -}}

{{- /* What would otherwise be found out by a pod that never gets ready. */ -}}
{{- define "sse-proxy.checkSettings" -}}
{{- if not .settings.upstream -}}
  {{- fail "sse-proxy-lib: config.upstream is not set, expected the LLM server's base URL: http://HOST:PORT" -}}
{{- end -}}
{{- if or (hasPrefix "127." .settings.admin_host) (has .settings.admin_host (list "localhost" "::1" "[::1]")) -}}
  {{- fail (printf "sse-proxy-lib: config.admin_host is %s, where no probe of the kubelet gets to; expected :: or 0.0.0.0" .settings.admin_host) -}}
{{- end -}}
{{- if eq (int64 .settings.port) (int64 .settings.admin_port) -}}
  {{- fail (printf "sse-proxy-lib: config.port and config.admin_port are both %d" (int64 .settings.port)) -}}
{{- end -}}
{{- if and .sidecar (has (int64 .values.llm.port) (list (int64 .settings.port) (int64 .settings.admin_port))) -}}
  {{- fail (printf "sse-proxy-lib: llm.port is %d, a port of the proxy in the same pod" (int64 .values.llm.port)) -}}
{{- end -}}
{{- if and .values.secrets.redisUrl.name .settings.resume -}}
  {{- fail "sse-proxy-lib: config.resume and secrets.redisUrl are both set; leave one of them out" -}}
{{- end -}}
{{- /* The kubelet does not look at the status of a hook's answer: a 401 would end the LLM at once, and all streams. */ -}}
{{- if and .sidecar .values.secrets.adminToken.name (not .values.drain.httpHeaders) -}}
  {{- fail "sse-proxy-lib: secrets.adminToken guards /-/drain, which the LLM's preStop hook asks: set drain.httpHeaders with its Authorization, or leave the token out and guard the admin port with a NetworkPolicy" -}}
{{- end -}}
{{- end -}}
