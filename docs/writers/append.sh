#!/usr/bin/env bash
# Appends one event to a session's log, from a shell: append.sh FILE EVENT. Needs jq, openssl and flock.
#   ./append.sh s.jsonl '{"type":"attempt_failed","model":"kimi/kimi2.5","reason":"timeout"}'
set -euo pipefail
file=$1 event=$2
digest() { printf %s "$1" | openssl dgst -sha256 -r | cut -c1-32; }
exec 9>>"$file" && flock 9 # every writer holds the lock of the file itself
session=$(head -n 1 "$file" | jq -r 'select(.type == "session").id' 2>/dev/null || true)
[ -n "$session" ] || session=$(basename "$file" | sed 's/\.jsonl.*//')
prev=null parent=null # the seal of the last sealed record of this session; the id of the last entry
while IFS= read -r line || [ -n "$line" ]; do
  id=$(jq -c 'select(.type != "session").id' <<<"$line" 2>/dev/null) && [ "${id:-null}" != null ] && parent=$id
  [[ $line =~ ^(.*),\"seal\":\"([0-9a-f]{32})\"\}$ ]] || continue
  body=${BASH_REMATCH[1]} seal=${BASH_REMATCH[2]}
  [ "$(jq -r .session <<<"$line")" = "$session" ] && [ "$(digest "$body")" = "$seal" ] && prev=\"$seal\"
done <"$file"
stamp=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) id=$(openssl rand -hex 8)
record=$(jq -cn --argjson event "$event" --argjson parent "$parent" --argjson prev "$prev" \
  --arg id "$id" --arg stamp "$stamp" --arg session "$session" \
  '{type: $event.type, id: $id, parentId: $parent, timestamp: $stamp, session: $session}
   + ($event | del(.type)) + {v: 1, prev: $prev}')
body=${record%\}}
lead='' # a new file's header, or the end of somebody's torn line
if [ ! -s "$file" ]; then
  lead=$(jq -cn --arg id "$session" --arg stamp "$stamp" --arg cwd "$PWD" \
    '{type: "session", version: 3, id: $id, timestamp: $stamp, cwd: $cwd}')$'\n'
elif [ -n "$(tail -c 1 "$file")" ]; then
  lead=$'\n'
fi
printf '%s%s,"seal":"%s"}\n' "$lead" "$body" "$(digest "$body")" >&9 # one write ...
sync -d "$file" # ... and on the disk before anybody is told
