/* agent_order.c: see agent_order.h. */
#include "dispatch/base/agent_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"

enum {
    MODEL_MAX = 400,
    ALIASES_MAX = 64 << 10,
    SETTINGS_MAX = 4 << 10,
    SLIP_MIN = 4, /* Letters of a word of which one may be a slip. */
};

void agent_order_init(struct agent_order *order) {
    *order = (struct agent_order){.kind = AGENT_ORDER_UNKNOWN};
    text_init(&order->program, AGENT_DEFINITION_MAX);
    text_init(&order->model, MODEL_MAX);
    text_init(&order->tools, SETTINGS_MAX);
    text_init(&order->aliases, ALIASES_MAX);
}

void agent_order_done(struct agent_order *order) {
    text_done(&order->program);
    text_done(&order->model);
    text_done(&order->tools);
    agent_type_done(&order->type);
    text_done(&order->aliases);
}

void agent_order_set_aliases(struct agent_order *order, struct bytes aliases) {
    text_clear(&order->aliases);
    text_add(&order->aliases, aliases.data, aliases.len);
}

/* "inherit" is the word of types of agents for the model that there is without one. */
static bool model_is_named(struct bytes model) {
    return model.len > 0 && !bytes_is(model, "inherit");
}

const char *agent_model_known(struct bytes aliases, struct bytes name, struct model_name *room) {
    name.len = strnlen(name.data, name.len); /* As rows have it, and bounded. */
    if (memchr(name.data, '/', name.len) != NULL && name.len < sizeof room->text) {
        memcpy(room->text, name.data, name.len);
        room->text[name.len] = '\0';
        return room->text;
    }
    return model_alias_find(aliases, name, room) ? room->text : NULL;
}

/* --- A program -------------------------------------------------------------------------------- */

/* The access of a definition limits most programs, and a list of tools pi. Others are believed if
 * their definition says that they only read. False: it cannot be kept to that. */
static bool reading_keep(const struct program *program, struct agent_definition *io_what,
                         json_t **ret_tools) {
    if ((program_can(program) & PROGRAM_TAKES_ACCESS) != 0) {
        io_what->access = "read";
    } else if (agent_program_can(io_what->program, AGENT_TAKES_TOOLS)) {
        io_what->tools = *ret_tools = json_pack("[s,s,s,s]", "read", "grep", "find", "ls");
        return io_what->tools != NULL;
    }
    return agent_definition_access(io_what) == AGENT_ACCESS_READ;
}

struct program_find {
    const struct agent_wish *wish;
    struct agent_order *order;
};

static void on_program(void *ctx, const struct agent_seen *seen) {
    const struct program_find *find = ctx;
    const struct agent_wish *wish = find->wish;
    struct agent_order *order = find->order;
    struct agent_definition what = *seen->what;
    AUTO(mem_release) char *asked = mem_copy(wish->model.data, wish->model.len);
    AUTO(json_release) json_t *tools = NULL;
    order->kind = AGENT_ORDER_REFUSED;
    if (!agent_may_start(seen->found)) {
        order->err = err_why(&order->why, ERR_CONFLICT, "agent '%.64s' is %s: %s", what.name,
                             agent_found_names[seen->found], seen->why);
        return;
    }
    if (wish->only_reads && !reading_keep(seen->program, &what, &tools)) {
        order->err =
            err_why(&order->why, ERR_CONFLICT,
                    "agent '%.64s' cannot be kept from writing, and here agents only read: write "
                    "\"access\": \"read\" into its definition if it does no more",
                    what.name);
        return;
    }
    what.model = model_is_named(wish->model) ? asked : what.model;
    order->err = agent_model_check(what.model, &order->why);
    if (err_failed(order->err)) {
        return;
    }
    text_addf(&order->model, "%s/%.200s", what.name, what.model != NULL ? what.model : "default");
    order->err = agent_definition_write(&what, &order->program);
    if (err_failed(order->err)) {
        why_set(&order->why, "agent '%.64s': there was no memory for its definition", what.name);
        return;
    }
    order->resumes = program_resumes(seen->program, &what);
    order->isolated = what.isolation != NULL;
    order->kind = AGENT_ORDER_PROGRAM;
}

static struct agent_search search_of(const struct agent_wish *wish) {
    return (struct agent_search){
        .root = wish->root,
        .home = wish->home,
        .path = wish->path != NULL && wish->path[0] != '\0' ? wish->path : getenv("PATH"),
        .rows = wish->rows};
}

static bool program_take(const struct agent_wish *wish, struct agent_order *order) {
    const struct agent_search search = search_of(wish);
    struct program_find find = {.wish = wish, .order = order};
    return agent_find(&search, wish->name, on_program, &find);
}

/* --- A type of agents of models --------------------------------------------------------------- */

static struct agent_places places_of(const struct agent_wish *wish) {
    return (struct agent_places){
        .root = wish->root, .home = wish->home, .config_dir = wish->config_dir};
}

static void tools_write(tool_set tools, unsigned adds, struct text *settings) {
    const char *comma = "";
    text_add_str(settings, "{\"tools\":[");
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        const struct tool *tool = tool_get((enum tool_id)id);
        if ((tools & tool_set_of((enum tool_id)id)) != 0 || (tool->needs & adds) != 0) {
            text_addf(settings, "%s\"%s\"", comma, tool->name);
            comma = ",";
        }
    }
    text_add_str(settings, "]}");
}

/* A model that was asked for stands as it is, so that an unknown one is an error of its turn. The
 * model of a type may be one of another host. */
static void type_model_choose(const struct agent_wish *wish, struct bytes own,
                              struct agent_order *order) {
    const bool asked = model_is_named(wish->model);
    const struct bytes name = asked ? wish->model : model_is_named(own) ? own : BYTES("");
    struct model_name room;
    const char *known = agent_model_known(text_bytes(&order->aliases), name, &room);
    if (known != NULL) {
        text_add_str(&order->model, known);
    } else if (asked) {
        text_add(&order->model, name.data, name.len);
    }
}

/* False: there is no type of that name. */
static bool type_take(const struct agent_wish *wish, struct agent_order *order) {
    struct agent_type *type = &order->type;
    const struct agent_places places = places_of(wish);
    const struct err err = agent_type_find(&places, wish->name, type, &order->why);
    if (err.code == ERR_NOT_FOUND) {
        order->why.text[0] = '\0';
        return false;
    }
    if (err_failed(err)) {
        order->kind = AGENT_ORDER_REFUSED;
        order->err = err_make(ERR_CONFLICT, "agents: type");
        return true;
    }
    type_model_choose(wish, bytes_of(type->model), order);
    if (type->tools != TOOL_SET_ALL) {
        tools_write(type->tools, wish->adds, &order->tools);
    }
    order->isolated = type->isolated;
    order->resumes = true;
    order->kind = AGENT_ORDER_TYPE;
    return true;
}

/* --- Nothing ---------------------------------------------------------------------------------- */

/* The nearest of all names. */
struct nearest {
    struct suggest suggest;
    char name[AGENT_TYPE_NAME_MAX + 1];
};

static void name_offer(struct nearest *nearest, struct bytes name) {
    char word[AGENT_TYPE_NAME_MAX + 1];
    const size_t before = nearest->suggest.distance;
    if (name.len == 0 || name.len >= sizeof word) {
        return;
    }
    memcpy(word, name.data, name.len);
    word[name.len] = '\0';
    suggest_offer(&nearest->suggest, word);
    if (nearest->suggest.distance < before) {
        memcpy(nearest->name, word, sizeof word);
        nearest->suggest.best = nearest->name;
    }
}

static void on_program_name(void *ctx, const struct agent_seen *seen) {
    name_offer(ctx, bytes_of(seen->what->name));
}

static void on_type_name(void *ctx, const struct agent_type_seen *seen) {
    name_offer(ctx, seen->name);
}

/* Typed with a letter too many or too few, or with two that changed places. Another letter in its
 * place makes another word: "coder" is no slip of "codex". */
static bool is_slip(const char *typed, const char *known) {
    const size_t typed_len = strlen(typed), known_len = strlen(known);
    size_t at = 0;
    while (typed[at] != '\0' && typed[at] == known[at]) {
        at++;
    }
    if (typed_len < SLIP_MIN || typed_len != known_len) {
        return typed_len >= SLIP_MIN;
    }
    return typed[at] != '\0' && typed[at + 1] != known[at + 1];
}

static void unknown_judge(const struct agent_wish *wish, struct agent_order *order) {
    const struct agent_search search = search_of(wish);
    const struct agent_places places = places_of(wish);
    AUTO(mem_release) char *typed = mem_copy(wish->name.data, wish->name.len);
    struct nearest nearest;
    suggest_begin(&nearest.suggest, typed);
    agent_each(&search, on_program_name, &nearest);
    if (wish->first != AGENT_PROGRAMS_ONLY) {
        agent_types_each(&places, on_type_name, &nearest);
    }
    const char *best = suggest_best(&nearest.suggest);
    const bool slip = best != NULL && nearest.suggest.distance == 1 && is_slip(typed, best);
    if (wish->takes_names && !slip) {
        order->resumes = true;
        order->kind = AGENT_ORDER_NAME;
        return;
    }
    order->kind = AGENT_ORDER_UNKNOWN;
    order->err = err_why(&order->why, ERR_NOT_FOUND,
                         "there is no agent '%.64s'%s%.64s%s; 'drover agent ls' lists all", typed,
                         best != NULL ? ": did you mean '" : "", best != NULL ? best : "",
                         best != NULL ? "'?" : "");
}

void agent_order_find(const struct agent_wish *wish, struct agent_order *order) {
    text_clear(&order->program);
    text_clear(&order->model);
    text_clear(&order->tools);
    agent_type_done(&order->type);
    order->err = ERR_OK;
    order->why.text[0] = '\0';
    order->resumes = order->isolated = false;
    const bool found = wish->first == AGENT_TYPES_FIRST
                           ? type_take(wish, order) || program_take(wish, order)
                           : program_take(wish, order) ||
                                 (wish->first != AGENT_PROGRAMS_ONLY && type_take(wish, order));
    if (!found) {
        unknown_judge(wish, order);
    }
}
