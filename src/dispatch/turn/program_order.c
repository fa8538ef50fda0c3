/* program_order.c: see program_order.h. */
#include "dispatch/turn/program_order.h"

#include <stdio.h>

#include "base/memory.h"
#include "rules/agent/outcome.h"
#include "rules/agent/prompt.h"

enum {
    PROMPT_MAX = 8 << 20,
    TASK_MAX = 4 << 20,
    NOTICE_MAX = 64 << 10,
};

/* --- Its prompt ------------------------------------------------------------------------------- */

static void words_add(const struct text *words, struct text *prompt) {
    text_add_str(prompt, prompt->len > 0 && words->len > 0 ? "\n\n" : "");
    text_add(prompt, text_bytes(words).data, words->len);
}

/* For a session of the program that goes on in the middle of the turn. False: what it is asked is
 * to follow. After an answer, only messages are left that the program has not read. */
static bool again_write(const struct program_wish *wish, struct text *prompt) {
    const struct turn_plan *plan = wish->plan;
    enum agent_outcome outcome;
    if (wish->native.len == 0 || plan->tries == 0) {
        return false;
    }
    if (bytes_is(plan->outcome, run_cause_name(CAUSE_SCHEMA_MISMATCH))) {
        words_add(&wish->texts->notice, prompt);
        return true;
    }
    if (!agent_outcome_find(plan->outcome, &outcome)) {
        return false;
    }
    if (outcome != AGENT_COMPLETED) {
        const struct agent_again again = {.number = plan->tries,
                                          .max = agent_outcome_retries(outcome)};
        agent_prompt_again(again, prompt);
    }
    if (!wish->heard) {
        agent_prompt_unheard(prompt);
    }
    return wish->heard;
}

static void prompt_write(const struct program_wish *wish, struct text *prompt) {
    const struct turn_plan *plan = wish->plan;
    const struct program_texts *texts = wish->texts;
    const bool again = again_write(wish, prompt);
    if (!again) {
        text_add_str(prompt, prompt->len > 0 ? "\n\n" : "");
        if (wish->history.len > 0) {
            agent_prompt_history(wish->history, prompt);
        } else if (wish->native.len > 0 && texts->missed.len > 0) {
            agent_prompt_missed(text_bytes(&texts->missed), prompt);
        }
        text_add(prompt, text_bytes(&texts->prompt).data, texts->prompt.len);
    }
    if (again && prompt->len > 0 && texts->joins.len > 0) {
        agent_prompt_joins(prompt);
    }
    words_add(&texts->joins, prompt);
    if (!again && plan->schema.len > 0) {
        agent_prompt_schema(plan->schema, prompt);
    }
    if (!again && texts->notice.len > 0 &&
        bytes_is(plan->outcome, run_cause_name(CAUSE_SCHEMA_MISMATCH))) {
        words_add(&texts->notice, prompt);
    }
}

void program_texts_init(struct program_texts *texts) {
    text_init(&texts->prompt, TASK_MAX);
    text_init(&texts->notice, NOTICE_MAX);
    text_init(&texts->joins, TASK_MAX);
    text_init(&texts->missed, TASK_MAX);
}

void program_texts_done(struct program_texts *texts) {
    text_done(&texts->prompt);
    text_done(&texts->notice);
    text_done(&texts->joins);
    text_done(&texts->missed);
}

/* --- The job ---------------------------------------------------------------------------------- */

/* `once`: what it did, a second one would do again. It has no time limit of its own, since its
 * holder knows nothing of people who are asked (program.c). Of its output as much is kept as of any
 * job's: what is dropped was read long before, unless no daemon ran. */
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
    if (wish->plan->ports.len > 0) {
        text_add_member(spec, "ports", wish->plan->ports);
    }
    if (command->input.len > 0) {
        text_add_member(spec, "stdin", command->input);
    }
    text_add_member_bool(spec, "stdin_open", command->input_open);
    text_add_str(spec, ",\"once\":true");
    if (agent->processes > 0) {
        text_addf(spec, ",\"limits\":{\"processes\":%lld}", (long long)agent->processes);
    }
    if (!agent_env_write(agent->env, AGENT_ENV_REFERENCES, "agent", spec)) {
        text_add_str(spec, ",\"agent\":true");
    }
    if (agent_definition_by_port(agent)) {
        text_add_member(spec, "token_for", wish->plan->owner);
    }
    text_add_char(spec, '}');
    return text_failed(spec) ? text_error(spec, "turns: program") : ERR_OK;
}

struct err program_order_make(const struct program_wish *wish, struct program_order *order) {
    AUTO(text_done) struct text prompt = text_up_to(PROMPT_MAX);
    AUTO(arena_done) struct arena arena;
    struct program_command command;
    arena_init(&arena, (size_t)16 << 20);
    prompt_write(wish, &prompt);
    const struct uuid message = program_message_name(wish->process, wish->last);
    const struct program_start start = {.agent = wish->agent,
                                        .prompt = text_bytes(&prompt),
                                        .native = wish->native,
                                        .session = bytes_of(wish->fresh.text),
                                        .blank = wish->blank,
                                        .message = bytes_of(message.text),
                                        .own_tmp = wish->own_tmp};
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
