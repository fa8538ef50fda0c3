/* folder_removals.c: see the header. */
#include "engine/run/folder_removals.h"

static bool has_folders(const struct run_row *row) {
    return row->attempt > 0 && id_valid(row->run.data, row->run.len, "run");
}

void tx_folder_removal_add(struct tx *tx, const struct run_row *row) {
    if (has_folders(row)) {
        tx_do(tx,
              "INSERT INTO folder_removals (run, place, attempts)"
              " VALUES ($1, '', $2) ON CONFLICT (place, run) DO NOTHING",
              ARGS(arg_text(row->run), arg_int(row->attempt)));
    }
}

/* The row says the host of the last attempt, the span of each process its own. A name that an older
 * version gave is that of each host that has it with an id (home.h): a host that has no such folder
 * has nothing to remove.
 * An attempt whose end nobody has measured may live on a host that was removed, and this is the
 * last that is known of it. A database of one host has no list of hosts: nobody would read this. */
void tx_folder_removal_tell(struct tx *tx, const struct run_row *row) {
    if (!has_folders(row)) {
        return;
    }
    tx_do(tx,
          "INSERT INTO folder_removals (run, place, attempts)"
          " SELECT $1, h.place, $2 FROM hosts h WHERE h.place <> '' AND (h.place = $3"
          " OR ($3 <> '' AND substr(h.place, 1, length($3) + 1) = $3 || '/')"
          " OR EXISTS (SELECT 1 FROM spans s WHERE s.run = $4 AND s.step = 0 AND (s.host = h.place"
          " OR (s.host <> '' AND substr(h.place, 1, length(s.host) + 1) = s.host || '/'))))"
          " ON CONFLICT (place, run) DO NOTHING",
          ARGS(arg_text(row->run), arg_int(row->attempt), arg_text(row->host), arg_int(row->id)));
    tx_do(tx,
          "INSERT INTO folder_removals (run, place, attempts)"
          " SELECT DISTINCT $1, s.host, $2 FROM spans s WHERE s.run = $3 AND s.step = 0"
          " AND s.host <> '' AND s.memory_kb IS NULL AND EXISTS (SELECT 1 FROM hosts)"
          " AND NOT EXISTS (SELECT 1 FROM hosts h WHERE h.place = s.host"
          " OR substr(h.place, 1, length(s.host) + 1) = s.host || '/')"
          " ON CONFLICT (place, run) DO NOTHING",
          ARGS(arg_text(row->run), arg_int(row->attempt), arg_int(row->id)));
}

struct err tx_folder_removals_find(struct tx *tx, struct folder_removals *removals) {
    size_t seen = 0;
    removals->count = 0;
    removals->next = removals->after;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT run, attempts FROM folder_removals"
                                " WHERE place = $1 AND run > $2 ORDER BY run LIMIT $3",
                                ARGS(arg_text(removals->place), arg_str(removals->after.text),
                                     arg_int(FOLDER_REMOVALS_PAGE)));
    for (; seen < FOLDER_REMOVALS_PAGE && rows_step(rows); seen++) {
        struct bytes run = rows_text(rows, 0);
        if (id_valid(run.data, run.len, "run")) {
            removals->next = id_copy(run);
            removals->page[removals->count++] =
                (struct folder_removal){.run = removals->next, .attempts = rows_int(rows, 1)};
        }
    }
    /* A page of rows that name no run would be read for ever. */
    removals->more = seen == FOLDER_REMOVALS_PAGE && removals->count > 0;
    return tx_error(tx);
}

struct err tx_folder_removals_done(struct tx *tx, const struct folder_removals *removals) {
    for (size_t i = 0; i < removals->count; i++) {
        const struct folder_removal *removal = &removals->page[i];
        if (removal->attempts != 0) {
            tx_do(tx, "DELETE FROM folder_removals WHERE place = $1 AND run = $2",
                  ARGS(arg_text(removals->place), arg_str(removal->run.text)));
        }
    }
    return tx_error(tx);
}

struct err tx_folder_removals_forget(struct tx *tx, struct bytes place, bool *ret_more) {
    *ret_more =
        tx_change(tx,
                  "DELETE FROM folder_removals WHERE place = $1 AND run IN (SELECT run"
                  " FROM folder_removals WHERE place = $1 ORDER BY run LIMIT $2)",
                  ARGS(arg_text(place), arg_int(FOLDER_REMOVALS_FORGET))) == FOLDER_REMOVALS_FORGET;
    return tx_error(tx);
}
