/* roles.h: plausible answers of the scripted model to the agents of the built-in workflows.
 *
 * Somebody who tries `drover run deep-research "…"` without a provider sees sentences, as real
 * agents would say them, and not echoes or placeholders. Each report says first that the scripted
 * model wrote it. A prompt is recognised by how it begins, as workflows/ has it.
 *
 * Promise    an answer with a schema fits it, also where another workflow has copied the prompt:
 *            else there is none. The same prompt gives the same answer.
 * Threads    any; pure.
 */
#ifndef DROVER_MODEL_SCRIPTED_ROLES_H
#define DROVER_MODEL_SCRIPTED_ROLES_H

#include "base/base.h"
#include "base/text.h"

struct script_role_prompt {
    struct bytes text;   /* The prompt. */
    struct bytes schema; /* Schema of the answer as JSON; empty: free text. */
};
/* False: no agent of ours asks this, and nothing was added. */
MUST_CHECK bool script_role_answer(const struct script_role_prompt *prompt, struct text *text);

#endif
