/* blame.c: author of each line of a file that changed (changes.h).
 *
 * Only steps between points are known: a line that was there before them is of nobody, and so is a
 * line that several may have written. */
#include "api/changes/changes.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "tool/changes/ask.h"

/* Numbers of the order stand for a step, or for a path that it names: in their order, from 1. */
struct blame_op {
    struct changes_op changes; /* First. */
    struct text runs;          /* Owned; array of the runs of all numbers. */
};
enum { RUNS_MAX = 8 << 20 };

struct blame_author {
    int64_t set; /* Authors, as in struct author_step. */
    int64_t at_ms;
};
struct blame_authors {
    struct blame_author *list; /* Owned. */
    size_t count;
};

static void blame_authors_done(struct blame_authors *authors) {
    mem_free(authors->list);
}

static void steps_write(const struct authors *authors, struct blame_authors *numbers,
                        struct text *order) {
    size_t size = 0;
    for (size_t i = 0; i < authors->step_count; i++) {
        size += 1 + authors->steps[i].named_count;
    }
    numbers->list = mem_new_array(size + 1, sizeof *numbers->list);
    text_add_str(order, ",\"steps\":[");
    for (size_t i = 0; i < authors->step_count; i++) {
        const struct author_step *step = &authors->steps[i];
        numbers->list[numbers->count++] = (struct blame_author){step->by, step->at_ms};
        text_add_str(order, i > 0 ? ",{" : "{");
        text_add_member_str(order, "tree", step->tree);
        text_add_member_int(order, "by", (int64_t)numbers->count);
        text_add_str(order, ",\"named\":[");
        for (size_t j = 0; j < step->named_count; j++) {
            const struct author_path *named = &step->named[j];
            numbers->list[numbers->count++] = (struct blame_author){named->by, step->at_ms};
            text_add_str(order, j > 0 ? ",[" : "[");
            text_add_json(order, named->path, strlen(named->path));
            text_addf(order, ",%zu]", numbers->count);
        }
        text_add_str(order, "]}");
    }
    text_add_char(order, ']');
}

/* The only author of a set. NULL: there is none, or more than one. */
static json_t *author_find(int64_t set, const json_t *people) {
    for (size_t i = 0; i < json_array_size(people); i++) {
        if (set == INT64_C(1) << i) {
            return json_array_get(people, i);
        }
    }
    return NULL;
}

/* Facts about all numbers. */
struct blame_facts {
    json_t *people, *runs; /* Owned. */
    struct blame_authors numbers;
};

static void blame_facts_done(struct blame_facts *facts) {
    json_release(&facts->people);
    json_release(&facts->runs);
    blame_authors_done(&facts->numbers);
}

static struct err line_write(const struct blame_facts *facts, const json_t *line,
                             struct text *answer) {
    const int64_t number = json_int(line, "by", 0);
    const bool known = number > 0 && number <= (int64_t)facts->numbers.count;
    const size_t at = known ? (size_t)number - 1 : 0;
    json_t *author = known ? author_find(facts->numbers.list[at].set, facts->people) : NULL;
    const json_t *run = author == NULL ? NULL : json_array_get(facts->runs, at);
    text_add_str(answer, "{\"by\":");
    if (author == NULL) {
        text_add_str(answer, "null");
    } else {
        TRY(json_write(author, answer));
    }
    text_add_member_or_null(answer, "run", json_is_string(run) ? json_text(run) : BYTES(""));
    text_add_member_int_or_null(answer, "at_ms", known ? facts->numbers.list[at].at_ms : 0, known);
    text_add_member(answer, "text", json_bytes(line, "text"));
    text_add_char(answer, '}');
    return ERR_OK;
}

static struct err blame_write(const struct changes_op *op, const struct blame_facts *facts,
                              const json_t *heard, struct text *answer) {
    const json_t *lines = json_object_get(heard, "lines");
    text_add_char(answer, '{');
    text_add_member(answer, "path", param_text(op->request.op.exchange, "path"));
    text_add_member_bool(answer, "binary", json_is_true(json_object_get(heard, "binary")));
    text_add_name(answer, "lines");
    text_add_char(answer, '[');
    for (size_t i = 0; i < json_array_size(lines); i++) {
        text_add_str(answer, i > 0 ? "," : "");
        TRY(line_write(facts, json_array_get(lines, i), answer));
    }
    text_add_str(answer, "]}");
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}

static struct err blame_start(void *ctx) {
    struct changes_op *op = ctx;
    if (param_text(op->request.op.exchange, "path").len == 0) {
        return err_why(&op->request.op.why, ERR_BAD_QUERY, "path must be that of one file");
    }
    return changes__path_start(ctx);
}

static struct err blame_work(struct tx *tx, void *ctx) {
    struct blame_op *op = ctx;
    op->runs = text_up_to(RUNS_MAX);
    TRY(changes__work(tx, ctx));
    return tx_author_runs(tx, &op->changes.span.authors, &op->runs);
}

static void blame_end(void *ctx, struct err result) {
    struct blame_op *op = ctx;
    text_done(&op->runs);
    changes__end(ctx, result);
}

static struct err blame_answer(void *ctx) {
    struct blame_op *blame = ctx;
    struct changes_op *op = &blame->changes;
    struct why *why = &op->request.op.why;
    const struct bytes path = param_text(op->request.op.exchange, "path");
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_BYTES);
    AUTO(text_done) struct text heard = text_up_to(CHANGES_ANSWER_BYTES);
    AUTO(json_release) json_t *line = NULL;
    AUTO(blame_facts_done) struct blame_facts facts = {.people = NULL};
    struct bytes body;
    if (!op->span.found) {
        return err_why(why, ERR_NOT_FOUND, "nothing has changed here");
    }
    TRY(changes__git_need(op));
    changes__order_begin(op, "blame", &order);
    steps_write(&op->span.authors, &facts.numbers, &order);
    text_add_member(&order, "path", path);
    text_add_char(&order, '}');
    if (text_failed(&order)) {
        return text_error(&order, "changes: order");
    }
    TRY(changes_ask(loop_world(op->request.loop), text_bytes(&order), CHANGES_COMPARE_MS, &heard,
                    why));
    TRY(changes_answer_read(text_bytes(&heard), &line, &body, why));
    TRY(json_parse_wrapped(text_bytes(&op->span.people), &facts.people, NULL /* no why */));
    TRY(json_parse_wrapped(text_bytes(&blame->runs), &facts.runs, NULL));
    return blame_write(op, &facts, line, &op->request.op.answer);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct request_kind sessions_blame = {.size = sizeof(struct blame_op),
                                                   .one = &session_one,
                                                   .start = blame_start,
                                                   .work = blame_work,
                                                   .after = blame_answer,
                                                   .end = blame_end};
static const struct request_kind runs_blame = {.size = sizeof(struct blame_op),
                                               .one = &changes__run,
                                               .start = blame_start,
                                               .work = blame_work,
                                               .after = blame_answer,
                                               .end = blame_end};
static const struct query_param blame_query[] = {
    OP_OWNER_PARAM("Another owner's session or run"),
    CHANGES_BASE_PARAM,
    {QUERY("path", QUERY_TEXT, "The file, by its path as the list of changes has it."),
     .max = CHANGES_PATH_MAX},
    {.name = NULL},
};
static const char blame_schema[] =
    "{\"type\":\"object\",\"required\":[\"path\",\"binary\",\"lines\"],\"properties\":{"
    "\"path\":" TEXT_SCHEMA ",\"binary\":" BOOL_SCHEMA ",\"lines\":{\"type\":\"array\",\"items\":"
    "{\"type\":\"object\",\"required\":[\"by\",\"run\",\"at_ms\",\"text\"],\"properties\":{"
    "\"by\":{\"anyOf\":[" CHANGES_PERSON_SCHEMA ",{\"type\":\"null\"}]},\"run\":" TEXT_OR_NULL
    ",\"at_ms\":" INT_OR_NULL ",\"text\":" TEXT_SCHEMA "}}}}}";

const struct route blame_routes[] = {
    {ROUTE("GET", "/api/v1/sessions/{id}/blame", SCOPE_READ,
           "Read who wrote each line of a file since a session began"),
     .query = blame_query, .answer_schema = blame_schema, .request = &sessions_blame},
    {ROUTE("GET", "/api/v1/runs/{id}/blame", SCOPE_READ,
           "Read who wrote each line of a file since a run began"),
     .query = blame_query, .answer_schema = blame_schema, .request = &runs_blame},
    {.method = NULL},
};
