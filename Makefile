# make demo    shows the main job on a Kubernetes API server that it starts itself
# make test    builds the sandbox and runs all tests
# make check   what to run before each commit: format, vet, staticcheck, architecture and unit tests
# make help    lists everything

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

GO      ?= go
BIN     := $(CURDIR)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Kubernetes is linked into the sandbox and is large: two packages at a time keep a small machine from swapping.
PARALLEL ?= 2
TIMEOUT  ?= 30m
# Programs and tests are built with the same flags, so that a machine compiles Kubernetes once. Without cgo programs are static, a
# quarter smaller, and linked without the C compiler's linker. -trimpath would make a compilation of its own: "make release" alone sets it.
export CGO_ENABLED ?= 0
LDFLAGS  :=
# belay alone says which version it is: a link of the sandbox with every commit would cost its time for nothing.
LINK_belay = -X main.version=$(VERSION)

STATICCHECK    := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
CONTROLLER_GEN := $(GO) run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.0

PROGRAMS := $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))
# Packages that do not link Kubernetes itself. vet and staticcheck would have to read all of it for the others.
LIGHT = $(shell $(GO) list ./... | grep -v -e /cmd/belay-sandbox -e /internal/sandbox)
# Packages whose tests run under the race detector: goroutines share state there, and no test starts a cluster.
RACE := ./internal/source/... ./internal/render ./internal/render/plain ./internal/live ./internal/diff/... ./internal/apply \
	./internal/controller ./internal/reconcile ./internal/health/... ./internal/object/... ./internal/fault/... ./internal/notify/...

.PHONY: ui webui web-check web-e2e bench-web help build release $(PROGRAMS) demo kubectl test scenarios test-race lint format check generate bench bench-packages kubeapi clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 12

build: $(PROGRAMS) ## build every program into bin/

$(PROGRAMS):
	@mkdir -p $(BIN)
	$(GO) build $(BUILDFLAGS) -ldflags '$(strip $(LDFLAGS) $(LINK_$@))' -o $(BIN)/$@ ./cmd/$@

# The web interface is a part of belay. A machine without Node builds belay without it, and its pages say how to get them.
belay: webui

WEB_SOURCES := $(shell find web/src web/public web/build -type f -not -name '*.test.ts*') web/index.html web/vite.config.ts web/tsconfig.json
NODE_OK      = $(shell command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null && echo yes)

webui:
	@if [[ -z "$(NODE_OK)" ]]; then echo "web interface left out: it needs Node.js 20 or later (make ui)"; \
	elif ! $(MAKE) -s web/node_modules/.package-lock.json; then echo "web interface left out: npm could not get its packages (make ui)"; \
	else $(MAKE) -s internal/webui/dist/index.html; fi

ui: internal/webui/dist/index.html ## build the web interface, which belay then embeds (needs Node.js 20 or later)

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-progress && touch node_modules/.package-lock.json

web/dist/index.html: $(WEB_SOURCES) | web/node_modules/.package-lock.json
	cd web && npm run --silent build && touch dist/index.html

internal/webui/dist/index.html: web/dist/index.html
	find internal/webui/dist -mindepth 1 -not -name .keep -delete
	cp -R web/dist/. internal/webui/dist/
	touch $@

web-check: web/node_modules/.package-lock.json web/dist/index.html ## types, unit tests and size of the web interface
	cd web && npm run --silent typecheck && npm run --silent test && npm run --silent budget

web-e2e: web/dist/index.html ## the web interface in Chromium on a server of its own: accessibility, keyboard (needs chromium)
	cd web && npm run --silent e2e

bench-web: web/dist/index.html ## how soon lists of 5,000 applications and trees of 10,000 resources can be used (needs chromium)
	cd web && npm run --silent bench

release: ## build static programs that do not depend on where they were built
	$(MAKE) --no-print-directory build BUILDFLAGS=-trimpath LDFLAGS='-s -w'

demo: build ## show the main job on a cluster of its own, or with KUBECONFIG=file on a given one
	@$(BIN)/belay-demo $(if $(filter command,$(firstword $(origin KUBECONFIG))),--kubeconfig '$(KUBECONFIG)')

# For machines without kubectl: built from the sources of Kubernetes that the sandbox is built from. It needs modules
# that nothing else here does, which therefore stay out of go.mod.
kubectl: ## build kubectl into bin/
	@mkdir -p $(BIN)
	@modules="$$(mktemp -d)"; trap 'rm -rf "$$modules"' EXIT; cp go.mod go.sum "$$modules"; \
	$(GO) build -modfile="$$modules/go.mod" -mod=mod -o $(BIN)/kubectl k8s.io/kubernetes/cmd/kubectl

# The suites below test/ keep a machine busy for themselves: one after the other, so that none waits for another one's work.
SUITES = $(shell $(GO) list ./test/...)

test: export BELAY_SANDBOX_BIN = $(BIN)/belay-sandbox
test: belay-sandbox webui ## run all tests; those of the pages need Node.js, and the one in a browser chromium
	failed=; \
	if [[ -n "$(NODE_OK)" && -e web/node_modules/.package-lock.json ]]; then $(MAKE) --no-print-directory web-check || failed=1; fi; \
	$(GO) test -p $(PARALLEL) -timeout $(TIMEOUT) $(filter-out $(SUITES),$(shell $(GO) list ./...)) || failed=1; \
	$(GO) test -p 1 -timeout $(TIMEOUT) $(SUITES) || failed=1; \
	[[ -z "$$failed" ]]

# CONTROLLER=external takes the controller that runs in the cluster of KUBECONFIG, with the control plane NAMESPACE; then
# what Argo CD does is expected, or with BEHAVIOUR=belay what Belay does. It has to reach this machine's loopback, where the scenarios' repositories are served.
CONTROLLER ?= belay
NAMESPACE  ?= argocd
SCENARIOS = -controller $(CONTROLLER) -namespace $(NAMESPACE) $(if $(BEHAVIOUR),-behaviour $(BEHAVIOUR)) $(if $(filter command,$(firstword $(origin KUBECONFIG))),-cluster '$(abspath $(KUBECONFIG))')

scenarios: $(if $(filter external,$(CONTROLLER)),,belay-sandbox) ## run the scenarios of test/scenarios; with KUBECONFIG=file CONTROLLER=external on any controller of Applications
	BELAY_SANDBOX_BIN=$(BIN)/belay-sandbox $(GO) test -count=1 -timeout $(TIMEOUT) -run 'TestScenarios' ./test/scenarios -args $(SCENARIOS)

test-race: ## run the tests of concurrent packages under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -p $(PARALLEL) -timeout $(TIMEOUT) $(RACE)

format: ## format the Go code
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

lint: ## vet and staticcheck
	$(GO) vet ./...
	$(STATICCHECK) $(LIGHT)

check: ## format, vet, staticcheck, architecture and unit tests: before each commit
	@unformatted="$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))"; \
	if [[ -n "$$unformatted" ]]; then echo "not formatted (make format):"; echo "$$unformatted"; exit 1; fi
	$(MAKE) --no-print-directory lint
	$(GO) test ./internal/archtest
	$(GO) test -short -p $(PARALLEL) -timeout $(TIMEOUT) $(LIGHT)

generate: ## generate deep copies, custom resource definitions and the OpenAPI document; leaves the tree as it is when all is up to date
	$(CONTROLLER_GEN) object crd:maxDescLen=0 paths=./api/... output:crd:dir=config/crd
	$(GO) test ./internal/server/rest -count=1 -run '^TestDocument$$' -args -update

bench: belay belay-sandbox ## measure belay beside the API server's limit: about 3 minutes; BENCHFLAGS="--apps 1000 --objects 4" for the large one
	$(GO) build -o $(BIN)/bench ./bench
	$(BIN)/bench --start belay $(BENCHFLAGS)

bench-packages: ## run the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem -p 1 -timeout $(TIMEOUT) $(LIGHT)

# One of each minor version before the one that go.mod requires.
KUBE_VERSIONS ?= v1.29.6 v1.30.14 v1.31.14 v1.32.13 v1.33.13 v1.34.4 v1.35.4 v1.36.3
kubeapi: ## make the table of fields of all versions of Kubernetes anew; downloads their sources, each some 40 MB
	@specs="$$(mktemp -d)"; trap 'chmod -R u+w "$$specs"; rm -rf "$$specs"' EXIT; \
	for version in $(KUBE_VERSIONS); do \
		dir="$$(cd "$$specs" && GOMODCACHE="$$specs/modules" GOFLAGS=-modcacherw $(GO) mod download -json "k8s.io/kubernetes@$$version" | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')"; \
		minor="$${version#v1.}"; cp -r "$$dir/api/openapi-spec/v3" "$$specs/$${minor%%.*}"; rm -rf "$$dir"; \
	done; \
	$(GO) test ./internal/kubeapi -count=1 -run TestBundle -args -update -specs "$$specs"

clean: ## remove what was built and the demo's data
	rm -rf $(BIN) $(CURDIR)/.demo $(CURDIR)/web/dist
	find internal/webui/dist -mindepth 1 -not -name .keep -delete
