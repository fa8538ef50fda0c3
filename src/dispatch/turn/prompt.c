/* prompt.c: what the model is shown.
 *
 *   instructions, facts of the place, what the project says, skills   (the system text)
 *   the tools, by name
 *   the session's messages, oldest first
 *   in them, after the turn's question: what is another from turn to turn   (context.c)
 *
 * Providers cache the beginning of a prompt, so it is the same bytes on every call: no clock, no
 * counter, nothing random stands before the turn's question. First the files of the project are
 * read, in the pool; then the rows, on a reader thread, which makes the request; last the images,
 * in the pool again. An image has up to 32 MB on a disk that may be slow, and a transaction of the
 * store that waited for it would hold up the readers of everybody. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/session/blobs.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "tool/context_files.h"

/* More than the sum of what the API and the readers of files take: only a damaged row is longer. */
enum { SYSTEM_MAX = 512 << 10 };
static const char too_long[] =
    "the instructions of the session, with the files of its project, are longer than 512 kB; set "
    "shorter instructions";

const char turn_instructions[] =
    "You are a careful assistant. Do what the user asks, with the tools you have, and say plainly "
    "what you did, what you found, and what you could not do. Look before you change something. "
    "When a tool fails, read what it says and try another way; don't repeat a call that failed.";

/* --- The system text, in the pool ------------------------------------------------------------- */

static void add_files(const struct context_files *files, struct text *text) {
    for (size_t i = 0; i < files->count; i++) {
        const struct context_file *file = &files->files[i];
        text_addf(text, "\n\n# What %s says\n\n", file->path);
        text_add(text, file->text, file->len);
        text_add_str(text, file->cut ? "\n[cut here: the file is longer]" : "");
    }
}

/* A project that cannot be read says nothing: the tools will tell why. */
static void add_project(const struct talk *talk, struct text *text) {
    const struct context_place place = {
        .root = talk->plan.root.data, .cwd = "", .home = talk->turns->options.home};
    AUTO(context_files_done) struct context_files files = {0};
    AUTO(skills_done) struct skills skills = {0};
    text_addf(text, "\n\nYou work in the folder %s; paths are relative to it.", place.root);
    if (!err_failed(context_files_read(&place, &files))) {
        add_files(&files, text);
    }
    if (!err_failed(skills_list(&place, &skills)) && skills.count > 0) {
        text_add_str(text, "\n\n# Skills\n\nLoad one with load_skill before you use it.\n\n");
        skills_write(&skills, text);
    }
}

/* What the settings of the session say. */
static void add_tools(const struct talk *talk, struct model_request *request) {
    const struct turns_options *options = &talk->turns->options;
    const struct toolplace_seat seat = {.root = talk->plan.root.data,
                                        .settings = talk->plan.settings.data,
                                        .roots = "",
                                        .data_dir = options->data_dir,
                                        .home = options->home,
                                        .world = loop_world(options->loop)};
    AUTO(toolplace_close) struct toolplace place;
    toolplace_open(&place, &seat);
    const char *effort = json_string_value(json_object_get(place.settings, "effort"));
    request->effort = talk->effort;
    request->output_max = talk->plan.output_max;
    if (effort != NULL) {
        request->effort = model_effort_of(bytes_of(effort), talk->effort);
    }
    for (unsigned id = 0; id < TOOL_COUNT && !talk->plan.last; id++) {
        if ((place.tools & tool_set_of((enum tool_id)id)) != 0) {
            const struct tool *tool = tool_get((enum tool_id)id);
            const struct model_tool row = {.name = {tool->name, strlen(tool->name)},
                                           .description = {tool->about, strlen(tool->about)},
                                           .schema = {tool->schema, strlen(tool->schema)}};
            model_request_add_tool(request, &row);
        }
    }
}

/* The session's own, else the daemon's, else ours. */
static const char *instructions_of(const struct talk *talk) {
    if (talk->plan.instructions.len > 0) {
        return talk->plan.instructions.data;
    }
    return talk->instructions[0] != '\0' ? talk->instructions : turn_instructions;
}

static void system_run(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    AUTO(text_done) struct text text;
    text_init(&text, SYSTEM_MAX);
    text_add_str(&text, instructions_of(talk));
    if (talk->plan.root.len > 0) {
        add_project(talk, &text);
    }
    talk->err = text_failed(&text) ? text_error(&text, "turns: system text") : ERR_OK;
    if (!err_failed(talk->err)) {
        model_request_set_system(talk->request, (struct bytes){text.data, text.len});
    }
    add_tools(talk, talk->request);
    talk__tail_begin(talk);
}

/* --- The messages, on a reader thread --------------------------------------------------------- */

enum { IMAGES_MAX = 32 << 20 /* Bytes in one prompt, as they are sent. */, IMAGES_KEPT = 64 };
static const char too_many[] = "there are too many behind it";

struct reading {
    struct pool_job job; /* Images. */
    struct talk *talk;
    struct turn_key key;
    enum prompt_role role; /* Of the message that was begun last. */
    bool begun;
    size_t left_out;                        /* Calls and results that no provider would take. */
    struct model_part *images[IMAGES_KEPT]; /* The newest; of the request. */
    size_t image_count;
};

/* --- Images ----------------------------------------------------------------------------------- */

/* Replaces an image by a sentence that says why it is not shown. */
static void hide_image(struct reading *reading, struct model_part *part, const char *why) {
    char words[160];
    int len = snprintf(words, sizeof words, "[drover: an image is not shown here, since %s]", why);
    model_request_change_part(reading->talk->request, part, MODEL_PART_TEXT,
                              (struct bytes){words, (size_t)len});
}

/* The bytes of images are read when all images are known: the newest get the room first. */
static void add_image(struct reading *reading, const struct prompt_part *part) {
    struct model_request *request = reading->talk->request;
    const struct model_part image = {
        .kind = MODEL_PART_IMAGE, .name = part->name, .text = part->text};
    model_request_add_part(request, &image);
    if (request->failed) {
        return;
    }
    if (reading->talk->blind) {
        hide_image(reading, request->last->last, "this model sees none");
        return;
    }
    if (reading->image_count == IMAGES_KEPT) {
        hide_image(reading, reading->images[0], too_many);
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
    struct reading *reading = ctx;
    struct model_request *request = reading->talk->request;
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
        add_image(reading, part);
        return ERR_OK;
    }
    struct model_part of_model = {.kind = kinds[part->kind],
                                  .text = part->text,
                                  .id = part->id,
                                  .name = part->name,
                                  .signature = part->signature,
                                  .is_error = part->failed};
    if (part->kind == PROMPT_THINKING && !model_kind_find(part->maker, &of_model.maker)) {
        return ERR_OK; /* Thinking is shown only to who has thought it. */
    }
    model_request_add_part(request, &of_model);
    return ERR_OK;
}

/* The function may run again: what an earlier try has added is forgotten. */
static struct err read_tx(struct tx *tx, void *ctx) {
    struct reading *reading = ctx;
    struct model_request *request = reading->talk->request;
    request->first = request->last = request->question = NULL;
    request->message_count = 0;
    reading->begun = false;
    reading->image_count = 0;
    struct err err = tx_prompt_each(tx, &reading->key, read_part, reading);
    reading->left_out = err_failed(err) ? 0 : model_request_mend(request);
    return err_failed(err) ? err : talk__tail_end(tx, reading->talk, request);
}

/* --- The bytes of images, in the pool --------------------------------------------------------- */

static void show_image(struct reading *reading, struct model_part *part, size_t *room) {
    const struct turns_options *options = &reading->talk->turns->options;
    const struct world *world = loop_world(options->loop);
    AUTO(mem_release) char *hash = mem_copy(part->text.data, part->text.len);
    AUTO(mem_release) char *path = blob_path(options->data_dir, hash);
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    if (err_failed(world->file_read(world->ctx, path, IMAGES_MAX, &content, &len))) {
        hide_image(reading, part, "its file cannot be read");
    } else if (model_image_size(len) > *room) {
        hide_image(reading, part, too_many);
    } else {
        *room -= model_image_size(len);
        model_request_set_image(reading->talk->request, part, (struct bytes){content, len});
    }
}

static void images_run(struct pool_job *job) {
    struct reading *reading = CONTAINER_OF(job, struct reading, job);
    size_t room = IMAGES_MAX;
    for (size_t i = reading->image_count; i > 0; i--) {
        show_image(reading, reading->images[i - 1], &room);
    }
}

static void images_done(struct pool_job *job) {
    struct reading *reading = CONTAINER_OF(job, struct reading, job);
    struct talk *talk = reading->talk;
    mem_free(reading);
    talk->away = false;
    if (talk__is_over(talk)) {
        talk__maybe_free(talk);
    } else {
        talk__fit(talk);
    }
}

/* The request is the job's until images_done, as it was the store function's before. */
static void read_images(struct reading *reading) {
    struct turns *turns = reading->talk->turns;
    reading->talk->away = true;
    reading->job = (struct pool_job){.kind = POOL_QUICK, .run = images_run, .done = images_done};
    pool_add(&turns->pool, &reading->job);
}

/* --- The end of the reading ------------------------------------------------------------------- */

static void read_again(struct timer *timer);

static void read_failed(struct talk *talk, struct err err) {
    struct turns *turns = talk->turns;
    effect_failed(&talk->reading, err);
    bool over = talk->read_tries >= TALK_READ_TRIES_MAX && !effect_error_passes(err);
    if (over || effect_error_stays(err)) {
        effect_done(&talk->reading);
        talk__fail(talk, "the messages of the session could not be read", err);
        return;
    }
    if (talk->read_tries == 0) {
        turns__failed(turns, "the messages of a session could not be read; it is tried again",
                      talk__run(talk), err);
    }
    turns->stats.store_retries++;
    timer_start(turns->options.loop, &talk->timer, talk__retry_ms(talk->read_tries++), read_again);
}

static void read_done(struct err err, void *ctx) {
    struct reading *reading = ctx;
    struct talk *talk = reading->talk;
    struct turns *turns = talk->turns;
    bool mended = !err_failed(err) && reading->left_out > 0;
    turns->busy--;
    talk->away = false;
    if (talk__is_over(talk)) {
        mem_free(reading);
        talk__maybe_free(talk);
        return;
    }
    if (err_failed(err) && !talk->stop) {
        mem_free(reading);
        read_failed(talk, err);
        return;
    }
    talk->read_tries = 0;
    effect_done(&talk->reading);
    if (mended) {
        turns__failed(turns, "calls of tools without name or result were left out of a prompt",
                      talk__run(talk), err_make(ERR_CONFLICT, "turns: prompt"));
    }
    if (reading->image_count > 0 && !talk->stop && !err_failed(err)) {
        read_images(reading);
        return;
    }
    mem_free(reading);
    talk__fit(talk);
}

static void read_messages(struct talk *talk) {
    struct reading *reading = mem_new(sizeof *reading);
    *reading =
        (struct reading){.talk = talk, .key = {.run = talk__run(talk), .attempt = talk->attempt}};
    talk->turns->busy++;
    talk->away = true;
    effect_begin(talk->turns->options.effects, &talk->reading, "read the messages of a session");
    store_read(talk->turns->options.store, read_tx, read_done, reading);
}

static void read_again(struct timer *timer) {
    read_messages(CONTAINER_OF(timer, struct talk, timer));
}

static void system_done(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    talk->away = false;
    if (talk->ended || talk->turns->stopping) {
        talk__maybe_free(talk);
    } else if (err_failed(talk->err) && !talk->stop) {
        talk__fail(talk, too_long, talk->err); /* A model without instructions may do anything. */
    } else {
        read_messages(talk);
    }
}

/* A window that was guessed too small costs summaries, one that was guessed too large failed calls.
 * The daemon warns once. */
static void tell_of_window(struct talk *talk, const struct model_info *info) {
    static const char words[] = "the window of the model is not known: 32768 tokens are taken; say "
                                "it in the connection's models or in the prices file";
    struct turns *turns = talk->turns;
    if (info->window_from == WINDOW_DEFAULT && talk->window == 0 && !turns->window_told) {
        turns->window_told = true;
        turns__failed(turns, words, talk__run(talk), err_make(ERR_MODEL_UNKNOWN, "turns: window"));
    }
}

void talk__prepare(struct talk *talk) {
    struct model_info info;
    bool known = models_info(talk->turns->options.models, talk->plan.model, &info);
    if (known) {
        tell_of_window(talk, &info);
    }
    talk->blind = known && info.facts.vision == ABILITY_NO;
    talk->request = model_request_new(talk->plan.model);
    if (talk->plan.schema.len > 0) {
        model_request_set_schema(talk->request, talk->plan.schema);
    }
    talk->request->choice = talk->plan.last ? MODEL_CHOICE_NONE : MODEL_CHOICE_AUTO;
    talk->away = true;
    talk->job = (struct pool_job){.kind = POOL_QUICK, .run = system_run, .done = system_done};
    pool_add(&talk->turns->pool, &talk->job);
}
