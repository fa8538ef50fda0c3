/* discover.h: connections that nobody configured: from the environment, and on this machine.
 *
 *   OPENAI_API_KEY (and OPENAI_BASE_URL)        openai
 *   ANTHROPIC_API_KEY (and ANTHROPIC_BASE_URL)  anthropic
 *   DEEPSEEK_API_KEY (and DEEPSEEK_BASE_URL)    deepseek
 *   OLLAMA_HOST, else 127.0.0.1:11434           ollama     if something lists models there
 *   LLAMACPP_HOST, else 127.0.0.1:8080          llamacpp   if something lists models there
 *
 * A key may also be in a file: OPENAI_API_KEY_FILE and so on (key.h). A base URL without a key is a
 * connection without one. The last two are asked when they are needed for the first time: by a list
 * of models, or by a call that names them. No host is asked that its user did not name or set up.
 *
 * Threads    the loop's; blocks on a key's file: before the loop runs.
 */
#ifndef DROVER_MODEL_DISCOVER_H
#define DROVER_MODEL_DISCOVER_H

#include "model/model.h"

struct discover_from {
    const char *(*env)(void *ctx, const char *name); /* NULL: not set. */
    void *ctx;
    enum { DISCOVER_LOCAL, DISCOVER_NO_LOCAL } local; /* Whether to look on this machine. */
};
/* A connection that is there already stays as it is. */
MUST_CHECK struct err models_discover(struct models *models, const struct discover_from *from,
                                      struct why *why);

#endif
