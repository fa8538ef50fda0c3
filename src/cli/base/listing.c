/* listing.c: see listing.h. */
#include "cli/base/listing.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/client.h"

/* --- Filters ---------------------------------------------------------------------------------- */

/* Filters of all commands: flag, and parameter of the API. A command has those in its own table. */
static const struct {
    const char *flag, *param;
} filters[] = {
    {"state", "state"},     {"kind", "kind"},     {"role", "role"}, {"project", "project"},
    {"session", "session"}, {"parent", "parent"}, {"root", "root"}, {"run", "run"},
    {"topic", "topic"},     {"since", "since"},   {"search", "q"},
};

static void filter_add(struct text *target, const struct invocation *invocation,
                       const struct flag *flag, const char *param) {
    const struct args *args = &invocation->args;
    text_addf(target, "%c%s=", strchr(target->data, '?') == NULL ? '?' : '&', param);
    if (flag->kind == FLAG_DURATION) {
        int64_t since_ms = world_wall_ms(invocation->world) - args_int(args, flag->name, 0);
        text_add_int(target, since_ms > 0 ? since_ms : 0);
    } else if (flag->kind == FLAG_LIST) {
        unsigned cursor = 0;
        const char *value = NULL;
        for (const char *comma = ""; (value = args_next(args, flag->name, &cursor)) != NULL;
             comma = ",") {
            text_add_str(target, comma);
            client_add_escaped(target, value);
        }
    } else {
        client_add_escaped(target, args_text(args, flag->name));
    }
}

bool listing_state_fits(const struct args *args, const char *state) {
    unsigned cursor = 0;
    const char *list = NULL;
    while ((list = args_next(args, "state", &cursor)) != NULL) {
        for (const char *at = list;; at++) {
            size_t len = strcspn(at, ",");
            if (bytes_is((struct bytes){at, len}, state)) {
                return true;
            }
            at += len;
            if (at[0] == '\0') {
                break;
            }
        }
    }
    return !args_given(args, "state");
}

struct err listing_path(struct invocation *invocation, const char *path, enum listing_filters which,
                        struct text *target) {
    const struct args *args = &invocation->args;
    text_init(target, 8 << 10);
    text_add_str(target, path);
    for (const struct flag *flag = args->command->flags; flag->name != NULL; flag++) {
        bool left_out = which == LISTING_ALL_BUT_STATE && strcmp(flag->name, "state") == 0;
        for (size_t i = 0; i < COUNT_OF(filters) && !left_out; i++) {
            if (strcmp(filters[i].flag, flag->name) == 0 && args_given(args, flag->name)) {
                filter_add(target, invocation, flag, filters[i].param);
            }
        }
    }
    if (text_failed(target)) {
        return err_why(&invocation->why, ERR_USAGE, "the filters are too long");
    }
    return ERR_OK;
}

/* --- Rows ------------------------------------------------------------------------------------- */

struct printing {
    const struct listing *listing;
    bool headed; /* Whether the table has its first line, which it gets with the first answer. */
};

static void head_print_once(struct printing *printing) {
    if (!printing->headed && !printing->listing->invocation->json) {
        printing->listing->head(printing->listing->ctx);
    }
    printing->headed = true;
}

static void row_print(void *ctx, const json_t *item) {
    struct printing *printing = ctx;
    head_print_once(printing);
    if (printing->listing->invocation->json) {
        talk_print(item);
    } else {
        printing->listing->row(printing->listing->ctx, item);
    }
}

static void end_print(const struct invocation *invocation, const struct talk_end *end) {
    long long shown = (long long)end->shown, total = (long long)end->total;
    if (args_on(&invocation->args, "total") && invocation->json) {
        printf("{\"shown\":%lld,\"total\":%lld,\"more\":%s}\n", shown, total,
               end->total_more ? "true" : "false");
    } else if (args_on(&invocation->args, "total")) {
        printf("%lld of %s%lld\n", shown, end->total_more ? "more than " : "", total);
    } else if (end->more && !invocation->json) {
        (void)fflush(stdout); /* A failure shows again at the end. */
        fprintf(stderr, "more: %lld rows are shown; --limit N shows others, --total counts them\n",
                shown);
    }
}

struct err listing_print(struct talk *talk, const struct listing *listing) {
    struct invocation *invocation = listing->invocation;
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text target = {0};
    struct printing printing = {.listing = listing};
    struct talk_end end = {.shown = 0};
    struct err err = listing_path(invocation, listing->path, LISTING_ALL, &target);
    if (err_failed(err)) {
        return err;
    }
    const struct talk_rows rows = {
        .path = target.data,
        .most = args_given(args, "limit") ? args_int(args, "limit", 0) : listing->most,
        .total = args_on(args, "total"),
        .each = row_print,
        .ctx = &printing,
        .end = &end,
    };
    err = talk_rows(talk, &rows, &invocation->why);
    if (!err_failed(err)) {
        head_print_once(&printing);
        end_print(invocation, &end);
    }
    return err;
}

struct err listing_run(const struct listing *listing) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, listing->invocation);
    return err_failed(err) ? err : listing_print(&talk, listing);
}

struct err listing_command(struct invocation *invocation) {
    struct listing listing = *invocation->args.command->listing;
    listing.invocation = invocation;
    return listing_run(&listing);
}
