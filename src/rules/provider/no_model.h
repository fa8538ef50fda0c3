/* no_model.h: sentence of the error no_model: a model was to be asked, none was named, and no
 * default is known: nothing is connected, or what is connected has not said which models it has.
 *
 * The scripted model is no fallback: it answers only when it is named, so that nobody takes what a
 * script plays for the answer of a model. A `struct why` and the detail of a failure hold all of
 * the sentence.
 */
#ifndef DROVER_RULES_PROVIDER_NO_MODEL_H
#define DROVER_RULES_PROVIDER_NO_MODEL_H

#define NO_MODEL_DETAIL                                                                            \
    "no model is known: no provider is connected, or none has answered ('drover provider ls'). "   \
    "Set ANTHROPIC_API_KEY, OPENAI_API_KEY or DEEPSEEK_API_KEY and run 'drover restart', or "      \
    "'drover provider add NAME --key-file -'; or start Ollama or llama-server here; or name a "    \
    "model: PROVIDER/MODEL (scripted/demo plays a script)"

#endif
