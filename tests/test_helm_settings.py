"""The settings in the chart: each one reachable and typed, and rendered as the proxy itself understands it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sse_proxy.settings import Settings, load_settings
from sse_proxy.settings.model import FILE_ONLY

from .helm_charts import SHAPES, Object, Rendered, ci_values, refusal, render

#: Where the container has its files.
FILES = "/etc/sse-proxy"


def files_of(rendered: Rendered) -> dict[str, Object]:
    """Path in the container → what it comes from, for all files of the projected volume."""
    volumes = [one for one in rendered.pod["volumes"] if one["name"] == "sse-proxy-files"]
    if not volumes:
        return {}
    (mount,) = (one for one in rendered.proxy["volumeMounts"] if one["name"] == "sse-proxy-files")
    # Single files by subPath would never change, and so a rotated token never be seen.
    assert mount == {"name": "sse-proxy-files", "mountPath": FILES, "readOnly": True}
    found = {}
    for source in volumes[0]["projected"]["sources"]:
        for kind, one in source.items():
            for item in one["items"]:
                found[f"{FILES}/{item['path']}"] = {"kind": kind, "name": one["name"], "key": item["key"]}
    return found


def loaded(rendered: Rendered, folder: Path, **secret_variables: str) -> Settings:
    """What the proxy makes of its environment and files, with *folder* in place of the mounted one."""
    maps = {one["metadata"]["name"]: one["data"] for one in rendered.all("ConfigMap")}
    for path, source in files_of(rendered).items():
        place = folder / path.removeprefix(f"{FILES}/")
        place.parent.mkdir(parents=True, exist_ok=True)
        is_ours = source["kind"] == "configMap"
        place.write_text(maps[source["name"]][source["key"]] if is_ours else "secret\n", encoding="utf-8")
    variables = {name: value.replace(FILES, str(folder)) for name, value in rendered.environment.items()}
    result = load_settings(environ={**variables, **secret_variables})
    assert result.warnings == ()
    return result.settings


@pytest.mark.parametrize("shape", SHAPES)
def test_the_proxy_takes_what_the_chart_gives_it(shape: str, tmp_path: Path) -> None:
    """For every shape the proxy's own loader accepts environment and files, without a warning."""
    secrets = {one["name"]: "redis://redis:6379/0" for one in render(shape).proxy["env"] if "valueFrom" in one}
    settings = loaded(render(shape), tmp_path, **secrets)
    given = ci_values(shape)["proxy"].get("config", {}) if "proxy" in ci_values(shape) else {}
    plain = Settings.model_validate({name: value for name, value in given.items() if name != "routes"})
    for name in given:
        if name != "routes":
            assert getattr(settings, name) == getattr(plain, name)


def test_every_setting_arrives_with_its_type(tmp_path: Path) -> None:
    """Each setting that is no file, with another value than its default, is in force exactly as written."""
    given = ci_values("settings")["proxy"]["config"]
    paths = {name for name in Settings.model_fields if name.endswith("_file") or name.startswith("upstream_client")}
    assert set(given) == set(Settings.model_fields) - FILE_ONLY - paths
    settings = loaded(render("settings"), tmp_path)
    assert settings == Settings.model_validate(given)
    assert all(getattr(settings, name) != Settings.model_fields[name].default for name in given)


def test_a_setting_that_is_a_file_may_be_mounted_by_hand() -> None:
    """A path under `config` goes through, for files that come from elsewhere than a Secret."""
    config = {"auth_tokens_file": "/vault/tokens", "upstream_ca_file": "/etc/ssl/certs/ca.pem"}
    environment = render("standalone", proxy={"config": config}).environment
    assert environment["SSE_PROXY_AUTH_TOKENS_FILE"] == "/vault/tokens"
    assert environment["SSE_PROXY_UPSTREAM_CA_FILE"] == "/etc/ssl/certs/ca.pem"


def test_secrets_are_files(tmp_path: Path) -> None:
    """Each Secret is mounted under the name that its setting is told; none is in the environment."""
    rendered = render("secrets")
    settings = loaded(rendered, tmp_path)
    expected = {
        "auth_tokens_file": ("proxy-tokens", "tokens"),
        "upstream_headers_file": ("proxy-upstream-headers", "headers"),
        "admin_token_file": ("proxy-admin", "token"),
        "tls_cert_file": ("proxy-tls", "tls.crt"),
        "tls_key_file": ("proxy-tls", "tls.key"),
        "tls_client_ca_file": ("proxy-tls", "ca.crt"),
        "upstream_ca_file": ("proxy-upstream-tls", "ca.crt"),
        "upstream_client_cert": ("proxy-upstream-tls", "tls.crt"),
        "upstream_client_key": ("proxy-upstream-tls", "tls.key"),
    }
    sources = files_of(rendered)
    for setting, (name, key) in expected.items():
        path = f"{FILES}/{getattr(settings, setting).relative_to(tmp_path)}"
        assert sources[path] == {"kind": "secret", "name": name, "key": key}
    assert len(sources) == len(expected)
    assert [one for one in rendered.proxy["env"] if "valueFrom" in one] == []


def test_secrets_can_be_read_without_a_group() -> None:
    """The user 65532 reads the files in a pod whose fsGroup is not ours to set."""
    (volume,) = (one for one in render("secrets").pod["volumes"] if one["name"] == "sse-proxy-files")
    assert volume["projected"]["defaultMode"] == 0o444


def test_the_redis_url_comes_from_its_secret() -> None:
    """The URL, which holds a password, is in no manifest."""
    rendered = render("redis")
    (resume,) = (one for one in rendered.proxy["env"] if one["name"] == "SSE_PROXY_RESUME")
    assert resume == {
        "name": "SSE_PROXY_RESUME",
        "valueFrom": {"secretKeyRef": {"name": "proxy-redis", "key": "redis-url"}},
    }


def test_routes_arrive_as_they_were_written(tmp_path: Path) -> None:
    """Whole numbers stay whole, small ones small, and texts keep quotes, line ends, templates and any sign."""
    rendered = render("routes")
    given = ci_values("routes")["proxy"]["config"]["routes"]
    document = tomllib.loads(rendered.one("ConfigMap")["data"]["config.toml"])
    # As JSON, where 4096 and 4096.0 differ; that is what the upstream gets.
    assert json.dumps(document["routes"], sort_keys=True) == json.dumps(given, sort_keys=True)
    assert loaded(rendered, tmp_path).routes == Settings.model_validate({"routes": given}).routes


def test_other_routes_are_other_pods() -> None:
    """The file is read at the start only, so a change of it changes the pod's template."""

    def checksum(**route: Any) -> str:
        rendered = render("routes", proxy={"config": {"routes": [{"path": "/v1/*", **route}]}})
        annotations: dict[str, str] = rendered.one("Deployment")["spec"]["template"]["metadata"]["annotations"]
        return annotations["checksum/config"]

    assert checksum(heartbeat_seconds=10) != checksum(heartbeat_seconds=11)
    standalone = render("standalone").one("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert "checksum/config" not in standalone


@pytest.mark.parametrize(
    "proxy, said",
    [
        (
            {"config": {"auth_tokens_file": "/x"}, "secrets": {"authTokens": {"name": "tokens"}}},
            "config.auth_tokens_file and the Secret tokens both say",
        ),
        (
            {"config": {"resume": "memory"}, "secrets": {"redisUrl": {"name": "redis"}}},
            "config.resume and secrets.redisUrl are both set",
        ),
        ({"config": {"routes": [{"path": "/x", "upstream_path": "/y", "body": {"a": [None]}}]}}, "holds a null"),
    ],
)
def test_two_answers_to_one_question_are_refused(proxy: Object, said: str) -> None:
    """A setting that is given twice, or cannot be written down, ends `helm install`."""
    assert said in refusal("standalone", proxy=proxy)
