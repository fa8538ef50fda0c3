#!/bin/sh
# chat: a conversation by script.
#
# Shows     one session, two questions in it, the answers as JSON; and the same session read with
#           nothing but curl over the Unix socket.
# Run       examples/chat.sh
# Expect    two answers, then "4 messages": what was asked and what was answered, in this order.
set -eu
data=${DROVER_DATA:-${XDG_STATE_HOME:-$HOME/.local/state}/drover}
# member NAME: the text of this member of a JSON object; jq does this better where it is installed.
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

session=$(drover session new --title "A chat by script")
for question in "What can you do?" "And what can you not do?"; do
    echo "> $question"
    drover ask --session "$session" --json "$question" | member text
done
curl -sf --unix-socket "$data/drover.sock" \
    "http://drover/api/v1/sessions/$session/messages?order=oldest" |
    python3 -c 'import json, sys; print(len(json.load(sys.stdin)["items"]), "messages")'
