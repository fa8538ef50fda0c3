/* command_workflow_write.c: drover workflow check, new: for those who write them. No daemon is
 * asked: a file is read as the daemon would read it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "script/catalog.h"

/* --- Check ------------------------------------------------------------------------------------ */

struct checking {
    const struct invocation *invocation;
    struct paint paint;
    bool failed; /* One of the files has an error. */
};

static void print_problem(const struct checking *checking, const char *file,
                          const struct script_fault *fault, bool grave) {
    enum colour colour = grave ? COLOUR_RED : COLOUR_YELLOW;
    printf("%s:%u:%u: %s%s%s: %s\n", file, fault->line, fault->column,
           paint_begin(&checking->paint, colour), grave ? "error" : "warning",
           paint_end(&checking->paint, colour), fault->message);
}

static void print_notes(struct checking *checking, const char *file,
                        const struct script_prepared *prepared) {
    bool grave = false;
    for (unsigned i = 0; i < prepared->note_count; i++) {
        print_problem(checking, file, &prepared->notes[i].fault, prepared->notes[i].grave);
        grave |= prepared->notes[i].grave;
    }
    if (!grave) {
        printf("%s: %sok%s: %s (%s)\n", file, paint_begin(&checking->paint, COLOUR_GREEN),
               paint_end(&checking->paint, COLOUR_GREEN), script_meta_name(prepared),
               script_form_name(prepared->form));
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

static struct err print_json(const char *file, const struct script_prepared *prepared,
                             const struct script_fault *fault) {
    AUTO(text_done) struct text name, verdict;
    text_init(&name, 64 << 10);
    text_init(&verdict, 4 << 20);
    text_add_json(&name, file, strlen(file));
    script_verdict_write(prepared, fault, &verdict);
    if (text_failed(&name) || text_failed(&verdict)) {
        return err_make(ERR_OUT_OF_MEMORY, "workflow: verdict");
    }
    printf("{\"file\":%s,%s\n", name.data, verdict.data + 1); /* One object of both. */
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
    checking->failed |= !valid || is_grave(&prepared);
    if (checking->invocation->json) {
        return print_json(file, valid ? &prepared : NULL, &fault);
    }
    if (valid) {
        print_notes(checking, file, &prepared);
    } else {
        print_problem(checking, file, &fault, true);
    }
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

static struct err check_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    struct checking checking = {.invocation = invocation,
                                .paint = paint_of(STDOUT_FILENO, &invocation->env)};
    for (unsigned i = 0; i < args->operand_count; i++) {
        AUTO(text_done) struct text text;
        text_init(&text, SCRIPT_SOURCE_MAX + (64 << 10));
        struct err err = read_whole(args->operands[i], &text, &invocation->why);
        if (!err_failed(err)) {
            struct bytes bytes = {text.data == NULL ? "" : text.data, text.len};
            err = check_text(&checking, args->operands[i], bytes);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    invocation->exit_code = checking.failed ? err_exit_code(ERR_BAD_SCRIPT) : 0;
    return ERR_OK;
}

const struct command command_workflow_check = {
    .group = "workflow",
    .name = "check",
    .summary = "Tell what is wrong with workflow scripts, without running them.",
    .operands = "FILE…",
    .operands_min = 1,
    .operands_max = ARGS_OPERANDS_MAX,
    .about =
        "Syntax, meta, what no script may hold, options that agent() does not know. Ends with\n"
        "2 when there is an error; warnings are what may throw in a run.\n",
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

/* Never through a link: in somebody else's project it could lead anywhere. */
static int create(const char *name, struct text *path) {
    static const char *const folders[] = {".drover", "workflows"};
    AUTO(fd_release) int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
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

static struct err new_run(struct invocation *invocation) {
    const char *name = invocation->args.operands[0];
    AUTO(text_done) struct text path;
    text_init(&path, LIMIT_PATH_MAX);
    if (!is_plain_name(name)) {
        why_set(&invocation->why, "NAME: 1 to 64 of A-Z, a-z, 0-9, '_', '-'");
        return err_make(ERR_USAGE, "workflow: name");
    }
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
        printf("{\"name\":\"%s\",\"file\":\"%s\"}\n", name, path.data);
    } else {
        printf("%s is written; run it with: drover run %s\n", path.data, name);
    }
    return ERR_OK;
}

const struct command command_workflow_new = {
    .group = "workflow",
    .name = "new",
    .summary = "Write .drover/workflows/NAME.js, an example to begin with.",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .run = new_run,
};
