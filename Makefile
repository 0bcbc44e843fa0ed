# `make` or `make help` lists the targets. VENV= and PYTHON= choose where the venv is and what it is made with.
VENV ?= .venv
export VENV PYTHON

.DEFAULT_GOAL := help
.PHONY: help run test lint format checkov e2e-llm compat hops smuggling faults fuzz mutants bench bench-quick resume-shows pod-shows image-shows overload-shows soak storm kill-shows lock dashboard dashboard-pictures playground-pictures docs docs-serve reference clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

run: ## The demo; UPSTREAM=http://… puts the proxy in front of that server; ARGS= are further flags
	@scripts/setup-system venv curl
	@scripts/setup-venv run
	@exec $(VENV)/bin/sse-proxy $(if $(UPSTREAM),serve --upstream '$(UPSTREAM)',demo) $(ARGS)

test: ## Every check, with all that they need: lint, types, tests, coverage
	@scripts/check

lint: ## Lint, format check and types
	@scripts/lint

format: ## Format the code and apply the linter's safe fixes
	@scripts/setup-venv dev
	@$(VENV)/bin/ruff check --fix --exit-zero --quiet .
	@$(VENV)/bin/ruff format .

checkov: ## What checkov says to everything that the chart renders (2 minutes, as checkov is fetched first; 290 MB)
	@scripts/helm-checkov

e2e-llm: ## A real llama-server and a real model behind the proxy (the first run builds and caches both: 6 minutes or more)
	@scripts/e2e-llm $(ARGS)

compat: ## Every client at everything that upstreams do, to docs/compatibility.md (2 minutes)
	@scripts/compatibility

hops: ## The proxies in front, each with its shipped configuration, to the table of docs/hops.md (3 minutes)
	@scripts/hops

smuggling: ## Requests and responses that can be read in two ways, at sse-proxy and nginx, to docs/security.md (4 minutes)
	@scripts/smuggling

faults: ## Every fault in front of the proxy, nginx and Envoy, to docs/reliability.md (4 minutes; as root the kernel's own faults too)
	@scripts/faults

fuzz: ## Mutated bodies and examples by the million, lives of one stream, every parser for a minute (an hour; Linux)
	@scripts/fuzz $(ARGS)

mutants: ## Judge every mutant of the core by its module's tests, to docs/mutation.md (an hour on two quiet cores); ARGS= modules
	@scripts/mutants $(ARGS)

bench: ## Measure beside ten other proxies, which are fetched first, and write docs/benchmarks.md (45 minutes; needs two quiet cores)
	@scripts/bench $(ARGS)

bench-quick: ## The same with the main ones, to build/bench/quick/ (8 minutes)
	@scripts/bench --quick $(ARGS)

resume-shows: ## Measure what resume costs, under which failures it holds and what it leaves, to docs/resume-measurements.md (15 minutes)
	@scripts/resume-shows

soak: ## Load and random faults for an hour, then nothing may be missing or left; HOURS= SECONDS= SEED= LOAD=; to docs/soak.md
	@scripts/soak soak $(if $(HOURS),--hours $(HOURS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(LOAD),--load $(LOAD))

storm: ## 8,000 streams, 1 % of them hit by a fault in every second (12 minutes, two quiet cores); STREAMS= SECONDS= SEED=
	@scripts/soak storm $(if $(STREAMS),--streams $(STREAMS)) $(if $(SECONDS),--seconds $(SECONDS))

kill-shows: ## SIGKILL under load: what readers lose and are told, to docs/soak.md (1 minute)
	@scripts/soak kill

pod-shows: ## Play the end of a pod on real processes, and write what became of its streams to docs/drain.md (2 minutes)
	@scripts/pod-shows

overload-shows: ## Ask a proxy for more than it can do, and write what was seen into docs/overload.md (4 minutes)
	@scripts/overload-shows $(ARGS)

image-shows: ## Build the image without Docker, run it, and write what was seen to docs/container.md (5 to 8 minutes; root)
	@scripts/image-shows $(ARGS)

lock: ## Write requirements/*.lock anew after a change of pyproject.toml; ARGS=--upgrade takes the newest versions
	@scripts/lock $(ARGS)

dashboard: ## Write Grafana's JSON, helm/sse-proxy/files/dashboards/, from bench/observability/
	@scripts/setup-venv dev
	@$(VENV)/bin/python -m bench.observability dashboard

dashboard-pictures: ## Run proxies under a real Prometheus and draw the dashboard of it, to docs/observability/ (5 minutes)
	@scripts/setup-venv bench
	@scripts/setup-system prometheus
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/python -m bench.observability pictures

playground-pictures: ## Run the demo's page in a real Chromium and draw it, to docs/playground/ (1 minute)
	@scripts/setup-venv dev
	@scripts/setup-js
	@scripts/setup-system chromium
	@scripts/unpack-packages $(VENV)/fonts fonts-noto-color-emoji fonts-wqy-microhei
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/python -m tests.playground_pictures $(VENV)/fonts

docs: ## Build the documentation site, strictly, to build/site
	@scripts/setup-venv dev
	@$(VENV)/bin/python -m docsite --check
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

docs-serve: ## The same on http://127.0.0.1:8100, built anew at each change
	@scripts/setup-venv dev
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs serve --dev-addr 127.0.0.1:8100

reference: ## Write docs/reference and the tables of docs/settings.md anew, after a change of what they tell
	@scripts/setup-venv dev
	@$(VENV)/bin/python -m docsite

clean: ## Remove what the other targets made here (not the cached llama-server and model)
	@rm -rf $(VENV) tests/js/node_modules build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find sse_proxy tests -name __pycache__ -type d -prune -exec rm -rf {} +
