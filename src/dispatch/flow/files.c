/* files.c: the files that a yes of approvers is about. See flow_run.h.
 *
 * Of each step that such a yes is for (rules/flow/marks.c): the file of a child flow or workflow,
 * that which defines its agent, and each regular file that its text names by a word without blanks,
 * absolute or below the root, but for those that a shell writes to. Read when the question is
 * asked, and again when the step begins. Where not all can be, neither goes on.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "dispatch/flow/flow_run.h"
#include "rules/flow/about.h"

enum { READ_MAX = 64 << 20, PIECE = 64 << 10 };

struct finding {
    const char *root; /* "": none. */
    struct bytes step, agent;
    json_t *found;   /* Borrowed: an array. */
    size_t count;    /* Files of the step. */
    struct why *why; /* Borrowed: why not all that it uses can be fixed; "". */
};

static bool file_is_known(const struct finding *finding, struct bytes path) {
    const json_t *one = NULL;
    size_t at = 0;
    json_array_foreach(finding->found, at, one) {
        if (bytes_equal(json_bytes(one, "step_id"), finding->step) &&
            bytes_equal(json_bytes(one, "path"), path)) {
            return true;
        }
    }
    return false;
}

/* A file that is left out would be used without a yes: so none is. */
static void file_add(struct finding *finding, struct bytes path, const char *hash) {
    if (path.len > FLOW_ABOUT_PATH_MAX || finding->count == FLOW_ABOUT_FILES_MAX) {
        why_set(finding->why,
                path.len > FLOW_ABOUT_PATH_MAX
                    ? "step '%.*s' names a file by more than %d bytes, for which nobody can be "
                      "asked: give it a shorter name"
                    : "step '%.*s' names more than %d files, for which nobody can be asked: name "
                      "fewer",
                (int)finding->step.len, finding->step.data,
                path.len > FLOW_ABOUT_PATH_MAX ? FLOW_ABOUT_PATH_MAX : FLOW_ABOUT_FILES_MAX);
        return;
    }
    finding->count++;
    json_t *file = json_object();
    (void)json_object_set_new(file, "step_id", json_stringn(finding->step.data, finding->step.len));
    (void)json_object_set_new(file, "path", json_stringn(path.data, path.len));
    (void)json_object_set_new(file, "sha256", json_string(hash));
    (void)json_array_append_new(finding->found, file);
}

/* Size and time of change stand for the rest of a file that is too long. */
static bool file_hash(const char *path, struct sha256_hex *ret_hash) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    AUTO(mem_release) char *piece = NULL;
    struct stat about;
    struct sha256_stream sha;
    ssize_t got = 0;
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    piece = mem_new_array(PIECE, 1);
    sha256_start(&sha);
    for (size_t len = 0; len < READ_MAX && (got = read(fd, piece, PIECE)) > 0; len += (size_t)got) {
        sha256_add(&sha, piece, (size_t)got);
    }
    if (got != 0) {
        sha256_add(&sha, &about.st_size, sizeof about.st_size);
        sha256_add(&sha, &about.st_mtim, sizeof about.st_mtim);
    }
    const struct sha256 hash = sha256_finish(&sha);
    *ret_hash = sha256_hex(&hash);
    return true;
}

static bool file_look(struct finding *finding, struct bytes name) {
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    struct sha256_hex hash;
    if (name.len == 0 || (name.data[0] != '/' && finding->root[0] == '\0')) {
        return false;
    }
    if (finding->why->text[0] != '\0' || file_is_known(finding, name)) {
        return true;
    }
    text_addf(&path, "%s%s%.*s", name.data[0] == '/' ? "" : finding->root,
              name.data[0] == '/' ? "" : "/", (int)name.len, name.data);
    const bool found = !text_failed(&path) && file_hash(text_bytes(&path).data, &hash);
    if (found) {
        file_add(finding, name, hash.text);
    }
    return found;
}

/* A sentence ends with a stop, and some programs want "@" before a file. */
static void on_word(void *ctx, struct bytes word) {
    bool found = file_look(ctx, word);
    if (!found && word.len > 1 && word.data[0] == '@') {
        word = (struct bytes){word.data + 1, word.len - 1};
        found = file_look(ctx, word);
    }
    while (!found && word.len > 1 && strchr(".,:", word.data[word.len - 1]) != NULL) {
        word.len--;
        found = file_look(ctx, word);
    }
}

/* Below the root by the rest of its path, as in other words. */
static void definition_look(struct finding *finding, const char *from) {
    const size_t len = strlen(finding->root);
    if (from[0] == '/') {
        const bool below = len > 0 && strncmp(from, finding->root, len) == 0 && from[len] == '/';
        (void)file_look(finding, bytes_of(below ? from + len + 1 : from));
    }
}

static void on_type(void *ctx, const struct agent_type_seen *seen) {
    struct finding *finding = ctx;
    if (bytes_equal(seen->name, finding->agent)) {
        definition_look(finding, seen->from);
    }
}

static void on_program(void *ctx, const struct agent_seen *seen) {
    definition_look(ctx, seen->from);
}

/* The file that the name means when the step begins (child.c): of a type, of a program. */
static void agent_look(const struct flow_run *run, struct finding *finding, struct bytes agent) {
    const struct flows_options *options = &run->flows->options;
    const struct agent_places places = {.root = finding->root,
                                        .home = options->search.home,
                                        .config_dir = options->search.config_dir};
    const struct agent_search search = {
        .root = finding->root, .home = options->search.home, .rows = options->agents};
    finding->agent = agent.len > 0 ? agent : BYTES(FLOW_AGENT_DEFAULT);
    agent_types_each(&places, on_type, finding);
    (void)!agent_find(&search, finding->agent, on_program, finding);
}

/* A name that nobody has yet is no file: if there is one later, it differs. */
static void child_look(const struct flow_run *run, const struct flow_step *step,
                       struct finding *finding) {
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    struct catalog_search search = run->flows->options.search;
    struct why why;
    search.kind = step->kind == FLOW_KIND_FLOW ? SCRIPT_FLOW : SCRIPT_WORKFLOW;
    search.root = finding->root;
    if (!err_failed(catalog_find(&search, json_bytes(step->json, flow_kind_names[step->kind]),
                                 &script, &why)) &&
        !file_is_known(finding, bytes_of(script.entry.file))) {
        file_add(finding, bytes_of(script.entry.file), script.entry.hash.text);
    }
}

static void step_look(struct flow_run *run, size_t at, json_t *found) {
    const struct flow_step *step = &run->flow.steps[at];
    const json_t *agents = json_object_get(step->json, "agents");
    const bool shell = step->kind == FLOW_KIND_COMMAND && (step->has & FLOW_HAS_RUN) == 0;
    AUTO(text_done) struct text text = text_up_to(FLOW_TEXT_MAX);
    struct finding finding = {.root = run->root.len > 0 ? run->root.data : "",
                              .step = step->id,
                              .found = found,
                              .why = &run->why};
    flow_about_step(step, json_object_get(run->description, "texts"), &text);
    flow_about_words(text_bytes(&text), shell, on_word, &finding);
    if (step->kind == FLOW_KIND_AGENT) {
        for (size_t i = 0; i < json_array_size(agents); i++) {
            agent_look(run, &finding, json_text(json_array_get(agents, i)));
        }
        if (json_array_size(agents) == 0) {
            agent_look(run, &finding, json_bytes(step->json, "agent"));
        }
    } else if (step->kind == FLOW_KIND_FLOW || step->kind == FLOW_KIND_WORKFLOW) {
        child_look(run, step, &finding);
    }
    if (text_failed(&text)) {
        why_set(&run->why, "step '%.*s' has a text that is too long for approvers",
                (int)step->id.len, step->id.data);
    }
}

/* Files of all steps that a question is about; else those of the step itself. */
static void files_look(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    AUTO(json_release) json_t *found = json_array();
    for (size_t i = 0; i < run->count && run->why.text[0] == '\0'; i++) {
        if (order->kind == ORDER_READ ? flow_is_for_approvers(&run->flow, i, order->at)
                                      : i == order->at) {
            step_look(run, i, found);
        }
    }
    text_clear(&order->files);
    if (err_failed(json_write(found, &order->files))) {
        text_clear(&order->files); /* Nothing is approved by that. */
        why_set(&run->why,
                "the files that the steps after the approval name are too many: more than %d kB "
                "of names and hashes",
                FLOW_ABOUT_LIST_MAX >> 10);
    }
}

static void on_files_read(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    if (run->flows->room.asker.stopping) {
        room_maybe_stopped(&run->flows->room);
    } else if (run->why.text[0] != '\0') {
        flow_run__refuse_child(run);
    } else if (order->kind == ORDER_CHILD) {
        flow_run__begin_child(run);
    } else {
        order->kind = ORDER_TELL;
        order->answer = (struct flow_answer){
            .version = order->version, .phase = FLOW_AT_FILES, .said = FLOW_SAID_VALUE};
        text_add(&order->text, order->files.data, order->files.len);
        flow_run__order_write(run);
    }
}

void flow_run__files_begin(struct flow_run *run) {
    run->state = FLOW_RUN_SEARCHING;
    pool_begin(&run->flows->room.pool, &run->job, POOL_SLOW, files_look, on_files_read);
}

bool flow_run__is_approved(const struct flow_run *run, size_t at) {
    bool approved = false;
    for (size_t i = 0; i < run->count && !approved; i++) {
        approved =
            run->seen[i].status == FLOW_COMPLETED && flow_is_for_approvers(&run->flow, at, i);
    }
    return approved;
}
