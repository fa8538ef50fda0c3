/* files.c: the files that a yes of approvers is about. See flow_run.h.
 *
 * Of a step directly after an approval with approvers: the file of a child flow or workflow, that
 * of its agent in the project, and each regular file that its text names by a word without blanks,
 * absolute or below the root, but for those that a shell writes to. Read when the question is
 * asked, and again when the step begins.
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
    struct bytes step;
    json_t *found; /* Borrowed: an array. */
};

static void file_add(const struct finding *finding, struct bytes path, const char *hash) {
    const json_t *one = NULL;
    size_t at = 0;
    json_array_foreach(finding->found, at, one) {
        if (bytes_equal(json_bytes(one, "step_id"), finding->step) &&
            bytes_equal(json_bytes(one, "path"), path)) {
            return;
        }
    }
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

static bool file_look(const struct finding *finding, struct bytes name) {
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    struct sha256_hex hash;
    if (name.len == 0 || name.len > FLOW_ABOUT_PATH_MAX ||
        json_array_size(finding->found) >= FLOW_ABOUT_FILES_MAX ||
        (name.data[0] != '/' && finding->root[0] == '\0')) {
        return false;
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

static void agent_look(const struct finding *finding, struct bytes agent) {
    static const char *const folders[] = {".drover/agents", ".claude/agents"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        AUTO(text_done) struct text path = text_up_to(FLOW_ABOUT_PATH_MAX);
        text_addf(&path, "%s/%.*s.md", folders[i], (int)agent.len, agent.data);
        (void)(!text_failed(&path) && file_look(finding, text_bytes(&path)));
    }
}

/* A name that nobody has yet is no file: if there is one later, it differs. */
static void child_look(const struct flow_run *run, const struct flow_step *step,
                       const struct finding *finding) {
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    struct catalog_search search = run->flows->options.search;
    struct why why;
    search.kind = step->kind == FLOW_KIND_FLOW ? SCRIPT_FLOW : SCRIPT_WORKFLOW;
    search.root = finding->root;
    if (!err_failed(catalog_find(&search, json_bytes(step->json, flow_kind_names[step->kind]),
                                 &script, &why))) {
        file_add(finding, bytes_of(script.entry.file), script.entry.hash.text);
    }
}

static void step_look(const struct flow_run *run, size_t at, json_t *found) {
    const struct flow_step *step = &run->flow.steps[at];
    const json_t *agents = json_object_get(step->json, "agents");
    AUTO(text_done) struct text text = text_up_to(FLOW_TEXT_MAX);
    struct finding finding = {
        .root = run->root.len > 0 ? run->root.data : "", .step = step->id, .found = found};
    flow_about_step(step, json_object_get(run->description, "texts"), &text);
    flow_about_words(text_bytes(&text), on_word, &finding);
    if (step->kind == FLOW_KIND_AGENT) {
        agent_look(&finding, json_bytes(step->json, "agent"));
        for (size_t i = 0; i < json_array_size(agents); i++) {
            agent_look(&finding, json_text(json_array_get(agents, i)));
        }
    } else if (step->kind == FLOW_KIND_FLOW || step->kind == FLOW_KIND_WORKFLOW) {
        child_look(run, step, &finding);
    }
}

/* Files of all steps directly after a question; else those of the step itself. */
static void files_look(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    AUTO(json_release) json_t *found = json_array();
    for (size_t i = 0; i < run->count; i++) {
        if (order->kind == ORDER_READ ? flow_is_for_approvers(&run->flow, i, order->at)
                                      : i == order->at) {
            step_look(run, i, found);
        }
    }
    text_clear(&order->files);
    if (err_failed(json_write(found, &order->files))) {
        text_clear(&order->files); /* Nothing is approved by that. */
    }
}

static void on_files_read(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    if (run->flows->room.asker.stopping) {
        room_maybe_stopped(&run->flows->room);
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
    pool_begin(&run->flows->room.pool, &run->job, POOL_QUICK, files_look, on_files_read);
}

bool flow_run__is_approved(const struct flow_run *run, size_t at) {
    bool approved = false;
    for (size_t i = 0; i < run->count && !approved; i++) {
        approved =
            run->seen[i].status == FLOW_COMPLETED && flow_is_for_approvers(&run->flow, at, i);
    }
    return approved;
}

/* The file of the child was read again, and that text is the one that runs. */
void flow_run__files_child(struct flow_run *run, const struct catalog_entry *entry) {
    AUTO(json_release) json_t *found = NULL;
    json_t *file = NULL;
    size_t at = 0;
    if (run->order->files.len == 0 ||
        err_failed(json_parse_wrapped(text_bytes(&run->order->files), &found, NULL))) {
        return;
    }
    json_array_foreach(found, at, file) {
        if (bytes_is(json_bytes(file, "path"), entry->file)) {
            (void)json_object_set_new(file, "sha256", json_string(entry->hash.text));
            break;
        }
    }
    text_clear(&run->order->files);
    if (at == json_array_size(found) || err_failed(json_write(found, &run->order->files))) {
        text_clear(&run->order->files);
    }
}
