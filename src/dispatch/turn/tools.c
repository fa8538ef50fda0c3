/* tools.c: the tools of a turn at work, each for itself.
 *
 *   planned ──> in the pool | on the loop | in the store ──> tx_turn_card_end ──> gone
 *
 * The row of a card says `running` before it comes here. What it did is stored with what is next;
 * until then it is in our hands, and a daemon that dies meanwhile leaves the judgement to
 * tx_turn_begin: again, or outcome_unknown. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"

enum { WORK_MS = 60000, ABOUT_MAX = 256 << 10 };

/* --- Its life --------------------------------------------------------------------------------- */

static char *copy(struct bytes text) {
    return mem_copy(text.data == NULL ? "" : text.data, text.len);
}

static struct talk_work *work_new(struct talk *talk, const struct turn_card *card) {
    struct talk_work *work = mem_new(sizeof *work);
    work->talk = talk;
    work->part = card->part;
    work->step = card->step;
    work->tool = copy(card->tool);
    work->arguments = copy(card->arguments);
    work->about = copy(card->about);
    work->root = copy(talk->plan.root);
    work->settings = copy(talk->plan.settings);
    work->roots = copy(talk->plan.roots);
    work->child = copy(card->child);
    work->child_host = copy(card->child_host);
    work->child_attempt = card->child_attempt;
    work->child_exit = card->child_exit;
    work->child_ms = card->child_ms;
    work->child_state = card->child_state;
    work->child_cause = card->child_cause;
    tool_result_init(&work->result);
    work->next = talk->works;
    talk->works = work;
    talk->turns->stats.tools++;
    return work;
}

void work__free(struct talk_work *work) {
    struct talk_work **at = &work->talk->works;
    assert(!work->away && work->fetch == NULL);
    while (*at != work) {
        at = &(*at)->next;
    }
    *at = work->next;
    review__free(work->review);
    tool_call_done(&work->call);
    tool_result_done(&work->result);
    mem_free(work->tool);
    mem_free(work->arguments);
    mem_free(work->about);
    mem_free(work->root);
    mem_free(work->settings);
    mem_free(work->roots);
    mem_free(work->child);
    mem_free(work->child_host);
    text_done(&work->spec);
    rows__free(work);
    mem_free(work);
}

static bool is_at_work(const struct talk *talk, int64_t part) {
    const struct talk_work *work = talk->works;
    while (work != NULL && work->part != part) {
        work = work->next;
    }
    return work != NULL;
}

/* --- Its end ---------------------------------------------------------------------------------- */

static struct err end_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_card_end(tx, &errand->card, &errand->plan);
}

void work__stored(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    struct turn_plan plan = errand->plan;
    turn_plan_init(&errand->plan);
    work__free(errand->work);
    errand__free(errand);
    talk__perform(talk, &plan);
}

void work__settle(struct talk_work *work) {
    struct talk *talk = work->talk;
    if (talk->ended || talk->turns->stopping) {
        work__free(work);
        talk__maybe_free(talk);
        return;
    }
    struct talk_errand *errand = talk__errand(talk, end_tx, work__stored);
    const struct tool_result *result = &work->result;
    errand->work = work;
    errand->card = (struct turn_card_result){
        .key = errand->key,
        .part = work->part,
        .cause = result->cause,
        .result = {result->content.data == NULL ? "" : result->content.data, result->content.len},
        .wrote = work->wrote};
    talk__send(errand);
}

static void fail(struct talk_work *work, enum card_cause cause, const char *words) {
    text_clear(&work->result.content);
    text_add_str(&work->result.content, words);
    work->result.cause = cause;
}

void work__fail(struct talk_work *work, enum card_cause cause, const char *words) {
    fail(work, cause, words);
    work__settle(work);
}

/* --- In the pool ------------------------------------------------------------------------------ */

/* A permission holds for this change to this file: nobody has seen another one. Each judged call
 * says in what state its file was (judge.c). Fails closed: where that cannot be read any
 * more, nobody knows what was allowed. */
static bool still_so(const struct talk_work *work, const struct tool_look *look) {
    AUTO(json_release) json_t *about = NULL;
    if (err_failed(json_parse_wrapped(bytes_of(work->about), &about, NULL))) {
        return false;
    }
    const char *before = json_string_value(json_object_get(about, "before"));
    return before != NULL && strcmp(before, look->before.text) == 0;
}

static struct err perform(struct talk_work *work, const struct toolplace *place) {
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    struct err err = tool_look(&work->call, &place->place, &look);
    if (err_failed(err)) {
        return err;
    }
    if (!still_so(work, &look)) {
        fail(work, CARD_CONFLICT,
             "The file has changed since this call was looked at, or what it was then is not "
             "known any more. Read it again.");
        return ERR_OK;
    }
    return tool_perform(&work->call, &place->place, &look, &work->result);
}

static void work_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    const struct turns_options *options = &work->talk->turns->options;
    const struct toolplace_seat seat = {.root = work->root,
                                        .settings = work->settings,
                                        .roots = work->roots,
                                        .data_dir = options->data_dir,
                                        .home = options->home,
                                        .world = loop_world(options->loop),
                                        .cancelled = &work->cancelled,
                                        .time_ms = WORK_MS};
    AUTO(toolplace_close) struct toolplace place;
    toolplace_open(&place, &seat);
    work->err = perform(work, &place);
}

static void work_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    work->away = false;
    if (err_failed(work->err)) {
        fail(work, CARD_NO_MEMORY, "There was no memory to do this; try it again.");
    }
    work->wrote =
        work->result.cause == CARD_DONE && (tool_get(work->call.id)->needs & TOOL_NEEDS_WRITE) != 0;
    work__settle(work);
}

static void begin_here(struct talk_work *work) {
    work->away = true;
    work->job = (struct pool_job){.kind = POOL_QUICK, .run = work_run, .done = work_done};
    pool_add(&work->talk->turns->pool, &work->job);
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void take_result(struct talk_work *work, const struct tool_result *result) {
    text_add(&work->result.content, result->content.data, result->content.len);
    work->result.cause = result->cause;
}

static void fetched(void *ctx, const struct tool_result *result) {
    struct talk_work *work = ctx;
    work->fetch = NULL;
    take_result(work, result);
    work__settle(work);
}

static void begin_fetch(struct talk_work *work) {
    const struct turns_options *options = &work->talk->turns->options;
    const struct web_order order = {.loop = options->loop,
                                    .client = options->client,
                                    .allow = options->allow,
                                    .call = &work->call,
                                    .done = fetched,
                                    .ctx = work};
    if (err_failed(web_fetch_start(&order, &work->fetch))) {
        work__fail(work, CARD_TOO_MANY, "Too many requests are on their way; try it again later.");
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

/* It was read and judged before it was stored. One that an older daemon stored and this one cannot
 * read any more is told so. */
static bool read_call(struct talk_work *work) {
    AUTO(text_done) struct text problem;
    text_init(&problem, ABOUT_MAX);
    struct err err =
        tool_call_read(work->talk->turns->options.toolbox, TOOL_SET_ALL, bytes_of(work->tool),
                       bytes_of(work->arguments), &work->call, &problem);
    if (err_failed(err)) {
        fail(work, CARD_BAD_ARGUMENTS,
             problem.len > 0 ? problem.data : "This call cannot be read.");
    }
    return !err_failed(err);
}

static void begin(struct talk_work *work) {
    if (work->part == TURN_CHECK_PART) {
        check__begin(work);
        return;
    }
    if (!read_call(work)) {
        work__settle(work);
        return;
    }
    switch (tool_get(work->call.id)->performer) {
    case TOOL_HERE:
        begin_here(work);
        break;
    case TOOL_FETCH:
        begin_fetch(work);
        break;
    case TOOL_RUN:
        if (work->child[0] != '\0') {
            child__fetch(work);
        } else {
            child__begin(work);
        }
        break;
    case TOOL_ROWS:
        rows__begin(work);
        break;
    case TOOL_WAIT:
        work__fail(work, CARD_TOOL_UNKNOWN, "This tool is not offered here.");
        break;
    }
}

void talk__work(struct talk *talk, const struct turn_plan *plan) {
    for (size_t i = 0; i < plan->card_count; i++) {
        const struct turn_card *card = &plan->cards[i];
        if (is_at_work(talk, card->part)) {
            continue;
        }
        if (card->review) {
            review__begin(work_new(talk, card));
        } else {
            begin(work_new(talk, card));
        }
    }
}

/* What is in the pool looks at the flag; what is in the store has done its work. */
void talk__cancel_works(struct talk *talk) {
    struct talk_work *next = NULL;
    for (struct talk_work *work = talk->works; work != NULL; work = next) {
        next = work->next;
        atomic_store(&work->cancelled, true);
        review__cancel(work->review);
        if (work->fetch != NULL) {
            web_fetch_cancel(work->fetch);
            work->fetch = NULL;
            fail(work, CARD_STOPPED, "It was stopped.");
            if (!talk->ended && !talk->turns->stopping) {
                work__settle(work);
            }
        }
    }
}
