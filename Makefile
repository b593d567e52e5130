# `make` or `make help` lists the targets.

# Every module of go.work. Each of them must also build without the workspace, see `verify`.
MODULES := . api betmaker lineprovider shared sql

# Tests in these packages need PostgreSQL, Redis or RabbitMQ. A package that needs one and is not
# listed here fails in `make test-fast` and names the variable that is not set; no test is skipped.
NEED_SERVERS := /adapters/(postgres|redis)|/line/rabbitmq|/app$$|/e2e

# SQLite, which is translated from C, and argon2 compute without sharing. The race detector finds
# nothing in them and slows them down, so they are excluded; SQLite's driver is not.
export GOFLAGS := $(GOFLAGS) -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false \
  -gcflags=golang.org/x/crypto/argon2=-race=false

# The benchmarks are a module outside the workspace. They are run by hand; here they are only checked.
CHECKED := $(MODULES) bench

# `work` is Go's name for all packages of the workspace. -count=1, because the story tests build and
# run binaries that the test cache does not know.
# A test that stands still for two minutes fails, see shared/hangtest; -timeout bounds a whole package.
TEST := go test -race -count=1

SERVICES := tools/services
# Each tool's version is pinned by its own module below tools/. This builds a tool and prints its path.
tool = $(shell GOWORK=off go -C tools/$(1) tool -n $(1))

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: ## Run all tests under the race detector, with servers of their own
	@echo "make test: all packages of all modules under the race detector; long tests at 1/10 of their size"
	$(SERVICES) run -- $(TEST) -timeout 25m work

.PHONY: test-fast
test-fast: ## Run the tests that need no server: rules, SQLite, and the whole of Stavka in one process
	go test $$(go list work | grep -Ev '$(NEED_SERVERS)')
	# `make test` also runs the slow settling of 50,000 bets.
	go test -count=1 -run '^TestEmbedded' -skip '^TestEmbeddedSettlementIsKilled$$' ./e2e

.PHONY: race
race: ## Run all tests except the story tests with 1, 2 and 8 processors, in random order
	$(SERVICES) run -- $(TEST) -timeout 1h -cpu 1,2,8 -shuffle on $$(go list work | grep -v /e2e)

.PHONY: test-long
test-long: ## Run all tests with the full counts of kills, races and changes (up to 3 h)
	STAVKA_TEST_SCALE=10 $(SERVICES) run -- $(TEST) -timeout 3h work

# A separate project, without .env.
COMPOSE_TEST := docker compose --project-name stavka-test --env-file /dev/null

.PHONY: test-compose
test-compose: ## Build the images, start the whole system with Compose, and run its story there
	@trap '$(COMPOSE_TEST) down --volumes' EXIT; trap 'exit 130' INT TERM; \
	$(COMPOSE_TEST) up --build --wait && \
	go test -tags compose -count=1 -timeout 15m -v -run '^TestCompose$$' ./e2e || \
	{ $(COMPOSE_TEST) logs --tail 50; exit 1; }

.PHONY: test-services
test-services: ## Test the script that starts the servers for the tests
	tools/services_test

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (30s)
	@grep -rEo --include '*_test.go' '^func Fuzz\w+' $(filter-out .,$(MODULES)) | while IFS=: read -r file function; do \
	  (cd $$(dirname $$file) && go test -run '^$$' -fuzz "^$${function#func }$$" -fuzztime $(FUZZTIME) .) || exit 1; \
	done

.PHONY: lint
lint: ## Lint every module
	@lint=$(call tool,golangci-lint) && failed=; \
	for module in $(CHECKED); do \
	  echo "lint $$module"; \
	  (cd $$module && GOWORK=off $$lint run --config $(CURDIR)/.golangci.yml ./...) || failed="$$failed $$module"; \
	done; \
	[ -z "$$failed" ] || { echo "lint failed in:$$failed"; exit 1; }

.PHONY: audit
audit: ## Look for known vulnerabilities in every module; needs the database at vuln.go.dev or GOVULNDB
	@tools/audit $(CHECKED)

.PHONY: pin-images
pin-images: ## Pin the base images by digest; needs an image registry
	@tools/pin-images

.PHONY: generate
generate: ## Generate code, docs/configuration.md, docs/commands.md and .env.example
	tools/generate

.PHONY: verify
verify: ## Check that generated and go.mod files are fresh, generated queries used, and that each module builds alone
	tools/generate --check
	go test -count=1 -run '^TestGeneratedQueriesAreUsed$$' .
	@echo "gofmt"; unformatted=$$(gofmt -l $(MODULES)); \
	  [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	@echo "sleeping tests"; failed=; for file in $$(grep -rl --include '*_test.go' 'time\.Sleep' .); do \
	  grep -q '"testing/synctest"' $$(dirname $$file)/*_test.go || failed="$$failed $$file"; \
	done; \
	[ -z "$$failed" ] || { echo "tests wait for conditions, they do not sleep:$$failed"; exit 1; }
	@echo "unbounded tests"; failed=; for directory in $$(find . -name '*_test.go' -not -path './tools/*' -exec dirname {} + | sort -u); do \
	  grep -qE '^import _ "stavka.local/shared/hangtest"|^package hangtest$$' $$directory/*_test.go || failed="$$failed $$directory"; \
	done; \
	[ -z "$$failed" ] || { echo "tests import shared/hangtest, so that none hangs:$$failed"; exit 1; }
	@export GOWORK=off; failed=; for module in $(CHECKED); do \
	  echo "verify $$module"; \
	  (cd $$module && go mod tidy -diff && go build ./... && go vet ./... && go vet -tags crashpoints,compose ./...) || \
	    failed="$$failed $$module"; \
	done; \
	[ -z "$$failed" ] || { echo "verify failed in:$$failed"; exit 1; }

.PHONY: tidy
tidy: ## Tidy the go.mod file of every module
	@set -e; for module in $(CHECKED); do (cd $$module && GOWORK=off go mod tidy); done

.PHONY: build
build: ## Build stavka and both services, static and without debug information, into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/ . ./betmaker/cmd/betmaker ./lineprovider/cmd/lineprovider

.PHONY: run
run: ## Run all of Stavka in one process, on files in data/; needs nothing but Go
	go run .

# Each part and its competitor run in turn, on servers that write to disk before they acknowledge.
# BENCH_SECONDS is the length of a turn, BENCH_ROUNDS the number of turns.
BENCH_SECONDS ?= 10
BENCH_ROUNDS ?= 3
# CPU and allocations of a bet are compared with this revision, before bet-maker was optimised.
BENCH_BEFORE ?= 26243ba
BENCH := GOWORK=off GOFLAGS= go -C bench run . -root $(CURDIR) -seconds $(BENCH_SECONDS) -rounds $(BENCH_ROUNDS) -before $(BENCH_BEFORE)

.PHONY: bench
bench: ## Measure Stavka against alternatives; takes long
	$(BENCH)

.PHONY: bench-place
bench-place: ## Measure placing bets against pgbench
	$(BENCH) place

.PHONY: bench-embedded
bench-embedded: ## Measure the one-process shape: placing bets, and the time and memory of a start
	$(BENCH) embedded
	go test -run '^$$' -bench '^BenchmarkStartup$$' -benchtime 5x ./internal/embedded

.PHONY: bench-settle
bench-settle: ## Measure settling against a bare UPDATE, bets placed meanwhile, and the time to follow a change
	$(BENCH) settle beside follow

.PHONY: bench-read
bench-read: ## Measure reading against a bare handler, and against SQL
	$(BENCH) read

.PHONY: bench-overload
bench-overload: ## Measure idle connections and too many requests
	$(BENCH) overload

.PHONY: bench-floods
bench-floods: ## Measure the bets of honest users while an attacker floods bet-maker
	$(BENCH) floods

.PHONY: bench-growth
bench-growth: ## Measure a table with ten million bets against a small table
	$(BENCH) growth

.PHONY: bench-profile
bench-profile: ## Profile placing bets: CPU, allocations, slowest statements
	$(BENCH) profile

.PHONY: up
up: ## Build and start the whole system with Compose, and wait until it is healthy
	docker compose up --build --wait

.PHONY: down
down: ## Stop the system that `up` started; its data stays
	docker compose down

# The two services outside containers, on servers that keep their data in .run/ and run until
# `make stop-servers`. The variables set here override .env, which names the hosts of Compose. They listen
# on loopback, because the default secrets are public.
RUN := .run

.PHONY: run-lineprovider
run-lineprovider: ## Run line-provider on port 8001, starting its Redis and RabbitMQ when needed
	@export REDIS_CONNECT_URL RABBITMQ_URL && \
	  REDIS_CONNECT_URL=$$($(SERVICES) start redis $(RUN)/redis) && \
	  RABBITMQ_URL=$$($(SERVICES) start rabbitmq $(RUN)/rabbitmq) && \
	  LINEPROVIDER_ADDR=127.0.0.1:8001 go run ./lineprovider/cmd/lineprovider

.PHONY: run-betmaker
run-betmaker: ## Run bet-maker on port 8000, starting its PostgreSQL and RabbitMQ when needed
	@export DATABASE_URL RABBITMQ_URL && \
	  DATABASE_URL=$$($(SERVICES) start postgres $(RUN)/postgres) && \
	  RABBITMQ_URL=$$($(SERVICES) start rabbitmq $(RUN)/rabbitmq) && \
	  SECRET_KEY=$${SECRET_KEY:-not-a-secret} BETMAKER_ADDR=127.0.0.1:8000 EVENT_URL=http://127.0.0.1:8001/events \
	  go run ./betmaker/cmd/betmaker

.PHONY: stop-servers
stop-servers: ## Stop the servers that run-lineprovider and run-betmaker started; their data stays
	@for name in postgres redis rabbitmq; do \
	  [ ! -d $(RUN)/$$name ] || $(SERVICES) stop $$name $(RUN)/$$name; \
	done
