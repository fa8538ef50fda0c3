/* settings.h: what holds for every session that says nothing else, changed while the daemon runs.
 *
 *   default_model   CONNECTION/MODEL, for sessions that name none
 *   instructions    for sessions that have none of their own
 *   effort          low, medium or high: how long models think; not set: their own
 *   review_model    CONNECTION/MODEL that looks at calls under `review`; not set: the turn's own
 *   title_model     CONNECTION/MODEL that names sessions; not set: the turn's own
 *   window          tokens: what a prompt may have, whatever is known of its model
 *   public_url      origin under which other machines reach the daemon, for links; not set: the
 *                   loopback address that it listens on
 *   notify_webhook  URL that gets the notices of the local user; not set: none
 *   notify_on       which notices those, and notify_command, are given; not set: all
 *   notify_command  argv of the command that tells a person what happened; not set: none
 *   model_aliases   CONNECTION/MODEL for each short name of a model, as "sonnet"; not set: none
 *
 * These are rows, shared by every client. What one process of the daemon needs before it has rows
 * (addresses, files, limits) is its configuration (docs/configuration.md).
 *
 * Promise    the table of rows is the truth; a struct settings_kept is its copy for the loop, put
 *            there by the `done` of each change, so what starts after the answer uses it.
 * Ownership  a struct settings borrows its texts: from the caller, from the transaction's arena, or
 *            from the settings_kept until its next put.
 * Threads    tx_…: inside a store function. settings_kept_…: one at a time. The rest: any.
 */
#ifndef DROVER_ENGINE_BASE_SETTINGS_H
#define DROVER_ENGINE_BASE_SETTINGS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "store/store.h"

enum {
    SETTINGS_MODEL_MAX = 321, /* A connection's name, the slash, a model's name. */
    SETTINGS_INSTRUCTIONS_MAX = 64 << 10,
    SETTINGS_URL_MAX = 2000,
    SETTINGS_COMMAND_MAX = 4096, /* Bytes of notify_command as JSON. */
    SETTINGS_COMMAND_WORDS = 32,
    SETTINGS_ALIASES_SIZE_MAX = 8192, /* Bytes of model_aliases as JSON. */
    SETTINGS_ALIASES_MAX = 16,
    SETTINGS_ALIAS_MAX = 64, /* Bytes of one name. */
    SETTINGS_WINDOW_MIN = 1024,
    SETTINGS_WINDOW_MAX = 100000000,
};

struct settings {
    struct bytes default_model, instructions, effort; /* Empty: not set. */
    struct bytes review_model, title_model;
    struct bytes public_url; /* "https://drover.example" */
    struct bytes notify_webhook;
    struct bytes notify_command; /* JSON: an array of strings. */
    struct bytes notify_on;      /* The same. */
    struct bytes model_aliases;  /* JSON: an object of strings. */
    int64_t window;              /* 0: not set. */
    int64_t changed_ms;          /* 0: never. */
};

/* Whether it is one of the efforts; empty is none. */
MUST_CHECK bool settings_effort_valid(struct bytes effort);
/* The members, null where not set, without the closing brace. */
void settings_write_json(const struct settings *settings, struct text *text);

/* --- Aliases of models ------------------------------------------------------------------------ */

struct model_name {
    char text[SETTINGS_MODEL_MAX + 1];
};
/* Whether it is a name of Anthropic's for one of its models: "sonnet", "opus[1m]",
 * "claude-haiku-4-5". */
MUST_CHECK bool model_is_of_claude(struct bytes name);
/* The model that settings.model_aliases has for a name without "/": under this name, else under its
 * family of Claude ("sonnet" for "claude-sonnet-4-5"). false: none. Pure. */
MUST_CHECK bool model_alias_find(struct bytes aliases, struct bytes name,
                                 struct model_name *ret_model);

/* --- In memory -------------------------------------------------------------------------------- */

struct settings_kept;
struct settings_kept *settings_kept_new(void);
void settings_kept_free(struct settings_kept *kept); /* NULL is allowed. */
void settings_kept_put(struct settings_kept *kept, const struct settings *settings); /* Copies. */
const struct settings *settings_kept_get(const struct settings_kept *kept);

/* --- In a store function ---------------------------------------------------------------------- */

MUST_CHECK struct err tx_settings_read(struct tx *tx, struct settings *ret_settings);
/* Writes all of them: what is not set has no row after this. */
MUST_CHECK struct err tx_settings_write(struct tx *tx, const struct settings *settings);

#endif
