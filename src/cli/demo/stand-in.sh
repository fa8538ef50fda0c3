#!/bin/sh
# stand-in: stands in for a program that is an agent, such as Claude Code, in `drover demo`.
#
#   sh stand-in.sh FILE SECONDS ANSWER PROMPT
#
# Appends a line to FILE, so that everybody sees how often it was asked; then says the words of its
# answer as JSON lines, one after so many seconds.
file=$1 seconds=$2 answer=$3 between=
echo "asked by process $$" >>"$file"
for word in $answer; do
    sleep "$seconds"
    printf '{"text": "%s%s"}\n' "$between" "$word"
    between=' '
done
echo '{"done": true, "dollars": 0}'
