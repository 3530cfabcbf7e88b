#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 or 13 to a leaked secret that purges a cache: installs the packages, builds,
# starts the hub with a PostgreSQL of its own, a receiver and a Redis, and lets GitHub (a
# stand-in, and signed as GitHub signs) report a leak in both of its ways.
#
#   sh examples/quickstart.sh           ends everything that it started
#   sh examples/quickstart.sh --stay    leaves it running, and says where and how to stop it
#
# Everything is on loopback and in one temporary folder. Exits with 0 only if the cache was purged.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
PARTS=$ROOT/examples/quickstart
RULES=$ROOT/examples/rules/leaked-secret.rules.json
STAY=no
RUN=
STEP=start
DONE=no

AGENT=agent:triage-bot
SESSION=session:$AGENT
ANSWERS="answer:4711 answer:4712"
OTHER=session:agent:release-bot

say() {
	STEP=${1%:}
	printf '== %s\n' "$*"
}

# fail WHY [LOG]: ends the whole thing; finish() cleans up.
fail() {
	printf 'quickstart: %s failed: %s\n' "$STEP" "$1" >&2
	if [ $# -gt 1 ] && [ -s "$2" ]; then
		printf -- '--- the end of %s\n' "$2" >&2
		tail -n 25 "$2" >&2
	fi
	exit 1
}

finish() {
	status=$?
	trap - EXIT INT TERM HUP
	[ -n "$RUN" ] || exit "$status"
	if [ "$DONE" = yes ] && [ "$STAY" = yes ]; then
		exit "$status"
	fi
	sh "$RUN/stop.sh" || status=1
	if [ "$status" = 0 ]; then
		rm -rf "$RUN"
	else
		echo "quickstart: everything is stopped; the logs stay in $RUN" >&2
	fi
	exit "$status"
}

# Settings and proxies of whoever runs this are for other purposes.
own_environment() {
	for name in $(env | sed -n 's/^\(SSFHUB_[A-Z_]*\)=.*/\1/p'); do
		unset "$name"
	done
	export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

# --- processes -------------------------------------------------------------------------------

# Each process that is started has this folder as its working folder, so that nothing else is ever
# taken for it, and a session of its own, so that a closed terminal does not end it.
work_folder() {
	umask 077
	RUN=$(mktemp -d "${TMPDIR:-/tmp}/ssfhub-quickstart.XXXXXX")
	RUN=$(cd "$RUN" && pwd -P)
	cd "$RUN"
	mkdir "$RUN/hub"
	# as root the hub runs PostgreSQL as another user, who has to get through
	[ "$(id -u)" != 0 ] || chmod 711 "$RUN" "$RUN/hub"
	: >"$RUN/pids"
	cat >"$RUN/stop.sh" <<-STOP
	#!/bin/sh
	# Ends what the quickstart started, the last one first.
	RUN='$RUN'
	STOP
	cat >>"$RUN/stop.sh" <<-'STOP'
	is_ours() {
		[ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$RUN" ]
	}
	status=0
	for pid in $(sort -rn -k1,1 "$RUN/pids" | cut -d' ' -f2); do
		is_ours "$pid" || continue
		kill "$pid"
		tries=150
		while is_ours "$pid" && [ "$tries" -gt 0 ]; do
			sleep 0.1
			tries=$((tries - 1))
		done
		if is_ours "$pid"; then
			echo "process $pid did not end within 15 s and is killed" >&2
			kill -9 "$pid"
			status=1
		fi
	done
	exit $status
	STOP
}

is_running() {
	[ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$RUN" ]
}

# launch NAME COMMAND...: a signal has to wait until the process is on the list of what to stop.
launch() {
	name=$1
	shift
	signalled=no
	trap 'signalled=yes' INT TERM HUP
	setsid "$@" </dev/null >"$RUN/$name.log" 2>&1 &
	PID=$!
	printf '%s %s %s\n' "$(wc -l <"$RUN/pids")" "$PID" "$name" >>"$RUN/pids"
	trap 'exit 130' INT TERM HUP
	[ "$signalled" = no ] || exit 130
}

# start NAME READY COMMAND...: waits until the output has a line with READY, and keeps it in LINE.
start() {
	name=$1 ready=$2
	shift 2
	launch "$name" "$@"
	tries=600
	while ! LINE=$(grep -m1 -F "$ready" "$RUN/$name.log"); do
		is_running "$PID" || fail "$name ended" "$RUN/$name.log"
		[ "$tries" -gt 0 ] || fail "$name is not ready after a minute" "$RUN/$name.log"
		sleep 0.1
		tries=$((tries - 1))
	done
}

# --- steps -----------------------------------------------------------------------------------

install_packages() {
	say packages: what is missing is installed
	log=$(mktemp "${TMPDIR:-/tmp}/ssfhub-packages.XXXXXX")
	sh "$ROOT/scripts/packages.sh" build >"$log" 2>&1 || fail "see below" "$log"
	grep '^packages: installing' "$log" || true
	rm -f "$log"
}

# In the tree, or in the user's cache when the tree (or an earlier build) is somebody else's.
build_folder() {
	BUILD=$ROOT/build/quickstart
	if ! mkdir -p "$BUILD" 2>/dev/null || [ ! -O "$BUILD" ]; then
		BUILD=${XDG_CACHE_HOME:-$HOME/.cache}/ssfhub/quickstart
		mkdir -p "$BUILD"
	fi
}

build() {
	build_folder
	say build: ssfhub and ssf-receive in "$BUILD"
	log=$BUILD/quickstart-build.log
	{ cmake -S "$ROOT" -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
		cmake --build "$BUILD" --target ssfhub ssf-receive; } >"$log" 2>&1 ||
		fail "it does not build" "$log"
	HUB=$BUILD/hub/ssfhub
	RECEIVER=$BUILD/receivers/ssf-receive
}

new_secrets() {
	SECRET=acme_$(openssl rand -hex 20)
	HOOK_SECRET=$(openssl rand -hex 32)
	API_TOKEN=github_pat_$(openssl rand -hex 20)
	PUSH_TOKEN=$(openssl rand -hex 32)
	POLL_TOKEN=$(openssl rand -hex 32)
	FINGERPRINT=$(printf %s "$SECRET" | openssl dgst -sha256 -r | cut -d' ' -f1)
	printf %s "$SECRET" >"$RUN/leaked-secret"
	printf %s "$HOOK_SECRET" >"$RUN/webhook-secret"
	printf %s "$POLL_TOKEN" >"$RUN/poll.token"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-keyout "$RUN/receiver.key" -out "$RUN/receiver.pem" -subj "/CN=quickstart receiver" \
		-addext "subjectAltName=IP:127.0.0.1" 2>/dev/null || fail "no certificate"
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-out "$RUN/github.key" 2>/dev/null || fail "no key for GitHub"
	github_keys >"$RUN/github-keys.json"
}

# What https://api.github.com/meta/public_keys/secret_scanning looks like.
github_keys() {
	openssl pkey -in "$RUN/github.key" -pubout -out "$RUN/github.pub"
	KEY_ID=$(openssl dgst -sha256 -r "$RUN/github.pub" | cut -d' ' -f1)
	printf '{"public_keys":[{"key_identifier":"%s","key":"%s","is_current":true}]}\n' \
		"$KEY_ID" "$(awk '{printf "%s\\n", $0}' "$RUN/github.pub")"
}

receiver_config() {
	cat <<-JSON
	{
	  "hub": {"issuer": "$HUB_URL", "ca_file": "$RUN/hub/ca.pem"},
	  "audience": "https://api.acme.example",
	  "push": {"listen": "127.0.0.1:0", "path": "/events", "authorization": "Bearer $PUSH_TOKEN",
	           "tls_cert": "$RUN/receiver.pem", "tls_key": "$RUN/receiver.key"},
	  "redis": {"address": "unix:$RUN/redis.sock"},
	  "purge": [{
	    "events": ["https://schemas.openid.net/secevent/caep/event-type/session-revoked"],
	    "subject": {"format": "iss_sub", "iss": "$HUB_URL"},
	    "keys": ["session:\${sub}"],
	    "index_sets": ["answers-of:\${sub}"],
	    "set": [{"key": "not-before:\${sub}", "value": "\${event_timestamp|iat}", "ttl_s": 86400}]
	  }]
	}
	JSON
}

resources() {
	cat <<-JSON
	[
	  {"kind": "person", "id": "ada", "name": "Ada Lovelace", "email": "ada@acme.example"},
	  {"kind": "agent", "id": "$AGENT", "owner": "ada", "purpose": "sorts issues",
	   "environment": "prod", "tools": ["jira"], "repositories": ["acme/app"]},
	  {"kind": "credential", "id": "triage-bot-token", "agent": "$AGENT", "type": "api-token",
	   "fingerprint": "$FINGERPRINT"},
	  {"kind": "source", "id": "gh", "type": "github", "secret": "$HOOK_SECRET",
	   "api": {"url": "$GITHUB_URL", "token": "$API_TOKEN"}},
	  {"kind": "source", "id": "ghp", "type": "github-partner", "keys_file": "$RUN/github-keys.json"},
	  {"kind": "client", "id": "api-gw", "audience": "https://api.acme.example", "token": "$POLL_TOKEN"},
	  {"kind": "stream", "id": "api-gw-push", "client": "api-gw", "delivery":
	   {"method": "urn:ietf:rfc:8935", "endpoint_url": "$RECEIVER_URL",
	    "authorization_header": "Bearer $PUSH_TOKEN"}},
	  {"kind": "stream", "id": "api-gw-poll", "client": "api-gw", "delivery":
	   {"method": "urn:ietf:rfc:8936"}}
	]
	JSON
}

start_all() {
	say start: Redis, the hub, the receiver, a stand-in for GitHub\'s API
	start redis "eady to accept connections" redis-server --port 0 --unixsocket "$RUN/redis.sock" \
		--unixsocketperm 700 --save "" --appendonly no --dir "$RUN"
	start hub "ssfhub: ready" "$HUB" serve --data "$RUN/hub" --listen 127.0.0.1:0 \
		--push-allow 127.0.0.0/8 --ca-file "$RUN/receiver.pem"
	HUB_URL=$(printf '%s\n' "$LINE" | sed 's/.* ready at \([^ ]*\) .*/\1/')
	receiver_config >"$RUN/receiver.json"
	start receiver "ssf-receive: listening" "$RECEIVER" --config "$RUN/receiver.json"
	RECEIVER_URL=${LINE##* }
	start github "ready at" python3 "$PARTS/github_api.py" "$RUN/leaked-secret" "$API_TOKEN"
	GITHUB_URL=${LINE##* }
}

apply() {
	say apply: who the agent is, what its secret hashes to, where events come from and go, a rule
	resources >"$RUN/resources.json"
	"$HUB" apply --data "$RUN/hub" "$RUN/resources.json" "$RULES" >"$RUN/apply.log" 2>&1 ||
		fail "the hub refused" "$RUN/apply.log"
	sed 's/^/    /' "$RUN/apply.log"
}

redis() {
	redis-cli -s "$RUN/redis.sock" "$@"
}

# What a gateway keeps about an agent: a session, answers, and a set of the keys of those.
fill_redis() {
	redis set "$SESSION" "logged in" >/dev/null
	for key in $ANSWERS; do
		redis set "$key" "cached" >/dev/null
		redis sadd "answers-of:$AGENT" "$key" >/dev/null
	done
	redis set "$OTHER" "logged in" >/dev/null
}

show_redis() {
	printf '    Redis %s: ' "$1"
	redis --scan | sort | tr '\n' ' '
	echo
}

# leak PATH BODY HEADER...: sets MS.
leak() {
	path=$1 body=$2
	shift 2
	MS=$(python3 "$PARTS/leak.py" "$HUB_URL$path" "$RUN/hub/ca.pem" "$body" "$RUN/redis.sock" \
		"$SESSION $ANSWERS" "$@" 2>"$RUN/leak.log") || {
		cat "$RUN/leak.log" >&2
		tail -n 10 "$RUN/receiver.log" >&2
		fail "nothing was purged" "$RUN/hub.log"
	}
}

leak_by_webhook() {
	say webhook: GitHub says that alert 42 was created, the hub asks whose secret it is
	printf '%s' '{"action":"created","alert":{"number":42,"secret_type":"acme_api_token",' \
		'"secret_type_display_name":"Acme API token","validity":"active","resolution":null,' \
		'"publicly_leaked":true,"html_url":"https://github.com/acme/app/security/secret-scanning/42",' \
		'"url":"https://api.github.com/repos/acme/app/secret-scanning/alerts/42"},' \
		'"repository":{"id":900100200,"full_name":"acme/app","owner":{"login":"acme"}},' \
		'"sender":{"login":"github"}}' >"$RUN/webhook.json"
	mac=$(openssl dgst -sha256 -hmac "$HOOK_SECRET" -r "$RUN/webhook.json" | cut -d' ' -f1)
	fill_redis
	show_redis before
	leak /in/gh "$RUN/webhook.json" "Content-Type: application/json" \
		"X-GitHub-Event: secret_scanning_alert" "X-GitHub-Hook-ID: 1001" \
		"X-GitHub-Delivery: $(cat /proc/sys/kernel/random/uuid)" "X-Hub-Signature-256: sha256=$mac"
	WEBHOOK_MS=$MS
	show_redis after
}

show_set() {
	say set: what the receiver got, read once more by poll
	python3 "$PARTS/show.py" set "$HUB_URL/streams/api-gw-poll/poll" "$RUN/hub/ca.pem" "$POLL_TOKEN" \
		2>"$RUN/set.ids" || fail "the poll stream does not have it" "$RUN/set.ids"
	read -r JTI TXN <"$RUN/set.ids"
	purged=$(grep -F "receiver.purged jti=$JTI" "$RUN/receiver.log") ||
		fail "the receiver has not logged $JTI" "$RUN/receiver.log"
	echo "    receiver: $purged"
}

# The hub saves how far streams are a few times a second: until then it says "pending".
show_explain() {
	say explain: what happened, from the hub\'s log of events
	tries=100
	while :; do
		"$HUB" explain --data "$RUN/hub" "$TXN" >"$RUN/explain.json" 2>"$RUN/explain.log" ||
			fail "no answer" "$RUN/explain.log"
		grep -qF '"pending"' "$RUN/explain.json" || break
		[ "$tries" -gt 0 ] || fail "deliveries are still pending after 10 s" "$RUN/explain.json"
		sleep 0.1
		tries=$((tries - 1))
	done
	python3 "$PARTS/show.py" explain "$RUN/explain.json" || fail "cannot read it" "$RUN/explain.json"
}

leak_by_partner_report() {
	say partner: GitHub sends the token itself, signed with its key
	printf '[{"token":"%s","type":"acme_api_token","url":"%s","source":"commit"}]' "$SECRET" \
		"https://github.com/acme/app/blob/f14d7de/cfg/prod.env" >"$RUN/partner.json"
	signature=$(openssl dgst -sha256 -sign "$RUN/github.key" "$RUN/partner.json" | openssl base64 -A)
	fill_redis
	show_redis before
	leak /in/ghp "$RUN/partner.json" "Content-Type: application/json" \
		"Github-Public-Key-Identifier: $KEY_ID" "Github-Public-Key-Signature: $signature"
	show_redis after
	echo "    purged in $MS ms"
}

check_secret() {
	say secret: it is in no log of the hub or the receiver
	if grep -qF "$SECRET" "$RUN/hub.log" "$RUN/receiver.log"; then
		fail "it is"
	fi
}

say_where() {
	cat <<-TEXT
	== still running
	    hub        $HUB_URL   (CA $RUN/hub/ca.pem, admin token $RUN/hub/admin.token)
	               '$HUB' status --data '$RUN/hub'
	    receiver   $RECEIVER_URL   (configuration $RUN/receiver.json)
	    GitHub     $GITHUB_URL   (stand-in); the webhook's secret is in $RUN/webhook-secret
	    poll       $HUB_URL/streams/api-gw-poll/poll   (token $RUN/poll.token)
	    Redis      redis-cli -s '$RUN/redis.sock'
	    logs       $RUN/*.log
	    stop       sh '$RUN/stop.sh'
	TEXT
}

# --- all -------------------------------------------------------------------------------------

case "$#:${1-}" in
0:) ;;
1:--stay) STAY=yes ;;
*)
	echo "usage: sh examples/quickstart.sh [--stay]" >&2
	exit 2
	;;
esac
trap finish EXIT
trap 'exit 130' INT TERM HUP
install_packages
build
own_environment
work_folder
new_secrets
start_all
apply
leak_by_webhook
show_set
show_explain
leak_by_partner_report
check_secret
[ "$STAY" = no ] || say_where
DONE=yes
echo "leaked secret -> cache purged in $WEBHOOK_MS ms"
