{{- /*
The end of a pod without a cut stream. On deletion the kubelet runs all preStop hooks at once; a native sidecar gets its
SIGTERM only after the last container is gone (KEP-753). So it is the LLM's preStop hook that has to wait for the streams:

    0 s                    the hook's GET /-/drain?wait=: /readyz fails, requests are still served
    drain_delay_seconds    endpoints are updated; new requests get 503 with Retry-After
    … + drain_seconds      at the latest, mostly earlier: no stream is left, the hook returns, the LLM gets its SIGTERM
    … + llm.exitSeconds    the LLM is gone, the proxy gets its SIGTERM: its own delay, no streams, exit code 0
*/ -}}

{{- /* `lifecycle` of the LLM container: a map. */ -}}
{{- define "sse-proxy.llmLifecycle" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
preStop:
  httpGet:
    path: /-/drain?wait={{ include "sse-proxy.drainWaitSeconds" . }}
    # A number, as the kubelet looks for names among the ports of the LLM container.
    port: {{ int64 $settings.admin_port }}
    {{- with $values.drain.httpHeaders }}
    httpHeaders:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- with $values.drain.undrainCommand }}
postStart:
  exec:
    command:
      {{- toYaml . | nindent 6 }}
{{- end }}
{{- end -}}

{{- /* How long the LLM's preStop hook waits for the streams, at most. */ -}}
{{- define "sse-proxy.drainWaitSeconds" -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
{{- addf $settings.drain_delay_seconds $settings.drain_seconds | ceil | int64 -}}
{{- end -}}

{{- /*
`terminationGracePeriodSeconds` of the pod: the steps above, and 5 seconds in which the proxy cuts what is left and exits.
*/ -}}
{{- define "sse-proxy.terminationGracePeriodSeconds" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
{{- $needed := add (include "sse-proxy.drainWaitSeconds" . | int64) 5 -}}
{{- $why := "drain_delay_seconds + drain_seconds + 5" -}}
{{- if eq (include "sse-proxy.mode" .) "sidecar" -}}
  {{- $needed = add $needed (int64 $values.llm.exitSeconds) -}}
  {{- $why = printf "%s + llm.exitSeconds" $why -}}
  {{- if $values.nativeSidecar -}}
    {{- $needed = add $needed ($settings.drain_delay_seconds | ceil | int64) -}}
    {{- $why = printf "%s + drain_delay_seconds of the proxy's own end" $why -}}
  {{- end -}}
{{- end -}}
{{- $given := $values.terminationGracePeriodSeconds | default $needed | int64 -}}
{{- if lt $given $needed -}}
  {{- fail (printf "sse-proxy-lib: terminationGracePeriodSeconds is %d, but the drain needs %d (%s); raise it, leave it out, or lower the drain" $given $needed $why) -}}
{{- end -}}
{{- $given -}}
{{- end -}}
