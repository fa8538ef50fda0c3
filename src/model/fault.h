/* fault.h: what an answer that is none means: from a status, a body, or an error inside a stream to
 * one cause and a sentence. Pure.
 *
 * A body may be OpenAI's {"error": {message, type, code}}, Anthropic's {"type": "error", "error":
 * {type, message}}, Google's [{"error": {code, message, status}}], Ollama's {"error": "…"},
 * FastAPI's {"detail": …}, {"message": "…"}, or a proxy's HTML page, of which the title is told.
 *
 * Promise    the sentence never holds `secret`, nor anything else that looks like a key.
 * Threads    any.
 */
#ifndef DROVER_MODEL_FAULT_H
#define DROVER_MODEL_FAULT_H

#include "base/base.h"
#include "base/json/json.h"
#include "loop/fetch.h"
#include "model/failure.h"

enum { FAULT_BODY_MAX = 64 << 10 };

/* An HTTP answer that is not 2xx. `secret` may be NULL. */
void fault_of_answer(int status, struct bytes body, const char *secret,
                     struct model_failure *ret_failure);
/* An error object inside a stream; `object` holds "error", or is it. */
void fault_of_event(const json_t *object, const char *secret, struct model_failure *ret_failure);
/* The connection failed. */
void fault_of_fetch(enum fetch_fault fault, const char *detail, const char *host,
                    struct model_failure *ret_failure);

#endif
