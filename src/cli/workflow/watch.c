/* watch.c: follows the run's stream; what the stream does not tell is asked in between, over a
 * connection of its own: the times of agents that began before we came, and the questions of those
 * that wait for an answer. Nothing is asked by the clock, unless the daemon holds: an event says
 * that it is time. */
#include "cli/workflow/watch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/names.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/stream/follow.h"
#include "cli/terminal/live_view.h"
#include "cli/turn/question.h"
#include "cli/workflow/draw.h"
#include "cli/workflow/question.h"
#include "cli/workflow/show.h"
#include "cli/workflow/tree.h"

enum {
    TICK_MS = 100,
    CLOCK_MS = 1000,
    ASK_MS = 2000,   /* Between two tries, and between two looks at the agents. */
    QUIET_MS = 5000, /* Without an event: some agent may wait for what no event tells of. */
    ROWS_MIN = 4,
    PARENTS_MAX = 1000,
    MODELS_NOTED_MAX = 20,
};

enum show { SHOW_LIVE, SHOW_LINES, SHOW_JSON };

struct watching {
    const struct workflow_watch *watch;
    struct workflow_tree tree; /* Owned. */
    enum show show;
    struct paint paint;
    struct live_view view; /* Owned; its `out` is where lines go, too. */
    const char *note;
    uint64_t drawn_ms, asked_ms, failed_ms;
    bool changed; /* Since the last picture. */
    bool stale;   /* An agent began before we came: its times are not known. */
    bool asks;    /* The open questions may have changed. */
    bool enough;
    bool types; /* An answer may be typed. */
    struct client_tick tick;
    struct talk side; /* Owned: its client. */
    json_t *parents;  /* Owned: of each run that asked, the run that it belongs to. */
    json_t *told;     /* Owned: with --json, the line of each open question. */
    json_t *models;   /* Owned: names of models that were noted as unknown. */
    json_t *open; /* Owned: the approvals that were open when they were asked for; NULL: none. */
    struct question_input input; /* Owned: an answer that is typed. */
    char answering[64];          /* The approval that it answers; "": none. */
    bool cut;                    /* The picture does not show all of that question, */
    bool whole;                  /* but the lines above it did. */
    const char *hint;            /* Fault of it; NULL: none. */
    uint64_t heard_ms;           /* When the last event came. */
};

static uint64_t mono_ms(const struct watching *watching) {
    return world_mono_ns(watching->watch->invocation->world) / 1000000;
}

/* --- The picture ------------------------------------------------------------------------------ */

static void picture_draw(struct watching *watching) {
    AUTO(text_done) struct text picture = text_up_to(LIVE_SCREEN_MAX);
    const struct terminal_size *size = &watching->view.size;
    const struct workflow_draw draw = {
        .paint = watching->paint,
        .now_ms = world_wall_ms(watching->watch->invocation->world),
        .rows = size->rows > ROWS_MIN ? size->rows - 1 : ROWS_MIN,
        .columns = size->columns,
        .note = watching->note,
        .typed = watching->input.terminal.raw ? text_bytes(&watching->input.line).data : NULL,
        .hint = watching->hint,
    };
    watching->cut = workflow_draw(&draw, &watching->tree, &picture);
    live_view_show(&watching->view, &picture, NULL /* no cursor */);
    watching->drawn_ms = mono_ms(watching);
    watching->changed = false;
}

/* At most ten times a second; once in a second also when only the time has passed. */
static void picture_look(struct watching *watching) {
    const struct terminal_size before = watching->view.size;
    const struct terminal_size size = live_view_resize(&watching->view);
    bool resized = size.rows != before.rows || size.columns != before.columns;
    uint64_t since_ms = mono_ms(watching) - watching->drawn_ms;
    if (((resized || watching->changed) && since_ms >= TICK_MS) || since_ms >= CLOCK_MS) {
        picture_draw(watching);
    }
}

/* --- A connection for requests ---------------------------------------------------------------- */

/* False: nothing can be asked, and the picture has less to tell. */
static bool side_open(struct watching *watching) {
    struct talk *side = &watching->side;
    return side->client != NULL ||
           !err_failed(client_open(&side->options, &side->client, NULL /* no why */));
}

/* --- Questions -------------------------------------------------------------------------------- */

/* An agent with tools speaks in a turn of its own, and the turn asks; its parent is asked for once.
 * "" where nobody can say. */
static const char *parent_of(struct watching *watching, const char *run) {
    AUTO(json_release) json_t *row = NULL;
    const char *known = json_str(watching->parents, run, NULL);
    if (known != NULL) {
        return known;
    }
    if (json_object_size(watching->parents) >= PARENTS_MAX) {
        (void)json_object_clear(
            watching->parents); /* Parents of open questions are asked for again. */
    }
    struct err err = run_get(&watching->side, run, 0 /* no retry */, &row, NULL /* no why */);
    if (!client_may_pass(err)) {
        const char *parent = talk_text(row, "parent");
        (void)json_object_set_new(watching->parents, run, json_string(parent));
    }
    return talk_text(watching->parents, run);
}

/* Prints an open question, if it is new: among the lines of events, so that a reader of them learns
 * that somebody must answer. */
static void question_tell(struct watching *watching, const json_t *approval) {
    const char *run = talk_text(approval, "run"), *id = talk_text(approval, "id");
    const struct workflow_agent *agent = workflow_tree_agent(&watching->tree, run);
    if (agent == NULL && run[0] != '\0') {
        agent = workflow_tree_agent(&watching->tree, parent_of(watching, run));
    }
    if (agent == NULL) {
        return; /* A chat asks, or another workflow. */
    }
    if (watching->show == SHOW_JSON && json_object_get(watching->told, id) == NULL) {
        json_t *line = json_pack(
            "{s:s,s:s,s:s,s:s,s:O,s:O,s:O,s:O,s:s,s:s+}", "event", "approval_requested", "run",
            watching->watch->run, "agent", agent->run, "label", agent->name, "kind",
            json_object_get(approval, "kind"), "tool", json_object_get(approval, "tool"),
            "arguments", json_object_get(approval, "arguments"), "shown",
            json_object_get(approval, "shown"), "approval", id, "answer", "drover approve ", id);
        if (line != NULL) { /* A daemon of another kind may leave something out. */
            talk_print(line);
            (void)json_object_set_new(watching->told, id, line);
        }
    }
    AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
    run_question_lines_add(approval, "", &words);
    agent = workflow_tree_asks(&watching->tree, agent->run, id, text_bytes(&words).data);
    if (agent != NULL && watching->show == SHOW_LINES) {
        text_clear(&words);
        run_question_add(approval, &words);
        fprintf(watching->view.out, "agent asks: %s (%s): drover approve %s\n", agent->name,
                text_bytes(&words).data, short_name_of(id, NULL /* no label */).text);
        if (strchr(agent->question, '\n') != NULL) {
            text_clear(&words);
            run_question_lines_add(approval, "  ", &words);
            fprintf(watching->view.out, "  %s\n", text_bytes(&words).data);
        }
    }
}

/* With --json, the questions that are no longer open. "state": how they were answered; it is null
 * where nobody can say. */
static void answers_print(struct watching *watching, const json_t *rows) {
    const char *id = NULL;
    json_t *line = NULL;
    void *next = NULL;
    json_object_foreach_safe(watching->told, next, id, line) {
        AUTO(json_release) json_t *row = NULL;
        if (talk_find(rows, "id", id) != NULL) {
            continue;
        }
        const struct api_request approval = {.base = "/api/v1/approvals/", .id = id};
        struct err err = api_ask(&watching->side, &approval, &row, NULL /* no why */);
        (void)err; /* Then it is not known. */
        json_t *state = json_object_get(row, "state");
        (void)json_object_set_new(line, "event", json_string("approval_answered"));
        (void)json_object_set_new(line, "state", state == NULL ? json_null() : json_incref(state));
        (void)json_object_del(line, "answer");
        (void)json_object_del(line, "arguments");
        (void)json_object_del(line, "shown");
        talk_print(line);
        (void)json_object_del(watching->told, id);
    }
}

/* The tree's agents ask what they ask now, and nothing else. */
static void questions_ask(struct watching *watching) {
    AUTO(json_release) json_t *rows = NULL;
    struct err err = action_rows(&watching->side, "/api/v1/approvals", &rows, NULL /* no why */);
    watching->asks = client_may_pass(err);
    watching->failed_ms = watching->asks ? mono_ms(watching) : 0;
    if (err_failed(err)) {
        return; /* Not everybody may see them. */
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        question_tell(watching, json_array_get(rows, i));
    }
    workflow_tree_asked(&watching->tree);
    watching->changed = true;
    if (watching->show == SHOW_JSON) {
        answers_print(watching, rows);
    }
    json_release(&watching->open);
    watching->open = rows;
    rows = NULL;
}

/* --- Answers that are typed ------------------------------------------------------------------- */

static void answer_send(struct watching *watching) {
    AUTO(text_done) struct text body = text_up_to(16 << 10);
    const char *id = watching->answering;
    const json_t *asked = talk_find(watching->open, "id", id);
    struct bytes line = text_bytes(&watching->input.line);
    const bool cut = watching->cut && !watching->whole;
    watching->hint = question_answer_write(asked, cut, line, &body);
    if (watching->hint == question_hint_unread) {
        question_add(asked, &watching->paint, &watching->view.above);
        watching->whole = true;
    } else if (watching->hint == NULL) {
        const struct api_request answer = {
            .method = "POST", .base = "/api/v1/approvals/", .id = id, .body = &body};
        struct err err = api_ask(&watching->side, &answer, NULL /* not read */, NULL /* no why */);
        watching->hint = err.code == ERR_CONFLICT ? "it was answered elsewhere"
                         : err_failed(err)        ? err_title(err.code)
                                                  : NULL;
        watching->asks = true;
    }
    text_clear(&watching->input.line);
}

/* The keys belong to the first open question, and what was typed for one is never the answer to
 * another: the line is emptied when that question goes away. */
static void answer_look(struct watching *watching) {
    const struct workflow_agent *asker = workflow_tree_asker(&watching->tree);
    const char *id = asker != NULL && watching->types && watching->note == NULL ? asker->asks : "";
    if (strcmp(id, watching->answering) != 0) {
        watching->hint = NULL;
        watching->whole = false;
        watching->cut = true; /* As long as it is not drawn. */
        question_input_end(&watching->input);
        (void)snprintf(watching->answering, sizeof watching->answering, "%s", id); /* Ids fit. */
        watching->changed = true;
    }
    if (id[0] == '\0') {
        return;
    }
    question_input_begin(&watching->input);
    enum question_typed typed = question_input_read(&watching->input);
    watching->changed |= typed != QUESTION_NOTHING;
    if (typed == QUESTION_TYPED) {
        watching->hint = NULL;
    } else if (typed == QUESTION_LINE && side_open(watching)) {
        answer_send(watching);
    }
}

/* --- Asked in between ------------------------------------------------------------------------- */

static void agents_ask(struct watching *watching) {
    AUTO(json_release) json_t *rows = NULL;
    struct err err = workflow_agents_ask(&watching->side, watching->watch->run, &watching->tree,
                                         &rows, NULL /* no why */);
    /* No event tells of the release by which held agents go on. */
    const bool held = watching->tree.marks[WORKFLOW_HELD] > 0;
    watching->stale = watching->stale && (held || client_may_pass(err));
}

/* Whether ASK_MS have passed since then; 0: never. */
static bool is_time(const struct watching *watching, uint64_t since_ms) {
    return since_ms == 0 || mono_ms(watching) - since_ms >= ASK_MS;
}

static void on_tick(void *ctx) {
    struct watching *watching = ctx;
    const uint64_t now_ms = mono_ms(watching);
    const bool quiet = now_ms - watching->heard_ms >= QUIET_MS &&
                       now_ms - watching->asked_ms >= QUIET_MS && !watching->tree.finished;
    const bool agents = watching->show == SHOW_LIVE &&
                        (quiet || (watching->stale && is_time(watching, watching->asked_ms)));
    const bool questions = watching->asks && is_time(watching, watching->failed_ms);
    if (watching->note == NULL && (agents || questions) && side_open(watching)) {
        if (agents) {
            agents_ask(watching);
            watching->asked_ms = mono_ms(watching);
        }
        if (questions) {
            questions_ask(watching);
            (void)fflush(stdout); /* No event need follow; a failure shows again at the end. */
        }
        watching->changed = true;
    }
    if (watching->show == SHOW_LIVE) {
        answer_look(watching);
        picture_look(watching);
    }
}

/* --- Events ----------------------------------------------------------------------------------- */

/* Once for each name: scripts of other hosts name models by words of theirs. */
static void model_note(struct watching *watching, const struct follow_event *event,
                       const json_t *data, struct text *text) {
    const char *asked = talk_text(data, "model_asked");
    if (!bytes_is(event->type, "agent_started") || asked[0] == '\0' ||
        json_object_get(watching->models, asked) != NULL ||
        json_object_size(watching->models) >= MODELS_NOTED_MAX) {
        return;
    }
    (void)json_object_set_new(watching->models, asked, json_true());
    text_add_str(text, "note: an agent asks for the model \"");
    run_view_plain(text, asked);
    text_add_str(text, "\", which is no CONNECTION/MODEL: ");
    run_view_plain(text, talk_text(data, "model"));
    text_add_str(text, " is asked instead ('drover config set model_aliases' names one)\n");
}

static void on_event(void *ctx, const struct follow_event *event) {
    struct watching *watching = ctx;
    const struct bytes type = event->type;
    AUTO(json_release) json_t *data = NULL;
    AUTO(text_done) struct text line = text_up_to(16 << 10);
    watching->heard_ms = mono_ms(watching);
    if (bytes_is(type, "snapshot") ||
        err_failed(json_parse_wrapped(event->data, &data, NULL /* no why */))) {
        return;
    }
    const struct workflow_event heard = {type, data,
                                         world_wall_ms(watching->watch->invocation->world)};
    const struct workflow_told told = {.tree = &watching->tree,
                                       .agent = workflow_tree_hear(&watching->tree, &heard),
                                       .event = &heard,
                                       .run = watching->watch->run};
    watching->enough |= bytes_is(type, "workflow_finished");
    /* An agent that has ended asks no more. */
    bool answered = json_object_size(watching->told) > 0 &&
                    (bytes_is(type, "agent_finished") || bytes_is(type, "agent_restarted"));
    watching->asks |=
        answered || bytes_is(type, "agent_waiting") || bytes_is(type, "agent_answered");
    const bool task = watching->watch->form == WORKFLOW_FORM_TASK;
    if (watching->show == SHOW_JSON) {
        /* The end is printed when all of it is known: of a task it has the name of the agent's. */
        if (!bytes_is(type, "workflow_finished") && !(task && bytes_is(type, "agent_finished"))) {
            follow_event_print(event, data);
        }
        return;
    }
    model_note(watching, event, data, &line);
    const size_t note_len = line.len;
    workflow_lines_add(&told, &line);
    if (watching->show == SHOW_LINES) { /* A task prints its answer alone, as `ask` does. */
        fputs(task ? "" : text_bytes(&line).data, watching->view.out);
        return;
    }
    if (told.agent != NULL && strcmp(told.agent->name, told.agent->run) == 0) {
        watching->stale = true; /* The agent's row has the prompt. */
    }
    bool budgeted =
        bytes_is(type, "workflow_started") && json_is_object(json_object_get(data, "budget"));
    bool whole = bytes_is(type, "log") || bytes_is(type, "run_stopping") || budgeted;
    text_add(&watching->view.above, line.data, whole ? line.len : note_len);
    watching->changed = true;
    picture_look(watching);
}

/* The end of the run may be among what is gone; its row has what the events would report. */
static struct err on_gap(void *ctx, struct why *why) {
    struct watching *watching = ctx;
    const struct workflow_watch *watch = watching->watch;
    AUTO(json_release) json_t *run = NULL;
    TRY(run_get(watch->talk, watch->run, watch->retry_ms, &run, why));
    workflow_tree_run(&watching->tree, run);
    watching->enough = run_has_ended(run);
    watching->stale = watching->asks = watching->changed = true;
    return ERR_OK;
}

static void on_trouble(void *ctx, const char *text) {
    struct watching *watching = ctx;
    watching->stale = watching->changed = true;
    if (watching->show == SHOW_LIVE) {
        watching->note = "the daemon is away; trying again";
    } else {
        talk_trouble(NULL, text);
    }
}

static void on_back(void *ctx) {
    struct watching *watching = ctx;
    watching->note = NULL;
    watching->changed = watching->asks = true;
}

/* In the picture the line stands above it. */
static void on_held(void *ctx) {
    struct watching *watching = ctx;
    if (watching->show == SHOW_LIVE) {
        text_add_str(&watching->view.above, TALK_HELD_WORDS "\n");
        watching->changed = true;
    } else {
        talk_held_print();
    }
}

/* --- The whole of it -------------------------------------------------------------------------- */

static struct err events_follow(struct watching *watching) {
    const struct workflow_watch *watch = watching->watch;
    struct why *why = &watch->invocation->why;
    char name[128];
    (void)snprintf(name, sizeof name, "run:%s", watch->run); /* Ids are short. */
    watch->talk->options.tick = &watching->tick;
    const struct follow_options options = {
        .talk = watch->talk,
        .name = name,
        .via = FOLLOW_SSE,
        .after = watch->only_new ? -1 : 0,
        .retry_ms = watch->retry_ms,
        .enough = &watching->enough,
        .on_event = on_event,
        .on_gap = on_gap,
        .on_trouble = on_trouble,
        .on_back = on_back,
        .on_held = on_held,
        .ctx = watching,
    };
    const struct err err = follow_run(&options, why);
    watch->talk->options.tick = NULL;
    watching->note = NULL;
    return err.code == ERR_NOT_FOUND ? ERR_OK
                                     : err; /* A pruned stream: the run's row has the rest. */
}

static void watching_init(struct watching *watching, const struct workflow_watch *watch) {
    const struct invocation *invocation = watch->invocation;
    bool on_stdout = isatty(STDOUT_FILENO) == 1 || invocation->json;
    int fd = on_stdout ? STDOUT_FILENO : STDERR_FILENO;
    struct terminal_size size;
    *watching = (struct watching){
        .watch = watch,
        .show = invocation->json                                                   ? SHOW_JSON
                : terminal_size(fd, &size) && terminal_draws(fd, &invocation->env) ? SHOW_LIVE
                                                                                   : SHOW_LINES,
        .paint = paint_of(fd, &invocation->env),
        .tick = {TICK_MS, on_tick, watching},
        .side = {.options = watch->talk->options, .interrupt_fd = -1, .world = watch->talk->world},
        .parents = json_object(),
        .told = json_object(),
        .models = json_object(),
    };
    watching->side.options.before_wait = NULL;
    watching->drawn_ms = mono_ms(watching); /* Earlier events come in one piece, mostly. */
    watching->heard_ms = watching->drawn_ms;
    watching->types = watching->show == SHOW_LIVE && isatty(STDIN_FILENO) == 1;
    question_input_init(&watching->input);
    live_view_init(&watching->view, on_stdout ? stdout : stderr);
    workflow_tree_init(&watching->tree);
    if (watch->row != NULL) {
        watching->stale = watching->asks = true; /* Before we came, too. */
        workflow_tree_run(&watching->tree, watch->row);
    }
}

static void watching_done(struct watching *watching) {
    client_close(watching->side.client);
    question_input_done(&watching->input);
    json_release(&watching->open);
    json_release(&watching->parents);
    json_release(&watching->told);
    json_release(&watching->models);
    workflow_tree_done(&watching->tree);
    live_view_done(&watching->view);
}

struct err workflow_watch(const struct workflow_watch *watch) {
    AUTO(watching_done) struct watching watching;
    watching_init(&watching, watch);
    talk_warn_held(watch->talk);
    if (watching.types) {
        talk_hear_all(watch->talk); /* The terminal is given back, whatever ends us. */
    }
    const struct run_wait wait = {.id = watch->run, .retry_ms = watch->retry_ms};
    AUTO(json_release) json_t *run = NULL;
    struct err err = events_follow(&watching);
    if (!err_failed(err) && json_object_size(watching.told) > 0 && side_open(&watching)) {
        questions_ask(&watching); /* Questions were answered in the meantime. */
    }
    /* Events were pruned, or the result was too long for one: the row has it. */
    if (!err_failed(err) && (!watching.tree.finished || watching.tree.cut)) {
        err = run_wait(watch->talk, &wait, &run, &watch->invocation->why);
    }
    if (!err_failed(err) && run != NULL) {
        watching.tree.cut = watching.tree.finished; /* The result alone is missing. */
        workflow_tree_run(&watching.tree, run);
    }
    if (!err_failed(err) && watching.stale && watching.show == SHOW_LIVE && side_open(&watching)) {
        agents_ask(&watching);
    }
    question_input_end(&watching.input);
    watching.hint = NULL;
    if (watching.show == SHOW_LIVE) {
        picture_draw(&watching); /* As it stays. */
    }
    (void)fflush(watching.view.out); /* A failure shows again at the end. */
    if (err.code == ERR_INTERRUPTED) {
        job_detached(watch->invocation, watch->run, watch->label);
        return err;
    }
    if (!err_failed(err) && watch->form == WORKFLOW_FORM_TASK) {
        return workflow_task_tell(watch->invocation, watch->talk, watch->run, &watching.tree);
    }
    if (!err_failed(err)) {
        workflow_end_tell(watch->invocation, watch->run, &watching.tree);
    }
    return err;
}
