/* no_model.h: sentence of the error no_model: a model was to be asked, and none is set up.
 *
 * The scripted model is no fallback: it answers only when it is named, so that nobody takes what a
 * script plays for the answer of a model. A `struct why` and the detail of a failure hold all of
 * the sentence.
 */
#ifndef DROVER_RULES_PROVIDER_NO_MODEL_H
#define DROVER_RULES_PROVIDER_NO_MODEL_H

#define NO_MODEL_DETAIL                                                                            \
    "no model is set up: set ANTHROPIC_API_KEY, OPENAI_API_KEY or DEEPSEEK_API_KEY and run "       \
    "'drover restart', store a key with 'drover provider add NAME --key-file -', or start "        \
    "Ollama or llama-server on this machine; to try drover without a model, name "                 \
    "scripted/demo, which plays a script"

#endif
