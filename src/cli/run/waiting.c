/* waiting.c: see waiting.h. A table from kinds to words and to commands. */
#include "cli/run/waiting.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/table.h"
#include "cli/run/view.h"

/* {id}, {name} and {project} in a command are members of the row. */
static const struct {
    const char *kind, *one, *many, *next;
} kinds[] = {
    {"ask", "question", "questions", "drover approve {id}"},
    {"question", "question about a task", "questions about tasks", "drover task show {name} {p}"},
    {"plan", "plan to approve", "plans to approve", "drover task show {name} {p}"},
    {"review", "result to review", "results to review", "drover task show {name} {p}"},
    {"stopped", "task that stands still", "tasks that stand still", "drover task show {name} {p}"},
    {"mail", "mail to answer", "mails to answer", "drover mail show {id}"},
    {"delivery", "notice that cannot be delivered", "notices that cannot be delivered",
     "drover inbox show {id}"},
    {"budget", "budget that is used up", "budgets that are used up", "drover budget show {name}"},
    {"agent", "agent that cools down", "agents that cool down", "drover agent show {name}"},
    {"task_failed", "failed task", "failed tasks", "drover task show {name} {p}"},
    {"run_failed", "failed run", "failed runs", "drover show {id}"},
    {"session_failed", "failed answer", "failed answers", "drover chat --session {id}"},
};

void waiting_counts_add(const json_t *waiting, struct text *text) {
    const json_t *counts = json_object_get(waiting, "kinds");
    for (size_t i = 0, added = 0; i < COUNT_OF(kinds); i++) {
        const long long count = (long long)talk_int(counts, kinds[i].kind);
        if (count > 0) {
            text_addf(text, "%s%lld %s", added++ > 0 ? ", " : "", count,
                      count == 1 ? kinds[i].one : kinds[i].many);
        }
    }
}

/* Number of the row's kind; COUNT_OF(kinds): a later daemon has more of them. */
static size_t kind_of(const json_t *row) {
    size_t at = 0;
    while (at < COUNT_OF(kinds) && strcmp(kinds[at].kind, talk_text(row, "kind")) != 0) {
        at++;
    }
    return at;
}

static void kind_add(const json_t *row, struct text *text) {
    const size_t at = kind_of(row);
    run_view_plain(text, at < COUNT_OF(kinds) ? kinds[at].one : talk_text(row, "kind"));
}

/* A task by its number and title, others by their name; then why. */
static void what_add(const json_t *row, struct text *text) {
    const char *const parts[] = {talk_text(row, "name"), talk_text(row, "text"),
                                 talk_text(row, "about")};
    for (size_t i = 0, added = 0; i < COUNT_OF(parts); i++) {
        if (parts[i][0] != '\0') {
            text_add_str(text, added++ == 0 ? "" : i == 2 ? ": " : "  ");
            run_view_plain(text, parts[i]);
        }
    }
    const long long runs = (long long)talk_int(row, "runs");
    if (runs > 0) {
        text_addf(text, ": %lld run%s", runs, runs == 1 ? " waits" : "s wait");
    }
}

static void next_add(const json_t *row, struct text *text) {
    const size_t at = kind_of(row);
    for (const char *next = at < COUNT_OF(kinds) ? kinds[at].next : ""; *next != '\0'; next++) {
        if (strncmp(next, "{id}", 4) == 0) {
            run_view_plain(text, talk_text(row, "id"));
            next += 3;
        } else if (strncmp(next, "{name}", 6) == 0) {
            run_view_plain(text, talk_text(row, "name"));
            next += 5;
        } else if (strncmp(next, "{p}", 3) == 0) {
            text_add_str(text, "--project ");
            run_view_plain(text, talk_text(row, "project"));
            next += 2;
        } else {
            text_add_char(text, *next);
        }
    }
}

static const struct column columns[] = {
    COLUMN_ADD("WAITS", -24, kind_add), COLUMN_LEAVING("PROJECT", -12, "project", COLUMN_OPTIONAL),
    TIME_COLUMN("SINCE", "since_ms"),   COLUMN_ADD("WHAT", -46, what_add),
    COLUMN_WRAPPED("NEXT", next_add),   COLUMN_END,
};

bool waiting_print(const struct invocation *invocation, const json_t *items) {
    AUTO(json_release) json_t *rest = json_array();
    json_t *row = NULL;
    size_t at = 0;
    json_array_foreach(items, at, row) {
        if (strcmp(talk_text(row, "kind"), "ask") != 0) {
            (void)json_array_append(rest, row); /* Missing at worst. */
        }
    }
    if (json_array_size(rest) > 0) {
        table_print(invocation, columns, rest, NULL /* empty */);
    }
    return json_array_size(rest) > 0;
}
