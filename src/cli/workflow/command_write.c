/* command_write.c: drover workflow check, new: for those who write them. A file is read
 * here as the daemon would read it; the engine is asked through a daemon, if one runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/terminal/paint.h"
#include "cli/workflow/starting.h"
#include "script/catalog.h"

/* --- Check ------------------------------------------------------------------------------------ */

struct checking {
    struct invocation *invocation;
    struct paint paint;
    struct talk talk;  /* Owned. */
    struct err absent; /* Why the engine was not asked: for all that come, too. */
    bool failed;       /* One of the files has an error. */
};

static void print_problem(const struct checking *checking, const char *file,
                          const struct script_fault *fault, bool grave) {
    enum colour colour = grave ? COLOUR_RED : COLOUR_YELLOW;
    printf("%s:%u:%u: %s%s%s: %s\n", file, fault->line, fault->column,
           paint_begin(&checking->paint, colour), grave ? "error" : "warning",
           paint_end(&checking->paint, colour), fault->message);
}

static void print_good(const struct checking *checking, const char *file,
                       const struct script_verdict *verdict) {
    const struct paint *paint = &checking->paint;
    const char *name = script_meta_name(verdict->prepared);
    const char *form = script_form_name(verdict->prepared->form);
    if (verdict->checked) {
        printf("%s: %sok%s: %s (%s)\n", file, paint_begin(paint, COLOUR_GREEN),
               paint_end(paint, COLOUR_GREEN), name, form);
    } else {
        printf("%s: %snot checked by the engine%s: %s (%s): %s\n", file,
               paint_begin(paint, COLOUR_YELLOW), paint_end(paint, COLOUR_YELLOW), name, form,
               checking->absent.code == ERR_UNREACHABLE
                   ? "no daemon answers; start one with `drover serve`"
                   : "the daemon could not say");
    }
}

static void print_verdict(const struct checking *checking, const char *file,
                          const struct script_verdict *verdict) {
    const struct script_prepared *prepared = verdict->prepared;
    bool grave = verdict->fault != NULL;
    if (grave) {
        print_problem(checking, file, verdict->fault, true);
    }
    for (unsigned i = 0; prepared != NULL && i < prepared->note_count; i++) {
        print_problem(checking, file, &prepared->notes[i].fault, prepared->notes[i].grave);
        grave |= prepared->notes[i].grave;
    }
    if (!grave) {
        print_good(checking, file, verdict);
    }
}

static bool is_grave(const struct script_prepared *prepared) {
    for (unsigned i = 0; i < prepared->note_count; i++) {
        if (prepared->notes[i].grave) {
            return true;
        }
    }
    return false;
}

static struct err print_json(const char *file, const struct script_verdict *verdict) {
    AUTO(text_done) struct text name, text;
    text_init(&name, 64 << 10);
    text_init(&text, 4 << 20);
    text_add_json(&name, file, strlen(file));
    script_verdict_write(verdict, &text);
    if (text_failed(&name) || text_failed(&text)) {
        return err_make(ERR_OUT_OF_MEMORY, "workflow: verdict");
    }
    printf("{\"file\":%s,%s\n", name.data, text.data + 1); /* One object of both. */
    return ERR_OK;
}

/* --- The engine ------------------------------------------------------------------------------- */

/* What our own reader let pass can have but one thing wrong that it does not say itself. */
static bool take_fault(const json_t *answer, struct script_fault *ret_fault) {
    const json_t *problems = json_object_get(answer, "problems");
    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *problem = json_array_get(problems, i);
        if (strcmp(talk_text(problem, "code"), "syntax_error") == 0) {
            *ret_fault = (struct script_fault){.line = (unsigned)talk_int(problem, "line"),
                                               .column = (unsigned)talk_int(problem, "column"),
                                               .code = "syntax_error"};
            (void)snprintf(ret_fault->message, sizeof ret_fault->message, "%s",
                           talk_text(problem, "detail"));
            return true;
        }
    }
    return false;
}

static struct err ask_daemon(struct checking *checking, const char *file, struct bytes script,
                             json_t **ret_answer) {
    AUTO(text_done) struct text body;
    struct why why = {""}; /* That it was not asked is all that is told. */
    if (checking->talk.client == NULL) {
        struct err err = talk_open(&checking->talk, checking->invocation);
        if (err_failed(err)) {
            return err;
        }
    }
    text_init(&body, 3 << 20);
    text_add_str(&body, "{\"script\":");
    text_add_json(&body, script.data, script.len);
    text_add_str(&body, ",\"file\":");
    text_add_json(&body, file, strlen(file));
    text_add_char(&body, '}');
    if (text_failed(&body)) {
        return err_make(ERR_BODY_TOO_LARGE, "workflow: check");
    }
    const struct client_request request = {
        .method = "POST", .target = "/api/v1/scripts/check", .body = {body.data, body.len}};
    return talk_ask(&checking->talk, &request, NULL /* parsed is enough */, ret_answer, &why);
}

/* Whoever is not there is asked once. */
static struct err ask_engine(struct checking *checking, const char *file, struct bytes script,
                             struct script_verdict *verdict, struct script_fault *fault) {
    AUTO(json_release) json_t *answer = NULL;
    if (err_failed(checking->absent)) {
        return ERR_OK;
    }
    struct err err = ask_daemon(checking, file, script, &answer);
    if (err.code == ERR_INTERRUPTED) {
        return err;
    }
    if (err.code == ERR_UNREACHABLE) {
        checking->absent = err;
    }
    verdict->checked = json_is_true(json_object_get(answer, "checked"));
    if (verdict->checked && take_fault(answer, fault)) {
        verdict->fault = fault;
    }
    return ERR_OK;
}

static struct err check_text(struct checking *checking, const char *file, struct bytes text) {
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    const struct script_source source = {text, {file, strlen(file)}};
    struct script_fault fault = {.line = 0};
    struct err err = script_prepare(&source, &prepared, &fault);
    if (err_failed(err) && err.code != ERR_BAD_SCRIPT) {
        return err;
    }
    bool valid = !err_failed(err);
    struct script_verdict verdict = {.prepared = valid ? &prepared : NULL,
                                     .fault = valid ? NULL : &fault};
    err = valid ? ask_engine(checking, file, text, &verdict, &fault) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    checking->failed |= verdict.fault != NULL || is_grave(&prepared);
    if (checking->invocation->json) {
        return print_json(file, &verdict);
    }
    print_verdict(checking, file, &verdict);
    return ERR_OK;
}

/* One byte more than is taken: so that too long is told by the one who knows the bound. */
static struct err read_whole(const char *file, struct text *text, struct why *why) {
    char buffer[16 << 10];
    AUTO(fd_release) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && text->len <= SCRIPT_SOURCE_MAX) {
        got = read(fd, buffer, sizeof buffer);
        if (got > 0) {
            text_add(text, buffer, (size_t)got);
        }
    }
    if (got < 0) {
        int os = errno;
        why_set(why, "%.200s: %s", file, strerror(os));
        return err_make(os == ENOENT ? ERR_NOT_FOUND : ERR_IO, "workflow: read");
    }
    return text_failed(text) ? err_make(ERR_OUT_OF_MEMORY, "workflow: read") : ERR_OK;
}

static struct err check_files(struct checking *checking) {
    struct invocation *invocation = checking->invocation;
    const struct args *args = &invocation->args;
    for (unsigned i = 0; i < args->operand_count; i++) {
        AUTO(text_done) struct text text;
        text_init(&text, SCRIPT_SOURCE_MAX + (64 << 10));
        struct err err = read_whole(args->operands[i], &text, &invocation->why);
        if (!err_failed(err)) {
            struct bytes bytes = {text.data == NULL ? "" : text.data, text.len};
            err = check_text(checking, args->operands[i], bytes);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    invocation->exit_code = checking->failed ? err_exit_code(ERR_BAD_SCRIPT) : 0;
    return ERR_OK;
}

static struct err check_run(struct invocation *invocation) {
    struct checking checking = {.invocation = invocation,
                                .talk = {.interrupt_fd = -1},
                                .paint = paint_of(STDOUT_FILENO, &invocation->env)};
    struct err err = check_files(&checking);
    talk_close(&checking.talk);
    return err;
}

const struct command command_workflow_check = {
    .group = "workflow",
    .name = "check",
    .summary = "Tell what is wrong with workflow scripts, without running them.",
    .operands = "FILE…",
    .about =
        "Syntax, meta, what no script may hold, options that agent() does not know. Ends with\n"
        "2 when there is an error; warnings are what may throw in a run. A daemon that runs asks\n"
        "the engine, which knows all of the language; without one that is said.\n",
    .talks = true,
    .run = check_run,
};

/* --- New -------------------------------------------------------------------------------------- */

/* Short enough to be read, and with most of what one needs. */
static const char template_head[] = "export const meta = {\n"
                                    "  name: \"";
static const char template_rest[] =
    "\",\n"
    "  description: \"Says what this workflow does, in one sentence.\",\n"
    "  phases: [{ title: \"Look\" }, { title: \"Report\" }],\n"
    "  args: {\n"
    "    type: \"object\",\n"
    "    properties: { target: { type: \"string\" } },\n"
    "  },\n"
    "};\n"
    "\n"
    "const { target = \".\" } = args ?? {};\n"
    "\n"
    "// All at once; who fails is null.\n"
    "phase(\"Look\");\n"
    "const findings = await parallel(\n"
    "  [\"correctness\", \"security\"].map((concern) => () =>\n"
    "    agent(`Look at ${target} for ${concern}. What is wrong, and where?`, {\n"
    "      label: concern,\n"
    "      schema: {\n"
    "        type: \"object\",\n"
    "        required: [\"problems\"],\n"
    "        properties: { problems: { type: \"array\", items: { type: \"string\" } } },\n"
    "      },\n"
    "    }),\n"
    "  ),\n"
    ");\n"
    "const problems = findings.flatMap((finding) => finding?.problems ?? []);\n"
    "log(`${problems.length} problems`);\n"
    "\n"
    "phase(\"Report\");\n"
    "return await agent(`Write a short report of these problems:\\n${problems.join(\"\\n\")}`);\n";

static bool is_plain_name(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strlen(name);
    return len > 0 && len <= 64 && strspn(name, letters) == len;
}

static struct err refuse_new(int os, const char *path, struct why *why) {
    if (os == EEXIST) {
        why_set(why, "%.250s is there already", path);
        return err_make(ERR_CONFLICT, "workflow: new");
    }
    why_set(why, "%.200s: %s", path, strerror(os));
    return err_from_errno(os, "workflow: new");
}

/* Never through a link: in somebody else's project it could lead anywhere. `path` begins with the
 * root of the project: a folder of its own in one of its folders would make that a project. */
static int create(const char *name, struct text *path) {
    static const char *const folders[] = {".drover", "workflows"};
    AUTO(fd_release) int fd = open(path->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    text_add_str(path, path->data[path->len - 1] == '/' ? "" : "/");
    for (size_t i = 0; fd >= 0 && i < COUNT_OF(folders); i++) {
        int next = -1;
        if (mkdirat(fd, folders[i], 0777) == 0 || errno == EEXIST) {
            next = openat(fd, folders[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        text_addf(path, "%s/", folders[i]);
        int os = errno;
        fd_release(&fd);
        errno = os;
        fd = next;
    }
    text_addf(path, "%s.js", name);
    const char *file = strrchr(path->data, '/') + 1;
    return fd < 0 ? -1 : openat(fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static struct err write_template(int fd, const char *name) {
    AUTO(text_done) struct text text;
    text_init(&text, 8 << 10);
    text_addf(&text, "// %s: run it with `drover run %s`.\n", name, name);
    text_addf(&text, "%s%s%s", template_head, name, template_rest);
    size_t at = 0;
    while (at < text.len) {
        ssize_t wrote = write(fd, text.data + at, text.len - at);
        if (wrote < 0 && errno != EINTR) {
            return err_from_errno(errno, "workflow: new");
        }
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return ERR_OK;
}

/* Names of folders are bytes of any kind. */
static void print_new(const char *name, const struct text *path) {
    AUTO(json_release) json_t *answer = json_object();
    AUTO(mem_release) char *plain = mem_copy(path->data, path->len);
    utf8_make_plain(plain, path->len);
    (void)json_object_set_new(answer, "name", json_string(name));
    (void)json_object_set_new(answer, "file", json_string(plain)); /* No memory: printed without. */
    talk_print(answer);
}

static struct err new_run(struct invocation *invocation) {
    const char *name = invocation->args.operands[0];
    AUTO(text_done) struct text path;
    char here[PATH_MAX], root[PATH_MAX];
    text_init(&path, 2 * LIMIT_PATH_MAX);
    if (!is_plain_name(name)) {
        why_set(&invocation->why, "NAME: 1 to 64 of A-Z, a-z, 0-9, '_', '-'");
        return err_make(ERR_USAGE, "workflow: name");
    }
    if (getcwd(here, sizeof here) == NULL) {
        why_set(&invocation->why, "the current folder: %s; go to another one", strerror(errno));
        return err_make(ERR_USAGE, "workflow: folder");
    }
    workflow_project_find(invocation, here, root);
    text_add_str(&path, root);
    AUTO(fd_release) int fd = create(name, &path);
    if (fd < 0) {
        return refuse_new(errno, path.data, &invocation->why);
    }
    struct err err = write_template(fd, name);
    if (err_failed(err)) {
        (void)unlink(path.data); /* Half of one is worse than none. */
        return err;
    }
    if (invocation->json) {
        print_new(name, &path);
    } else {
        printf("%s is written; run it with: drover run %s\n", path.data, name);
    }
    return ERR_OK;
}

const struct command command_workflow_new = {
    .group = "workflow",
    .name = "new",
    .summary = "Write .drover/workflows/NAME.js, an example to begin with.",
    .about = "It goes into the project: the nearest folder upward with .git, .drover, .claude or\n"
             ".boocode (of your home only .git counts), else the current one.\n",
    .operands = "NAME",
    .run = new_run,
};
