/* request.h: a request about a workflow: what its operand names, and flags as its body.
 *
 * A file is sent as its text, so that the daemon need not be able to read it; a name is looked for
 * by the daemon, beginning at the root: the nearest folder upward that is a project's.
 *
 * Promise    only what was given is sent (and the root): whatever has a default has it in the
 *            daemon. A value of --arg is JSON where it is JSON (12, true, ["a"], "12"), and else
 *            the text that it is; it stands over a member of --args. A text after the workflow is
 *            the one required member of its args, or all of them where they may be a text.
 * Ownership  workflow_request is borrowed during the call, and the body is the caller's.
 *            workflow_starting is embedded, begun as {.invocation, .talk = {.interrupt_fd = -1}}.
 * Threads    one.
 * Failure    ERR_USAGE with *why; ERR_BODY_TOO_LARGE; of a file ERR_NOT_FOUND, or an error of the
 *            disk.
 */
#ifndef DROVER_CLI_WORKFLOW_REQUEST_H
#define DROVER_CLI_WORKFLOW_REQUEST_H

#include <limits.h>

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/api_request.h"
#include "cli/base/cli.h"

extern const struct flag workflow_request_flags[]; /* All of `run`. */

struct workflow_request {
    const struct args *args;
    const char *root;     /* Absolute; NULL: that of the run that is resumed. */
    struct bytes script;  /* data NULL: a name, or what an earlier run had. */
    const char *title;    /* As of workflow_file_title; NULL: it is no file. */
    const char *name;     /* NULL: it is none, or stands in the path. */
    const char *words;    /* Text given after the workflow, which becomes its args; NULL: none. */
    const json_t *schema; /* With words: meta.args of the workflow; NULL: any args fit. */
};
/* `body` is empty and bounded by the caller. */
MUST_CHECK struct err workflow_request_write(const struct workflow_request *request,
                                             struct text *body, struct why *why);

/* A word that names a workflow names a file: it has a slash, or ends in .js, .mjs or .cjs. The
 * latter counts only where there is such a file. */
enum workflow_word { WORKFLOW_WORD_NAME, WORKFLOW_WORD_MAYBE_FILE, WORKFLOW_WORD_FILE };
enum workflow_word workflow_word_kind(const char *word);

/* The text of a file, to be sent, so that the daemon need not be able to read it; *ret_script is
 * owned. *ret_title NULL: the word is a name. */
MUST_CHECK struct err workflow_file_read(struct invocation *invocation, const char *word,
                                         char **ret_script, size_t *ret_len,
                                         const char **ret_title);

/* Begins a run of a workflow or of a flow, with --model and --retry-for; before that, a limit per
 * day may be asked for. `request` has base, id, rest, body and unknown. *ret_answer is owned. */
MUST_CHECK struct err workflow_run_begin(struct invocation *invocation, struct talk *talk,
                                         struct api_request request, json_t **ret_answer);

struct workflow_starting {
    struct invocation *invocation;
    struct talk *talk; /* Borrowed. */
    const char *word;  /* The operand; NULL: none was given. */
    char *script;      /* Owned: a file's text; NULL: the word is a name, or there is none. */
    json_t *schema;    /* Owned: meta.args, where a text was given; NULL: any args fit. */
    struct text body;  /* Owned. */
};
void workflow_starting_done(struct workflow_starting *starting); /* For AUTO. */

/* Where the name of a workflow goes: into the body, or into the path of the request. */
enum workflow_name { WORKFLOW_NAME_INSIDE, WORKFLOW_NAME_OUTSIDE };
/* Fills word, script and body. */
MUST_CHECK struct err workflow_starting_read(struct workflow_starting *starting,
                                             enum workflow_name name);
/* Title of a script in a file: the file's name. Of one below .boocode/workflows it is the
 * path from there, by which the daemon knows what the script expects (script/meta.h). In
 * `room`, or part of `word`. */
const char *workflow_file_title(const char *word, char room[PATH_MAX]);

#endif
