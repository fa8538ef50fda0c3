/* agent_order.h: the agent that a name means: a program, or a type of agents of models.
 *
 *   a name, a folder, a PATH, a model ──> PROGRAM  its definition, and NAME/MODEL
 *                                         TYPE     its instructions, tools and model
 *                                         NAME     a mere name for the model of its project
 *                                         REFUSED  it is there, and cannot be used: `why`
 *                                         UNKNOWN  nothing has that name: `why`, with the nearest
 *
 * Promise    every part that begins an agent by its name finds the same one, looked up in the
 *            folder and the PATH of its session or project. Nothing is used in place of a name that
 *            is unknown.
 * Ownership  a wish is borrowed for the call; an order is the caller's, from agent_order_init to
 *            agent_order_done, and keeps its buffers from one call to the next.
 * Threads    agent_order_find: the pool, since it blocks on the disk; the rest: any, one at a time.
 */
#ifndef DROVER_DISPATCH_BASE_AGENT_ORDER_H
#define DROVER_DISPATCH_BASE_AGENT_ORDER_H

#include "agent/find.h"
#include "engine/base/settings.h"
#include "tool/agent_types.h"

enum agent_order_kind {
    AGENT_ORDER_UNKNOWN,
    AGENT_ORDER_REFUSED,
    AGENT_ORDER_PROGRAM,
    AGENT_ORDER_TYPE,
    AGENT_ORDER_NAME,
};
/* The one of two of one name that counts. */
enum agent_order_first {
    AGENT_PROGRAMS_FIRST,
    AGENT_TYPES_FIRST, /* Scripts of other hosts mean those. */
    AGENT_PROGRAMS_ONLY,
};

struct agent_wish {
    struct bytes name;
    const char *root, *home, *config_dir; /* NULL or "": none. */
    const char *path;                     /* NULL or "": the PATH of the daemon. */
    struct agent_rows *rows;              /* NULL: none. */
    struct bytes model;                   /* Asked for in this place; "", "inherit": none. */
    enum agent_order_first first;
    unsigned adds;    /* enum tool_needs: a type has the tools with these needs in any case. */
    bool only_reads;  /* A program is kept to reading, or refused. */
    bool takes_names; /* The project names a model: a name without a definition is for that. */
};

struct agent_order {
    enum agent_order_kind kind;
    struct err err; /* UNKNOWN, REFUSED: ERR_NOT_FOUND; ERR_CONFLICT, ERR_BAD_FIELD: the model; */
    struct why why; /* and its sentence. */
    struct text program;    /* Owned: PROGRAM: its definition, JSON; else "". */
    struct text model;      /* Owned: PROGRAM: NAME/MODEL. TYPE: as asked, else as it says. "". */
    struct text tools;      /* Owned: TYPE: settings of a session with its tools; "": all. */
    struct agent_type type; /* Owned: TYPE; else empty. */
    struct text aliases;    /* Owned: the setting model_aliases. */
    bool resumes, isolated; /* A session of it can go on; its definition wants a working tree. */
};

void agent_order_init(struct agent_order *order);
void agent_order_done(struct agent_order *order); /* For AUTO; zeroed is allowed. */
/* Settings are the loop's: it copies the aliases of models before the order goes to the pool. */
void agent_order_set_aliases(struct agent_order *order, struct bytes aliases);
void agent_order_find(const struct agent_wish *wish, struct agent_order *order);

static inline bool agent_order_is_good(const struct agent_order *order) {
    return order->kind >= AGENT_ORDER_PROGRAM;
}
/* Texts that a session of the agent begins with. */
static inline struct bytes agent_order_instructions(const struct agent_order *order) {
    return order->type.instructions != NULL ? bytes_of(order->type.instructions) : BYTES("");
}
static inline struct bytes agent_order_settings(const struct agent_order *order) {
    return order->tools.len > 0 ? text_bytes(&order->tools) : BYTES("{}");
}
/* The model that a name means: with a "/" this name, else the alias of the setting model_aliases.
 * In `room`; NULL: the name is unknown. */
const char *agent_model_known(struct bytes aliases, struct bytes name, struct model_name *room);

#endif
