# shellcheck shell=sh
# pinned.sh: to be read by `.`: takes out of the environment what its user has set for drover and
# for providers of models, and names the scripted model. Keys are not spent, a default model is not
# asked, and no server of models on this machine is found: nothing listens on port 9.
for name in $(env | sed -nE \
    's/^((DROVER|OPENAI|ANTHROPIC|DEEPSEEK|OLLAMA|LLAMACPP)_[A-Za-z0-9_]*)=.*/\1/p'); do
    case $name in DROVER_TEST_*) ;; *) unset "$name" ;; esac
done
export DROVER_MODEL=scripted/demo OLLAMA_HOST=127.0.0.1:9 LLAMACPP_HOST=127.0.0.1:9
