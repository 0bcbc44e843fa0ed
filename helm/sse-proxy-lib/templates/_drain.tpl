{{- /*
The end of a pod without a cut stream. On deletion the kubelet runs all preStop hooks at once; a native sidecar gets its
SIGTERM only after the last container is gone (KEP-753). So it is the LLM's preStop hook that has to wait for the streams:

    0 s                    both hooks: /readyz fails, requests are still served
    drain_delay_seconds    endpoints are updated; new requests get 503 with Retry-After
    … + drain_seconds      at the latest, mostly earlier: no stream is left, the hook returns, the LLM gets its SIGTERM
    … + llm.exitSeconds    the LLM is gone, the proxy gets its SIGTERM and exits with code 0
*/ -}}

{{- /* `lifecycle` of the LLM container: a map. */ -}}
{{- define "sse-proxy.llmLifecycle" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
preStop:
  httpGet:
    # cut: streams that are still open by then get their API's own error and a clean end, before the LLM drops them.
    path: /-/drain?wait={{ include "sse-proxy.drainWaitSeconds" . }}&cut=true
    # A number, as the kubelet looks for names among the ports of the LLM container.
    port: {{ int64 $settings.admin_port }}
    {{- with $values.drain.httpHeaders }}
    httpHeaders:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- if $values.drain.undrainCommand }}
postStart:
  exec:
    command:
      {{- toYaml $values.drain.undrainCommand | nindent 6 }}
{{- else if $values.nativeSidecar }}
postStart:
  httpGet:
    # When a failed probe restarts the LLM alone, the hook above has left the proxy draining. A native sidecar is there by then.
    path: /-/undrain
    port: {{ int64 $settings.admin_port }}
    {{- with $values.drain.httpHeaders }}
    httpHeaders:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- end -}}

{{- /* `lifecycle` of the proxy beside an LLM: not ready from the first moment on, whatever the LLM's hook does. A map. */ -}}
{{- define "sse-proxy.sidecarLifecycle" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
preStop:
  httpGet:
    path: /-/drain
    port: sse-admin
    {{- with $values.drain.httpHeaders }}
    httpHeaders:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end -}}

{{- /* How long the LLM's preStop hook waits for the streams, at most. */ -}}
{{- define "sse-proxy.drainWaitSeconds" -}}
{{- $settings := include "sse-proxy.settings" . | fromJson -}}
{{- $seconds := addf $settings.drain_delay_seconds $settings.drain_seconds | ceil | int64 -}}
{{- if gt $seconds 3600 -}}
  {{- fail (printf "sse-proxy-lib: drain_delay_seconds and drain_seconds make %d, but the proxy holds a hook for 3600 seconds at most" $seconds) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{- /* `terminationGracePeriodSeconds` of the pod: the steps above, and 5 seconds to cut what is left and to exit. */ -}}
{{- define "sse-proxy.terminationGracePeriodSeconds" -}}
{{- $values := include "sse-proxy.values" . | fromJson -}}
{{- $needed := add (include "sse-proxy.drainWaitSeconds" . | int64) 5 -}}
{{- $why := "drain_delay_seconds + drain_seconds + 5" -}}
{{- if eq (include "sse-proxy.mode" .) "sidecar" -}}
  {{- $needed = add $needed (int64 $values.llm.exitSeconds) -}}
  {{- $why = printf "%s + llm.exitSeconds" $why -}}
{{- end -}}
{{- $given := $values.terminationGracePeriodSeconds | default $needed | int64 -}}
{{- if lt $given $needed -}}
  {{- fail (printf "sse-proxy-lib: terminationGracePeriodSeconds is %d, but the drain needs %d (%s); raise it, leave it out, or lower the drain" $given $needed $why) -}}
{{- end -}}
{{- $given -}}
{{- end -}}
