# Everything a developer or CI runs. `make` lists the targets. Nothing here changes the machine's network or mounts.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
HOST := $(PY) -m tests.testhost --
STUBS := controller/api/v1 controller/plugins/v1
STAMP := $(VENV)/.installed

# What hold runs or loads, then what its tests and its demo need besides, then engines that CI exchanges images with.
RUNTIME_PACKAGES := crun runc conmon iptables nftables conntrack iproute2 libseccomp2 tini python3-venv
PACKAGES := $(RUNTIME_PACKAGES) busybox-static iputils-ping procps systemd docker-registry skopeo umoci apache2-utils postgresql graphviz xfsprogs docker.io
PEER_PACKAGES := docker.io podman
BENCH_PACKAGES := $(PEER_PACKAGES) isal iperf3
GUARD_PACKAGES := firewalld ufw dbus
VM_PACKAGES := qemu-system-x86 kmod

step = printf '> %s\n' '$(1)'
# A tier that can't have a test host is skipped (exit code 77), unless HOLD_REQUIRE_KERNEL=1.
skippable = { code=$$?; [ $$code -eq 77 ] && printf '! skipped: the %s tests\n' '$(1)' || exit $$code; }
missing = $$({ dpkg-query -W -f '$${db:Status-Status} $${Package}\n' $(1) 2>/dev/null || true; } | \
	awk '$$1 == "installed" {print $$2}' | sort | comm -13 - <(printf '%s\n' $(1) | sort))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up -----------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: packages $(STAMP) ## Install what is missing: Debian packages (as root) and .venv

.PHONY: packages
packages:
	@$(call install,$(PACKAGES) $(if $(filter 1,$(HOLD_REQUIRE_KERNEL)),$(PEER_PACKAGES)))

# Services that packages bring (policy-rc.d answers 101) are not started: the machine stays as it is.
define install
missing="$(call missing,$(1))"; [ -n "$$missing" ] || exit 0; \
if [ "$$(id -u)" -ne 0 ]; then printf '! missing Debian packages, install them as root: %s\n' "$$(echo $$missing)"; exit 0; fi; \
$(call step,installing Debian packages:) | tr -d '\n'; echo " $$(echo $$missing)"; \
export DEBIAN_FRONTEND=noninteractive; log=$$(mktemp); policy=/usr/sbin/policy-rc.d; \
[ -e $$policy ] || { trap 'rm -f /usr/sbin/policy-rc.d' EXIT; install -m 755 <(printf '#!/bin/sh\nexit 101\n') $$policy; }; \
{ apt-get -q update && apt-get -qy install --no-install-recommends $$missing; } >$$log 2>&1 </dev/null \
	|| { tail -n 30 $$log >&2; exit 1; }; \
rm -f $$log
endef

# The lock is for two makes at once; the second finds the work done.
$(STAMP): pyproject.toml
	@exec 9<Makefile; flock 9; [ ! $(STAMP) -nt pyproject.toml ] || exit 0; \
	$(call step,making $(VENV)); \
	[ -x $(PY) ] || /usr/bin/python3 -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
	log=$$(mktemp); \
	{ $(PY) -m pip install -q --disable-pip-version-check --upgrade pip \
		&& $(PY) -m pip install -q --disable-pip-version-check --root-user-action ignore -e '.[dev]'; } >$$log 2>&1 \
		|| { tail -n 30 $$log >&2; exit 1; }; \
	rm -f $$log; touch $(STAMP)

# Where `make install` puts things; DESTDIR comes before all of them.
PREFIX ?= /opt/hold
BINDIR ?= /usr/local/bin
UNITDIR ?= /etc/systemd/system
DESTDIR ?=

.PHONY: install
install: ## Install hold on this machine for good: PREFIX=/opt/hold, the command, the systemd unit
	@$(call install,$(RUNTIME_PACKAGES))
	@$(call step,installing into $(DESTDIR)$(PREFIX))
	@/usr/bin/python3 -m venv $(DESTDIR)$(PREFIX)
	@$(DESTDIR)$(PREFIX)/bin/python -m pip install -q --disable-pip-version-check --root-user-action ignore --upgrade .
	@install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(UNITDIR)
	@ln -sfn $(DESTDIR)$(PREFIX)/bin/hold $(DESTDIR)$(BINDIR)/hold
	@sed 's|^ExecStart=.*|ExecStart=$(DESTDIR)$(BINDIR)/hold daemon|' controller/packaging/hold.service \
		>$(DESTDIR)$(UNITDIR)/hold.service
	@[ ! -d /run/systemd/system ] || [ -n "$(DESTDIR)" ] || systemctl daemon-reload
	@$(call step,installed: systemctl enable --now hold)

.PHONY: uninstall
uninstall: ## Take away what `make install` made; images, volumes and containers under /var/lib/hold stay
	@rm -rf $(DESTDIR)$(PREFIX) $(DESTDIR)$(BINDIR)/hold $(DESTDIR)$(UNITDIR)/hold.service

# --- code -------------------------------------------------------------------------------------------------------------

.PHONY: fmt
fmt: $(STAMP) ## Format the code, mend what ruff can mend
	@$(VENV)/bin/ruff check -q --fix-only .
	@$(VENV)/bin/ruff format -q .

.PHONY: lint
lint: $(STAMP) ## Style, types, import contracts, generated stubs
	@$(call step,ruff); $(VENV)/bin/ruff check -q .; $(VENV)/bin/ruff format -q --check .
	@$(call step,mypy); $(VENV)/bin/mypy --no-error-summary
	@$(call step,import contracts); out=$$($(VENV)/bin/lint-imports --no-cache) || { echo "$$out"; exit 1; }
	@$(call step,generated stubs); fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(MAKE) -s proto OUT="$$fresh"; \
	for stubs in $(STUBS); do diff -rq -x __pycache__ -x __init__.py $$stubs "$$fresh/$$stubs" \
		|| { echo 'stubs are stale: run make proto'; exit 1; }; done

OUT ?= .
.PHONY: proto
proto: $(STAMP) ## Generate the stubs of proto/ (committed)
	@mkdir -p $(addprefix $(OUT)/,$(STUBS)); site=$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m grpc_tools.protoc -I proto -I "$$site" \
		--python_out=$(OUT) --grpc_python_out=$(OUT) --mypy_out=quiet:$(OUT) --mypy_grpc_out=quiet:$(OUT) \
		$(foreach stubs,$(STUBS),proto/$(stubs)/*.proto)

.PHONY: migration
migration: $(STAMP) ## Write a migration from the tables: make migration NAME='add a column'
	@[ -n "$(NAME)" ] || { echo "say what it does: make migration NAME='add a column'"; exit 2; }
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(VENV)/bin/alembic -x url="sqlite:///$$scratch/state.db" upgrade head; \
	$(VENV)/bin/alembic -x url="sqlite:///$$scratch/state.db" revision --autogenerate -m "$(NAME)"

# --- tests ------------------------------------------------------------------------------------------------------------

.PHONY: test
test: setup ## All tests; without root, those that need none
	@$(MAKE) test-unit
	@$(MAKE) test-kernel
	@$(MAKE) test-e2e

.PHONY: test-unit
test-unit: $(STAMP) ## The tests that need no root: rules, pure, simulated, contracts on the fakes
	@$(call step,unit tests)
	@$(PY) -m pytest -q -m 'not kernel and not e2e' tests/unit tests/contract $(ARGS)

.PHONY: test-kernel
test-kernel: $(STAMP) ## The adapters and the contracts on the real kernel, in a test host
	@$(call step,kernel tests)
	@$(HOST) $(PY) -m pytest -q -m kernel tests/kernel tests/contract $(ARGS) || $(call skippable,kernel)

.PHONY: test-e2e
test-e2e: $(STAMP) ## Whole daemons, the command line, kill -9, in a test host
	@$(call step,end-to-end tests)
	@$(HOST) $(PY) -m pytest -q -m e2e tests/e2e $(ARGS) || $(call skippable,end-to-end)

.PHONY: test-vm
test-vm: setup ## What this kernel may lack: cgroup v2, nfs, macvlan, ipvlan, VLANs; in a small virtual machine (minutes)
	@$(call install,$(VM_PACKAGES))
	@$(call step,tests in a virtual machine)
	@$(PY) -m tests.vm -- $(PY) -m pytest -q -p no:cacheprovider --color=no -m kernel \
		tests/contract/test_sublinks.py tests/contract/test_parents.py tests/kernel/test_sublink_traffic.py \
		tests/contract/test_limits.py tests/kernel/test_probes.py \
		tests/contract/test_processes.py::test_running_out_of_memory_is_told tests/kernel/test_volume_nfs.py $(ARGS) || $(call skippable,virtual machine)

# All stages run, so that one run shows all that is wrong. The end-to-end tests mostly wait, in a host of their own, so they
# run beside the others.
.PHONY: test-guards
test-guards: setup ## Beside the real firewalld and ufw, which it installs, and their reloads
	@$(call install,$(GUARD_PACKAGES))
	@$(call step,tests beside other firewalls)
	@$(HOST) $(PY) -m pytest -q -m kernel tests/kernel/test_network_beside.py $(ARGS) || $(call skippable,firewall)

.PHONY: test-scale
CONTAINERS ?= 1500
test-scale: setup ## Very many containers on one network: make test-scale CONTAINERS=1500
	@$(call step,many containers)
	@$(HOST) $(PY) -m tests.scale $(CONTAINERS) || $(call skippable,scale)

.PHONY: test-soak
SECONDS_LONG ?= 300
SEED ?= 1
test-soak: setup ## A random hand changes what the kernel has, for minutes: make test-soak SECONDS_LONG=600 SEED=7
	@$(call step,a random hand)
	@$(HOST) $(PY) -m tests.drift $(SECONDS_LONG) $(SEED) || $(call skippable,soak)

.PHONY: check
check: setup ## Lint and all tests, each stage with its time: what CI runs
	@beside=$$(mktemp); trap 'rm -f "$$beside"' EXIT; failed=(); \
	stage() { local start=$$SECONDS code=0; $(MAKE) "$$1" </dev/null || code=1; \
		echo "== $$1: $$((SECONDS - start)) s"; return $$code; }; \
	stage test-e2e >"$$beside" 2>&1 & beside_pid=$$!; \
	for each in lint test-unit test-kernel; do stage "$$each" || failed+=("$$each"); done; \
	wait "$$beside_pid" || failed+=(test-e2e); cat "$$beside"; \
	[ $${#failed[@]} -eq 0 ] || { echo "== failed: $${failed[*]}"; exit 1; }; \
	echo "== passed in $$SECONDS s"

# --- to look at -------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## Show the main job in a throw-away host: apply, break, see it come back
	@$(HOST) $(PY) -m tests.demo

.PHONY: bench
bench: setup ## Measure hold, Docker and Podman in one run; writes BENCHMARKS.md
	@$(call install,$(BENCH_PACKAGES))
	@$(HOST) $(PY) -m tests.bench

.PHONY: compare
compare: setup ## Try what is forbidden, ways to copy, command lines by Docker and by hold, row by row
	@$(HOST) $(PY) -m tests.compare
	@$(HOST) $(PY) -m tests.compare.copies
	@$(HOST) $(PY) -m tests.compare.lines

.PHONY: clean
clean: ## Remove what make made
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
