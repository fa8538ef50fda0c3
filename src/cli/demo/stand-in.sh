#!/bin/sh
# stand-in: stands in for a program that is an agent, such as Claude Code, in `drover demo`.
#
#   sh stand-in.sh FILE SECONDS ANSWER PROMPT
#
# Appends a line to FILE, so that everybody sees how often it was asked; then says the words of its
# answer as JSON lines, one after so many seconds, and tells what it took, as such programs do. The
# words are in FILE.said, too, whether or not there is a daemon.
set -eu
file=$1 seconds=$2 answer=$3 between='' words=0
echo "asked by process $$" >>"$file"
for word in $answer; do
    sleep "$seconds"
    printf '{"text": "%s%s"}\n' "$between" "$word"
    echo "$word" >>"$file.said"
    between=' '
    words=$((words + 1))
done
printf '{"done": true, "input": 10, "output": %d, "dollars": 0}\n' "$words"
