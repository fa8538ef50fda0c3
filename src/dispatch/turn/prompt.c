/* prompt.c: the prompt of a call.
 *
 *   instructions, facts of the place, what the project says, skills   (the system text)
 *   the tools, by name
 *   the session's messages, oldest first
 *   in them, after the turn's question, the tail: what is another from turn to turn
 *
 *      <context>
 *      Today is Fri, 2026-11-20 (UTC).
 *      Git: on the branch main.
 *      Beside the project, these folders may be used by their absolute paths:
 *      - PATH (read)
 *      You remember, of what may matter here:
 *      - TOPIC: TITLE: CONTENT
 *      </context>
 *
 * Providers cache the beginning of a prompt, so it is the same bytes on every call: no clock, no
 * counter, nothing random stands before the turn's question. The tail is made once for the prompts
 * of a turn, so that they begin alike, whatever the turn changes (the branch, the memories). It is
 * not stored, and no prompt of a later turn has it.
 *
 * First the files of the project are read, in the pool; then the rows, on a reader thread, which
 * makes the request; last the images, in the pool again. An image has up to 32 MB on a disk that
 * may be slow, and a transaction of the store that waited for it would hold up the readers of
 * everybody. */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/session/blobs.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "tool/context_files.h"
#include "tool/git.h"

/* More than the sum of what the API and the readers of files take: only a damaged row is longer. */
enum { SYSTEM_MAX = 512 << 10, TAIL_MAX = 512 << 10 };
enum { RECALLED_MAX = 5, RECALLED_BYTES = 400 };
enum { IMAGES_MAX = 32 << 20 /* Bytes in one prompt, as they are sent. */, IMAGES_KEPT = 64 };
enum { READ_TRIES_MAX = 7 /* About 6 seconds. */ };
static const char system_too_long[] =
    "the instructions of the session, with the files of its project, are longer than 512 kB; set "
    "shorter instructions";
static const char images_too_many[] = "too many others follow it";

const char turn_instructions[] =
    "You are a careful assistant. Do what the user asks, with the tools you have, and say plainly "
    "what you did, what you found, and what you could not do. Look before you change something. "
    "When a tool fails, read what it says and try another way; don't repeat a call that failed.";

struct talk_reading {
    struct turn_key key;
    enum prompt_role role;                  /* Role of the message that was begun last, */
    bool begun;                             /* if there is one. */
    bool blind;                             /* The model does not accept images. */
    size_t left_out;                        /* Calls and results that no provider would take. */
    struct model_part *images[IMAGES_KEPT]; /* The newest; of the request. */
    size_t image_count;
};

static void reading_free(struct talk *talk) {
    mem_free(talk->reading);
    talk->reading = NULL;
}

void prompt__free(struct talk *talk) {
    reading_free(talk);
    model_request_free(talk->request);
    text_done(&talk->facts);
    text_done(&talk->tail);
}

/* --- The system text, the tools and the facts, in the pool ------------------------------------ */

/* A project that cannot be read says nothing: the tools will tell why. */
static void add_project(const struct talk *talk, struct text *text) {
    const struct context_place place = {
        .root = talk->plan.root.data, .cwd = "", .home = talk->turns->options.home};
    AUTO(context_files_done) struct context_files files = {0};
    AUTO(skills_done) struct skills skills = {0};
    text_addf(text, "\n\nYou work in the folder %s; paths are relative to it.", place.root);
    if (!err_failed(context_files_read(&place, &files))) {
        for (size_t i = 0; i < files.count; i++) {
            const struct context_file *file = &files.files[i];
            text_addf(text, "\n\n# What %s says\n\n", file->path);
            text_add(text, file->text, file->len);
            text_add_str(text, file->cut ? "\n[cut here: the file is longer]" : "");
        }
    }
    if (!err_failed(skills_list(&place, &skills)) && skills.count > 0) {
        text_add_str(text, "\n\n# Skills\n\nLoad one with load_skill before you use it.\n\n");
        skills_write(&skills, text);
    }
}

/* As the settings of the session say. */
static void add_tools(const struct talk *talk, struct model_request *request) {
    AUTO(toolplace_close) struct toolplace place;
    const struct toolplace_seat seat = {.turns = &talk->turns->options,
                                        .root = talk->plan.root.data,
                                        .settings = talk->plan.settings.data,
                                        .project = talk->plan.rules.data,
                                        .roots = "",
                                        .place = talk->place};
    toolplace_open(&place, &seat);
    const char *effort = json_str(place.settings, "effort", NULL);
    request->effort =
        effort == NULL ? talk->effort : model_effort_of(bytes_of(effort), talk->effort);
    request->output_max = talk->plan.output_max;
    request->searches = place.searches && !talk->plan.last;
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        if ((place.tools & tool_set_of((enum tool_id)id)) != 0) {
            const struct tool *tool = tool_get((enum tool_id)id);
            const struct model_tool row = {.name = bytes_of(tool->name),
                                           .description = bytes_of(tool->about),
                                           .schema = bytes_of(tool->schema)};
            model_request_add_tool(request, &row);
        }
    }
}

/* Facts of the tail that are in no row. */
static void find_facts(struct talk *talk) {
    AUTO(json_release) json_t *roots = NULL;
    struct text *facts = &talk->facts;
    char day[40];
    struct tm parts;
    time_t now = (time_t)(world_wall_ms(loop_world(talk->turns->options.loop)) / 1000);
    if (talk->tail.len > 0) {
        return; /* The tail stays as it is for the turn. */
    }
    text_done(facts);
    text_init(facts, TAIL_MAX);
    text_add_str(facts, "<context>\n");
    if (gmtime_r(&now, &parts) != NULL &&
        strftime(day, sizeof day, "Today is %a, %Y-%m-%d (UTC).", &parts) > 0) {
        text_addf(facts, "%s\n", day);
    }
    if (talk->plan.root.len > 0) {
        git_state_write(talk->plan.root.data, facts);
    }
    if (err_failed(json_parse_wrapped(talk->plan.roots, &roots, NULL)) ||
        json_array_size(roots) == 0) {
        return;
    }
    text_add_str(facts, "Beside the project, these folders may be used by their absolute paths:\n");
    for (size_t i = 0; i < json_array_size(roots); i++) {
        const json_t *root = json_array_get(roots, i);
        text_addf(facts, "- %s (%s)\n", json_string_value(json_object_get(root, "path")),
                  json_string_value(json_object_get(root, "access")));
    }
}

static void system_run(struct talk *talk) {
    AUTO(text_done) struct text text = text_up_to(SYSTEM_MAX);
    /* The session's own, else the daemon's, else ours. */
    text_add_str(&text, talk->plan.instructions.len > 0 ? talk->plan.instructions.data
                        : talk->instructions[0] != '\0' ? talk->instructions
                                                        : turn_instructions);
    if (talk->plan.root.len > 0) {
        add_project(talk, &text);
    }
    talk->err = text_failed(&text) ? text_error(&text, "turns: system text") : ERR_OK;
    if (!err_failed(talk->err)) {
        model_request_set_system(talk->request, text_bytes(&text));
    }
    add_tools(talk, talk->request);
    find_facts(talk);
}

/* --- The messages and the tail, on a reader thread -------------------------------------------- */

/* Replaces an image by a sentence that says why it is not shown. */
static void hide_image(struct model_request *request, struct model_part *part, const char *why) {
    char words[160];
    int len = snprintf(words, sizeof words, "[drover: an image is not shown here, since %s]", why);
    model_request_change_part(request, part, MODEL_PART_TEXT, (struct bytes){words, (size_t)len});
}

/* The bytes of images are read when all images are known: the newest get the room first. */
static void add_image(struct talk_reading *reading, struct model_request *request,
                      const struct prompt_part *part) {
    const struct model_part image = {
        .kind = MODEL_PART_IMAGE, .name = part->name, .text = part->text};
    model_request_add_part(request, &image);
    if (request->failed) {
        return;
    }
    if (reading->blind) {
        hide_image(request, request->last->last, "this model sees none");
        return;
    }
    if (reading->image_count == IMAGES_KEPT) {
        hide_image(request, reading->images[0], images_too_many);
        reading->image_count--;
        memmove(reading->images, reading->images + 1,
                reading->image_count * sizeof reading->images[0]);
    }
    reading->images[reading->image_count++] = request->last->last;
}

static struct err read_part(void *ctx, const struct prompt_part *part) {
    static const enum model_role roles[] = {[PROMPT_USER] = MODEL_USER,
                                            [PROMPT_ASSISTANT] = MODEL_ASSISTANT,
                                            [PROMPT_TOOL] = MODEL_TOOL};
    static const enum model_part_kind kinds[] = {[PROMPT_TEXT] = MODEL_PART_TEXT,
                                                 [PROMPT_THINKING] = MODEL_PART_THINKING,
                                                 [PROMPT_CALL] = MODEL_PART_TOOL_CALL,
                                                 [PROMPT_RESULT] = MODEL_PART_TOOL_RESULT};
    const struct talk *talk = ctx;
    struct talk_reading *reading = talk->reading;
    struct model_request *request = talk->request;
    if (!reading->begun || part->opens || part->role != reading->role) {
        (void)model_request_add_message(request, roles[part->role]); /* The parts go to the last. */
    }
    if (part->asks) {
        model_request_mark_question(request);
    }
    if (request->last != NULL && part->answered > 0) {
        request->last->answered = (size_t)part->answered;
    }
    reading->begun = true;
    reading->role = part->role;
    if (part->kind == PROMPT_IMAGE) {
        add_image(reading, request, part);
        return ERR_OK;
    }
    struct model_part of_model = {.kind = kinds[part->kind],
                                  .text = part->text,
                                  .id = part->id,
                                  .name = part->name,
                                  .signature = part->signature,
                                  .is_error = part->failed};
    const struct bytes connection = model_connection_of(talk->plan.model);
    if (part->kind == PROMPT_CALL && !bytes_equal(part->maker, connection)) {
        of_model.signature = BYTES("");
    }
    if (part->kind != PROMPT_THINKING ||
        (model_kind_find(part->maker, &of_model.maker) &&
         (part->name.len == 0 || bytes_equal(part->name, connection)))) {
        model_request_add_part(request, &of_model);
    } /* Else nobody has thought it to whom it could be shown. */
    return ERR_OK;
}

struct recalled {
    struct text *text;
    bool any;
};

static struct err add_memory(void *ctx, const void *row) {
    const struct memory *memory = row;
    struct recalled *recalled = ctx;
    struct text *text = recalled->text;
    const struct bytes heads[] = {memory->topic, memory->title};
    size_t len = utf8_cut(memory->content, RECALLED_BYTES);
    text_add_str(text, recalled->any ? "- " : "You remember, of what may matter here:\n- ");
    recalled->any = true;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        text_add(text, heads[i].data, heads[i].len);
        text_add_str(text, heads[i].len > 0 ? ": " : "");
    }
    text_add(text, memory->content.data, len);
    text_add_str(text, len < memory->content.len ? "…\n" : "\n");
    return ERR_OK;
}

static struct err write_tail(struct tx *tx, struct talk *talk) {
    static const char end[] = "</context";
    const size_t len = sizeof end - 1;
    AUTO(text_done) struct text within = text_up_to(TAIL_MAX);
    struct recalled recalled = {.text = &within};
    text_add(&within, talk->facts.data, talk->facts.len);
    struct err err = tx_prompt_recall(tx, talk__run(talk), RECALLED_MAX, add_memory, &recalled);
    text_done(&talk->tail);
    text_init(&talk->tail, 2 * TAIL_MAX);
    if (err_failed(err) || text_failed(&within)) {
        return err;
    }
    /* What a memory or a branch is called does not end the block. */
    for (size_t i = 0; i < within.len; i++) {
        text_add_char(&talk->tail, within.data[i]);
        if (within.len - i >= len && strncasecmp(within.data + i, end, len) == 0) {
            text_add_char(&talk->tail, ' ');
        }
    }
    text_add_str(&talk->tail, "</context>");
    return ERR_OK;
}

/* The function may run again: what an earlier try has added is forgotten. */
static struct err read_tx(struct tx *tx, void *ctx) {
    struct talk *talk = ctx;
    struct talk_reading *reading = talk->reading;
    struct model_request *request = talk->request;
    request->first = request->last = request->question = NULL;
    request->message_count = 0;
    reading->begun = false;
    reading->image_count = 0;
    struct err err = tx_prompt_each(tx, &reading->key, read_part, talk);
    reading->left_out = err_failed(err) ? 0 : model_request_mend(request);
    if (!err_failed(err) && talk->tail.len == 0) {
        err = write_tail(tx, talk);
    }
    if (!err_failed(err) && talk->tail.len > 0 && !text_failed(&talk->tail)) {
        model_request_set_tail(request, text_bytes(&talk->tail));
    }
    return err;
}

/* --- The bytes of images, in the pool --------------------------------------------------------- */

static void images_run(struct talk *talk) {
    const struct turns_options *options = &talk->turns->options;
    const struct world *world = loop_world(options->loop);
    size_t room = IMAGES_MAX;
    for (size_t i = talk->reading->image_count; i > 0; i--) {
        struct model_part *part = talk->reading->images[i - 1];
        AUTO(mem_release) char *hash = mem_copy(part->text.data, part->text.len);
        AUTO(mem_release) char *path = blob_path(options->data_dir, hash);
        AUTO(mem_release) char *content = NULL;
        size_t len = 0;
        if (err_failed(world->file_read(world->ctx, path, IMAGES_MAX, &content, &len))) {
            hide_image(talk->request, part, "its file cannot be read");
        } else if (model_image_size(len) > room) {
            hide_image(talk->request, part, images_too_many);
        } else {
            room -= model_image_size(len);
            model_request_set_image(talk->request, part, (struct bytes){content, len});
        }
    }
}

static void talk_end_reading(struct talk *talk) {
    reading_free(talk);
    talk__fit(talk);
}

/* --- The order of it -------------------------------------------------------------------------- */

/* A turn that is to end needs no messages. */
static enum ask_verdict read_judge(void *ctx, unsigned tries, struct err err) {
    const struct talk *talk = ctx;
    return talk->stop || talk__is_over(talk) ? ASK_ANSWERED : ask_usual(tries, READ_TRIES_MAX, err);
}

static void read_refused(void *ctx, struct err err) {
    struct talk *talk = ctx;
    retry_done(&talk->ask.retry);
    reading_free(talk);
    talk__fail(talk, "the messages of the session could not be read", err);
}

static void read_done(void *ctx) {
    struct talk *talk = ctx;
    const struct talk_reading *reading = talk->reading;
    bool failed = err_failed(talk->ask.err);
    if (talk__is_over(talk)) {
        talk__maybe_free(talk);
        return;
    }
    if (!failed && reading->left_out > 0) {
        asker_report(&talk->turns->asker,
                     "calls of tools without name or result were left out of a prompt",
                     talk__run(talk), err_make(ERR_CONFLICT, "turns: prompt"));
    }
    if (!failed && reading->image_count > 0 && !talk->stop) {
        talk__pool(talk, images_run, talk_end_reading);
        return;
    }
    talk_end_reading(talk);
}

static void system_done(struct talk *talk) {
    static const struct ask_rules rules = {
        .words = {.effect = "read the messages of a session",
                  .again = "the messages of a session could not be read; it is tried again"},
        .judge = read_judge,
        .refused = read_refused,
        .dropped = talk__dropped};
    if (err_failed(talk->err) && !talk->stop) {
        reading_free(talk);
        talk__fail(talk, system_too_long, talk->err); /* Without instructions it may do anything. */
        return;
    }
    ask_init(&talk->ask, &talk->turns->asker, &rules, talk);
    talk->ask.run = talk__run(talk);
    ask_read(&talk->ask, read_tx, read_done);
}

void prompt__prepare(struct talk *talk) {
    struct turns *turns = talk->turns;
    struct model_info info;
    bool known = talk__model(talk, &info);
    /* A window that was guessed too small costs summaries, one that was guessed too large failed
     * calls. The daemon warns once. */
    if (known && info.window_from == WINDOW_DEFAULT && talk->window == 0 && !turns->window_told) {
        turns->window_told = true;
        asker_report(&turns->asker,
                     "the window of the model is not known: 32768 tokens are taken; say it in the "
                     "connection's models or in the prices file",
                     talk__run(talk), err_make(ERR_MODEL_UNKNOWN, "turns: window"));
    }
    talk->reading = mem_new(sizeof *talk->reading);
    talk->reading->key = (struct turn_key){.run = talk__run(talk), .attempt = talk->attempt};
    talk->reading->blind = known && info.facts.vision == ABILITY_NO;
    model_request_free(talk->request);
    talk->request = model_request_new(talk->plan.model);
    talk->request->patience = talk->plan.patience;
    if (talk->plan.schema.len > 0) {
        model_request_set_schema(talk->request, talk->plan.schema);
    }
    talk->request->no_calls = talk->plan.last;
    talk__pool(talk, system_run, system_done);
}
