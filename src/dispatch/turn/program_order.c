/* program_order.c: see program_order.h. */
#include "dispatch/turn/program_order.h"

#include <stdio.h>

#include "base/memory.h"
#include "loop/world.h"
#include "rules/agent/outcome.h"
#include "rules/agent/prompt.h"

enum {
    PROMPT_MAX = 8 << 20,
    LOG_BYTES = 512 << 20, /* Output that is kept. */
};

/* --- Its prompt ------------------------------------------------------------------------------- */

static void prompt_write(const struct program_wish *wish, struct text *prompt) {
    const struct turn_plan *plan = wish->plan;
    const bool misfit = bytes_is(plan->outcome, run_cause_name(CAUSE_SCHEMA_MISMATCH));
    if (misfit && wish->native.len > 0) {
        text_add(prompt, wish->notice.data, wish->notice.len);
        return;
    }
    enum agent_outcome outcome;
    if (plan->tries > 0 && wish->native.len > 0 && agent_outcome_find(plan->outcome, &outcome)) {
        const struct agent_again again = {.number = plan->tries,
                                          .max = agent_outcome_retries(outcome)};
        agent_prompt_again(again, prompt);
        return;
    }
    if (wish->history.len > 0) {
        agent_prompt_history(wish->history, prompt);
    }
    text_add(prompt, wish->prompt.data, wish->prompt.len);
    if (plan->schema.len > 0) {
        agent_prompt_schema(plan->schema, prompt);
    }
    if (misfit) {
        text_add_str(prompt, "\n\n");
        text_add(prompt, wish->notice.data, wish->notice.len);
    }
}

/* --- The job ---------------------------------------------------------------------------------- */

/* `once`: what it did, a second one would do again. It has no time limit of its own, since its
 * holder knows nothing of people who are asked (program.c). */
static struct err spec_write(const struct program_wish *wish, const struct program_command *command,
                             const struct program_order *order) {
    const struct agent_definition *agent = wish->agent;
    struct text *spec = order->spec;
    text_add_str(spec, "{\"argv\":[");
    for (size_t i = 0; i < command->argc; i++) {
        text_add_str(spec, i > 0 ? "," : "");
        text_add_json(spec, command->argv[i], strlen(command->argv[i]));
    }
    text_add_char(spec, ']');
    if (wish->plan->root.len > 0) {
        text_add_member(spec, "cwd", wish->plan->root);
    }
    if (wish->plan->path.len > 0) {
        text_add_member(spec, "path", wish->plan->path);
    }
    (void)agent_env_write(agent->env, AGENT_ENV_TEXTS, "env", spec); /* There may be none. */
    if (command->input.len > 0) {
        text_add_member(spec, "stdin", command->input);
    }
    text_add_member_bool(spec, "stdin_open", command->input_open);
    text_add_str(spec, ",\"once\":true");
    text_addf(spec, ",\"limits\":{\"output\":%d", LOG_BYTES);
    if (agent->processes > 0) {
        text_add_member_int(spec, "processes", agent->processes);
    }
    text_add_char(spec, '}');
    if (!agent_env_write(agent->env, AGENT_ENV_REFERENCES, "agent", spec)) {
        text_add_str(spec, ",\"agent\":true");
    }
    if (order->key->len > 0) {
        text_add_member(spec, "key", text_bytes(order->key));
        text_add_member_int(spec, "key_max", agent->at_once);
    }
    text_add_char(spec, '}');
    return text_failed(spec) ? text_error(spec, "turns: program") : ERR_OK;
}

/* Random ones, as programs want them (RFC 9562, version 4). */
enum { UUID_SIZE = 37 };
static void uuid_make(const struct world *world, char ret_text[UUID_SIZE]) {
    unsigned char bytes[16];
    world_random(world, bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        const bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        at += (size_t)snprintf(ret_text + at, UUID_SIZE - at, "%s%02x", dash ? "-" : "", bytes[i]);
    }
}

struct err program_order_make(const struct program_wish *wish, struct program_order *order) {
    char session[UUID_SIZE], message[UUID_SIZE];
    AUTO(text_done) struct text prompt = text_up_to(PROMPT_MAX);
    AUTO(arena_done) struct arena arena;
    struct program_command command;
    arena_init(&arena, (size_t)16 << 20);
    prompt_write(wish, &prompt);
    uuid_make(wish->world, session);
    uuid_make(wish->world, message);
    const struct program_start start = {.agent = wish->agent,
                                        .prompt = text_bytes(&prompt),
                                        .native = wish->native,
                                        .session = bytes_of(session),
                                        .message = bytes_of(message)};
    struct err err = text_failed(&prompt) ? text_error(&prompt, "turns: program") : ERR_OK;
    if (!err_failed(err)) {
        err = program_start_make(wish->program, &start, &arena, &command);
    }
    if (err_failed(err)) {
        return err;
    }
    text_clear(order->spec);
    text_clear(order->key);
    if (wish->agent->at_once > 0) {
        text_addf(order->key, "drover/agent/%s", wish->agent->name);
    }
    order->input_from = command.input_open ? (int64_t)command.input.len : -1;
    return spec_write(wish, &command, order);
}
