#!/bin/bash
# Starts the base build in this script's place and brings it up to date. What it prints is held back until that is done:
# whoever waits for it to be ready waits for the updated server.
pid=$$

update() {
    local patch said
    for patch in {patches}; do
        if ! said=$({push} --timeout=20 $pid "$patch" 2>&1); then
            # Tests end servers whenever they like.
            if [ -d /proc/$pid ]; then echo "failed: $said"; else echo "ended"; fi
            return
        fi
    done
    echo "updated"
}

relay() {
    local line held=
    exec <"$pipe"
    rm "$pipe"
    while IFS= read -r line; do
        held+=$line$'\n'
        if [[ $line == *"{ready}"* ]]; then
            update >>"{record}"
            break
        fi
    done
    printf %s "$held"
    exec cat
}

# A server with settings that the base build does not know.
for word in "$@"; do
    if [ -n "{settings}" ] && [ -f "$word" ] && grep -Eq '^({settings})[[:space:]]' "$word"; then
        echo "fresh: $word" >>"{record}"
        exec -a "$0" "{last}" "$@"
    fi
done

pipe=$(mktemp -u)
mkfifo "$pipe"
# Not a child of the server, which might wait for its children.
(relay &)
exec -a "$0" "{base}" "$@" >"$pipe"
