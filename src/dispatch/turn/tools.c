/* tools.c: calls of tools are performed, each for itself.
 *
 * The row of a card says `running` before it comes here. What it did is stored with what is next;
 * until then it is in our hands, and a daemon that dies meanwhile leaves the judgement to
 * tx_turn_begin: again, or outcome_unknown. */
#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"

enum { WORK_MS = 60000, PROBLEM_MAX = 256 << 10 };

/* --- Its life --------------------------------------------------------------------------------- */

static char *text_or_empty(struct bytes text) {
    return mem_copy(text.data == NULL ? "" : text.data, text.len);
}

static struct talk_work *work_new(struct talk *talk, const struct turn_card *card) {
    struct talk_work *work = mem_new(sizeof *work);
    work->talk = talk;
    work->card = *card;
    work->card.tool.data = text_or_empty(card->tool);
    work->card.arguments.data = text_or_empty(card->arguments);
    work->card.about.data = text_or_empty(card->about);
    work->card.child.data = text_or_empty(card->child);
    work->card.child_host.data = text_or_empty(card->child_host);
    work->root = text_or_empty(talk->plan.root);
    work->settings = text_or_empty(talk->plan.settings);
    work->roots = text_or_empty(talk->plan.roots);
    tool_result_init(&work->result);
    work->next = talk->works;
    talk->works = work;
    talk->turns->stats.tools++;
    return work;
}

bool work__is_away(const struct talk_work *work) {
    return work->away || work->fetch != NULL || review__is_out(work->review);
}

void work__free(struct talk_work *work) {
    const struct turn_card *card = &work->card;
    const char *const texts[] = {
        card->tool.data,       card->arguments.data, card->about.data, card->child.data,
        card->child_host.data, work->root,           work->settings,   work->roots};
    struct talk_work **at = &work->talk->works;
    assert(!work__is_away(work));
    while (*at != work) {
        at = &(*at)->next;
    }
    *at = work->next;
    review__free(work->review);
    tool_call_done(&work->call);
    tool_result_done(&work->result);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        mem_free((char *)texts[i]);
    }
    text_done(&work->spec);
    rows__free(work);
    mem_free(work);
}

void work__pool(struct talk_work *work, void (*run)(struct pool_job *),
                void (*done)(struct pool_job *)) {
    work->away = true;
    work->job = (struct pool_job){.kind = POOL_QUICK, .run = run, .done = done};
    pool_add(&work->talk->turns->pool, &work->job);
}

static void work_leave(struct talk_work *work) {
    struct talk *talk = work->talk;
    work__free(work);
    talk__maybe_free(talk);
}

bool work__is_back(struct talk_work *work) {
    bool over = talk__is_over(work->talk);
    work->away = false;
    if (over) {
        work_leave(work);
    }
    return !over;
}

/* --- Its end ---------------------------------------------------------------------------------- */

struct talk_errand *work__errand(struct talk_work *work, enum errand_kind kind) {
    struct talk_errand *errand = talk__errand(work->talk, kind, errand__perform);
    errand->work = work;
    return errand;
}

void work__settle(struct talk_work *work) {
    if (talk__is_over(work->talk)) {
        work_leave(work);
        return;
    }
    struct talk_errand *errand = work__errand(work, ERRAND_CARD);
    errand->card = (struct turn_card_result){.key = errand->key,
                                             .part = work->card.part,
                                             .cause = work->result.cause,
                                             .result = text_bytes(&work->result.content),
                                             .wrote = work->wrote};
    talk__send(errand);
}

static void work_put(struct talk_work *work, enum card_cause cause, const char *words) {
    text_clear(&work->result.content);
    text_add_str(&work->result.content, words);
    work->result.cause = cause;
}

void work__fail(struct talk_work *work, enum card_cause cause, const char *words) {
    work_put(work, cause, words);
    work__settle(work);
}

/* --- In the pool ------------------------------------------------------------------------------ */

static struct err perform(struct talk_work *work, const struct toolplace *place) {
    AUTO(tool_look_done) struct tool_look look;
    AUTO(json_release) json_t *about = NULL;
    tool_look_init(&look);
    struct err err = tool_look(&work->call, &place->place, &look);
    if (err_failed(err)) {
        return err;
    }
    /* A permission holds for this change to this file: nobody has seen another one. Each judged
     * call says in what state its file was (judge.c). Fails closed: where that cannot be read any
     * more, nobody knows what was allowed. */
    bool known = !err_failed(json_parse_wrapped(work->card.about, &about, NULL));
    const char *before = known ? json_str(about, "before", NULL) : NULL;
    if (before == NULL || strcmp(before, look.before.text) != 0) {
        work_put(work, CARD_CONFLICT,
                 "The file has changed since this call was looked at, or what it was then is not "
                 "known any more. Read it again.");
        return ERR_OK;
    }
    return tool_perform(&work->call, &place->place, &look, &work->result);
}

static void place_open(struct toolplace *place, struct talk_work *work) {
    const struct toolplace_seat seat = {.turns = &work->talk->turns->options,
                                        .root = work->root,
                                        .settings = work->settings,
                                        .roots = work->roots,
                                        .cancelled = &work->cancelled,
                                        .time_ms = WORK_MS};
    toolplace_open(place, &seat);
}

static void here_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    AUTO(toolplace_close) struct toolplace place;
    place_open(&place, work);
    work->err = perform(work, &place);
}

static void here_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (!work__is_back(work)) {
        return;
    }
    if (err_failed(work->err)) {
        work_put(work, CARD_NO_MEMORY, "There was no memory to do this; try it again.");
    }
    work->wrote =
        work->result.cause == CARD_DONE && (tool_get(work->call.id)->needs & TOOL_NEEDS_WRITE) != 0;
    work__settle(work);
}

/* --- On the loop ------------------------------------------------------------------------------ */

/* The rules judge a page at `url`; NULL: the one that was asked for. */
static enum permission page_permission(const struct talk_work *work, const struct toolplace *place,
                                       const char *url) {
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    text_add_str(&look.subjects[0], url != NULL ? url : json_str(work->call.input, "url", ""));
    look.subject_count = 1;
    return text_failed(&look.subjects[0])
               ? PERMISSION_DENY
               : tool_judge(&work->call, &look, &place->rules).permission;
}

/* A yes holds for the page that was asked for. A redirect may lead to another one that needs no
 * more than it did; else a page that is allowed could send the call to one that is denied. */
static bool page_may_follow(void *ctx, const char *url) {
    struct talk_work *work = ctx;
    AUTO(toolplace_close) struct toolplace place;
    place_open(&place, work);
    return page_permission(work, &place, url) <= page_permission(work, &place, NULL);
}

static void fetched(void *ctx, const struct tool_result *result) {
    struct talk_work *work = ctx;
    work->fetch = NULL;
    text_add(&work->result.content, result->content.data, result->content.len);
    work->result.cause = result->cause;
    work__settle(work);
}

/* --- Beginning -------------------------------------------------------------------------------- */

static void work_begin(struct talk_work *work) {
    const struct turns_options *options = &work->talk->turns->options;
    AUTO(text_done) struct text problem = text_up_to(PROBLEM_MAX);
    if (work->card.part == TURN_CHECK_PART) {
        check__begin(work);
        return;
    }
    /* It was read and judged before it was stored. One that an older daemon stored and this one
     * cannot read any more fails. */
    if (err_failed(tool_call_read(options->toolbox, TOOL_SET_ALL, work->card.tool,
                                  work->card.arguments, &work->call, &problem))) {
        work__fail(work, CARD_BAD_ARGUMENTS,
                   problem.len > 0 ? problem.data : "This call cannot be read.");
        return;
    }
    switch (tool_get(work->call.id)->performer) {
    case TOOL_HERE:
        work__pool(work, here_run, here_done);
        break;
    case TOOL_FETCH: {
        const struct web_order order = {.loop = options->loop,
                                        .client = options->client,
                                        .allow = options->allow,
                                        .call = &work->call,
                                        .may = page_may_follow,
                                        .done = fetched,
                                        .ctx = work};
        if (err_failed(web_fetch_start(&order, &work->fetch))) {
            work__fail(work, CARD_TOO_MANY,
                       "Too many requests are on their way; try it again later.");
        }
        break;
    }
    case TOOL_RUN:
        if (work->card.child.len > 0) {
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
        const struct talk_work *work = talk->works;
        while (work != NULL && work->card.part != card->part) {
            work = work->next;
        }
        if (work != NULL) {
            continue; /* Performed already. */
        }
        if (card->review) {
            review__begin(work_new(talk, card));
        } else {
            work_begin(work_new(talk, card));
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
            work_put(work, CARD_STOPPED, "It was stopped.");
            if (!talk__is_over(talk)) {
                work__settle(work);
            }
        }
    }
}
