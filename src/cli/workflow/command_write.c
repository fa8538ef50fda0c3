/* command_write.c: drover workflow check, new: for those who write them. A file is read here as the
 * daemon would read it; the engine is asked through a daemon, if one runs. */
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
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/resource.h"
#include "cli/terminal/paint.h"
#include "cli/workflow/request.h"
#include "script/catalog.h"

/* --- Check ------------------------------------------------------------------------------------ */

struct checking {
    struct invocation *invocation;
    struct paint paint;
    struct talk talk;  /* Owned. */
    struct err absent; /* Reason why the engine was not asked: holds for all that come, too. */
    bool failed;       /* One of the files has an error. */
};

static void problem_print(const struct checking *checking, const char *file,
                          const struct script_fault *fault, bool grave) {
    enum colour colour = grave ? COLOUR_RED : COLOUR_YELLOW;
    printf("%s:%u:%u: %s%s%s: %s\n", file, fault->line, fault->column,
           paint_begin(&checking->paint, colour), grave ? "error" : "warning",
           paint_end(&checking->paint, colour), fault->message);
}

static void verdict_print(const struct checking *checking, const char *file,
                          const struct script_verdict *verdict) {
    const struct script_prepared *prepared = verdict->prepared;
    bool grave = verdict->fault != NULL;
    if (verdict->fault != NULL) {
        problem_print(checking, file, verdict->fault, true);
    }
    for (unsigned i = 0; prepared != NULL && i < prepared->note_count; i++) {
        problem_print(checking, file, &prepared->notes[i].fault, prepared->notes[i].grave);
        grave |= prepared->notes[i].grave;
    }
    if (grave) {
        return;
    }
    enum colour colour = verdict->checked ? COLOUR_GREEN : COLOUR_YELLOW;
    printf("%s: %s%s%s: %s (%s)", file, paint_begin(&checking->paint, colour),
           verdict->checked ? "ok" : "not checked by the engine",
           paint_end(&checking->paint, colour), script_meta_name(prepared),
           script_form_name(prepared->form));
    if (!verdict->checked) {
        printf(": %s", checking->absent.code == ERR_UNREACHABLE
                           ? "no daemon answers; start one with `drover serve`"
                           : "the daemon could not say");
    }
    putchar('\n');
}

/* A daemon that is not there is asked once. What our own reader let pass can have but one thing
 * wrong that it does not say itself: its syntax. */
static struct err engine_ask(struct checking *checking, const char *file, struct bytes script,
                             struct script_verdict *verdict, struct script_fault *fault) {
    AUTO(text_done) struct text body = text_up_to(3 << 20);
    AUTO(json_release) json_t *answer = NULL;
    struct why ignored = {""}; /* That the engine was not asked is all that is reported. */
    struct err err = ERR_OK;
    if (err_failed(checking->absent)) {
        return ERR_OK;
    }
    if (checking->talk.client == NULL) {
        err = talk_open(&checking->talk, checking->invocation);
    }
    text_add_char(&body, '{');
    text_add_member(&body, "script", script);
    text_add_member(&body, "file", bytes_of(file));
    text_add_char(&body, '}');
    const struct resource check = {
        .method = "POST", .base = "/api/v1/scripts/check", .body = &body};
    err = err_failed(err) ? err : resource_ask(&checking->talk, &check, &answer, &ignored);
    if (err.code == ERR_INTERRUPTED) {
        return err;
    }
    checking->absent = err.code == ERR_UNREACHABLE ? err : ERR_OK;
    verdict->checked = json_is_true(json_object_get(answer, "checked"));
    const json_t *problem = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(answer, "problems"), at, problem) {
        if (verdict->checked && verdict->fault == NULL &&
            strcmp(talk_text(problem, "code"), "syntax_error") == 0) {
            *fault = (struct script_fault){.line = (unsigned)talk_int(problem, "line"),
                                           .column = (unsigned)talk_int(problem, "column"),
                                           .code = "syntax_error"};
            (void)snprintf(fault->message, sizeof fault->message, "%s",
                           talk_text(problem, "detail")); /* Cut to what fits. */
            verdict->fault = fault;
        }
    }
    return ERR_OK;
}

static struct err file_check(struct checking *checking, const char *file) {
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    AUTO(text_done) struct text text = text_up_to(SCRIPT_SOURCE_MAX + (64 << 10));
    struct script_fault fault = {.line = 0};
    struct script_verdict verdict = {.prepared = NULL};
    char buffer[16 << 10];
    AUTO(fd_release) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : 1;
    /* The loop takes a byte more than a script may have, so that its reader refuses it. */
    while (got > 0 && text.len <= SCRIPT_SOURCE_MAX) {
        got = read(fd, buffer, sizeof buffer);
        text_add(&text, buffer, got > 0 ? (size_t)got : 0);
    }
    if (got < 0) {
        int os = errno;
        return err_why(&checking->invocation->why, os == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                       "%.200s: %s", file, strerror(os));
    }
    if (text_failed(&text)) {
        return err_make(ERR_OUT_OF_MEMORY, "workflow: read");
    }
    const struct script_source source = {text_bytes(&text), bytes_of(file)};
    struct err err = script_prepare(&source, &prepared, &fault);
    if (err.code == ERR_BAD_SCRIPT) {
        verdict.fault = &fault;
    } else if (!err_failed(err)) {
        verdict.prepared = &prepared;
        err = engine_ask(checking, file, source.text, &verdict, &fault);
    }
    if (err_failed(err) && err.code != ERR_BAD_SCRIPT) {
        return err;
    }
    checking->failed |= verdict.fault != NULL;
    for (unsigned i = 0; i < prepared.note_count; i++) {
        checking->failed |= prepared.notes[i].grave;
    }
    if (checking->invocation->json) {
        AUTO(text_done) struct text name = text_up_to(64 << 10), row = text_up_to(4 << 20);
        text_add_json(&name, file, strlen(file));
        script_verdict_write(&verdict, &row);
        if (text_failed(&name) || text_failed(&row)) {
            return err_make(ERR_OUT_OF_MEMORY, "workflow: verdict");
        }
        printf("{\"file\":%s,%s\n", name.data, row.data + 1); /* One object of both. */
        return ERR_OK;
    }
    verdict_print(checking, file, &verdict);
    return ERR_OK;
}

static struct err check_run(struct invocation *invocation) {
    struct checking checking = {.invocation = invocation,
                                .talk = {.interrupt_fd = -1},
                                .paint = paint_of(STDOUT_FILENO, &invocation->env)};
    struct err err = ERR_OK;
    for (unsigned i = 0; i < invocation->args.operand_count && !err_failed(err); i++) {
        err = file_check(&checking, invocation->args.operands[i]);
    }
    talk_close(&checking.talk);
    invocation->exit_code = checking.failed ? err_exit_code(ERR_BAD_SCRIPT) : 0;
    return err;
}

const struct command command_workflow_check = {
    COMMAND("workflow", "check", "FILE…",
            "Tell what is wrong with workflow scripts, without running them."),
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

/* Never through a link: in somebody else's project it could lead anywhere. `path` begins with the
 * root of the project: a folder of its own in one of its folders would make that a project. */
static int file_create(const char *name, struct text *path) {
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

static struct err new_run(struct invocation *invocation) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *name = invocation->args.operands[0];
    size_t len = strlen(name);
    AUTO(text_done) struct text path = text_up_to(2 * LIMIT_PATH_MAX);
    char root[PATH_MAX];
    if (len == 0 || len > 64 || strspn(name, letters) != len) {
        return err_why(&invocation->why, ERR_USAGE, "NAME: 1 to 64 of A-Z, a-z, 0-9, '_', '-'");
    }
    struct err err = workflow_project_find(invocation, root);
    if (err_failed(err)) {
        return err;
    }
    text_add_str(&path, root);
    AUTO(fd_release) int fd = file_create(name, &path);
    int os = errno;
    if (fd < 0 && os == EEXIST) {
        return err_why(&invocation->why, ERR_CONFLICT, "%.250s is there already", path.data);
    }
    if (fd < 0) {
        why_set(&invocation->why, "%.200s: %s", path.data, strerror(os));
        return err_from_errno(os, "workflow: new");
    }
    AUTO(text_done) struct text text = text_up_to(8 << 10);
    text_addf(&text, "// %s: run it with `drover run %s`.\n", name, name);
    text_addf(&text, "%s%s%s", template_head, name, template_rest);
    for (size_t at = 0; at < text.len;) {
        ssize_t wrote = write(fd, text.data + at, text.len - at);
        if (wrote < 0 && errno != EINTR) {
            os = errno;
            (void)unlink(path.data); /* Half of one is worse than none. */
            return err_from_errno(os, "workflow: new");
        }
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    if (invocation->json) {
        AUTO(json_release) json_t *answer = NULL;
        AUTO(mem_release) char *plain = mem_copy(path.data, path.len);
        utf8_make_plain(plain, path.len); /* Names of folders are bytes of any kind. */
        answer = json_pack("{s:s,s:s}", "name", name, "file", plain);
        talk_print(answer);
    } else {
        printf("%s is written; run it with: drover run %s\n", path.data, name);
    }
    return ERR_OK;
}

const struct command command_workflow_new = {
    COMMAND("workflow", "new", "NAME",
            "Write .drover/workflows/NAME.js, an example to begin with."),
    .about = "It goes into the project: the nearest folder upward with .git, .drover, .claude or\n"
             ".boocode (of your home only .git counts), else the current one.\n",
    .run = new_run,
};
