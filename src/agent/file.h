/* file.h: the file of a definition of an agent.
 *
 * NAME.json  an object of the fields of rules/agent/fields.c.
 * NAME.md    the same fields as front matter, and the instructions after it:
 *
 *              ---
 *              program: codex
 *              args: [--search]
 *              env:
 *                TOKEN: {"from": "HELPER_TOKEN"}
 *              ---
 *              You review changes.
 *
 *            Only one with a `program` is read here: any other is an agent of models
 *            (tool/agent_types.h).
 *
 * Promise    the name of an agent is that of its file. A refusal says the line, as far as one is to
 *            blame.
 * Ownership  texts of *ret_what are borrowed from *ret_json, which is the caller's.
 * Threads    any; pure.
 */
#ifndef DROVER_AGENT_FILE_H
#define DROVER_AGENT_FILE_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "rules/agent/definition.h"

enum agent_file { AGENT_FILE_JSON, AGENT_FILE_MARKDOWN, AGENT_FILES };
extern const char *const agent_file_endings[AGENT_FILES]; /* ".json", ".md" */

/* ERR_NOT_FOUND: a Markdown file of an agent of models. */
MUST_CHECK struct err agent_file_read(enum agent_file form, const char *name, struct bytes text,
                                      json_t **ret_json, struct agent_definition *ret_what,
                                      struct why *why);

#endif
