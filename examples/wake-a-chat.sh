#!/bin/sh
# wake-a-chat: a command that runs in the background wakes the conversation that waits for it.
#
# Shows     --notify with a session: when the job has ended, the session gets a turn of its own, in
#           which the model reads how the job ended and what it wrote.
# Run       examples/wake-a-chat.sh
# Expect    the messages of the session: the question, its answer, the news of the job, and the
#           model's answer to that. Nobody has asked for the last two.
set -eu
session=$(drover session new --title "A build in the background")
drover ask --session "$session" "I start the build now. Tell me when it is over." >/dev/null
job=$(drover job run --detach --label build --notify "$session" \
    --shell 'echo built 12 files; exit 3')
echo "job $job ended with exit code $(drover job wait "$job" >/dev/null 2>&1 && echo 0 || echo $?)"
# Each turn ends with an event in the stream of the session; the second one is the follow-up.
turns() { drover stream tail "session:$session" --json | grep -c '"type":"turn_finished"' || :; }
looks=0
until [ "$(turns)" -ge 2 ] || [ "$looks" -ge 300 ]; do
    sleep 0.1
    looks=$((looks + 1))
done
drover session show -m "$session"
