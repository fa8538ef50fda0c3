/* home.c: one word in the row of the node. */
#include "engine/base/home.h"

#include <string.h>

#include "engine/base/follow.h"

struct place {
    struct bytes machine, folder, id;
};

/* What /etc/machine-id says between the first boot and the moment at which it is written. */
static bool machine_known(struct bytes machine) {
    return machine.len > 0 && !bytes_equal(machine, BYTES("uninitialized"));
}

/* The part of `io_rest` before its first slash, which is taken off with it. False: no slash, and
 * the part is all of it. */
static bool part_take(struct bytes *io_rest, struct bytes *ret_part) {
    const char *slash = io_rest->len == 0 ? NULL : memchr(io_rest->data, '/', io_rest->len);
    if (slash == NULL) {
        *ret_part = *io_rest;
        *io_rest = (struct bytes){"", 0};
        return false;
    }
    size_t len = (size_t)(slash - io_rest->data);
    *ret_part = (struct bytes){io_rest->data, len};
    *io_rest = (struct bytes){slash + 1, io_rest->len - len - 1};
    return true;
}

/* False: a word that names no place. */
static bool place_read(struct bytes text, struct place *ret_place) {
    struct bytes rest = text;
    if (!part_take(&rest, &ret_place->machine)) {
        return false;
    }
    (void)part_take(&rest, &ret_place->folder); /* Without an id it is the last part. */
    ret_place->id = rest;
    return true;
}

struct bytes home_without_id(struct bytes place) {
    struct place parts;
    if (!place_read(place, &parts) || parts.id.len == 0) {
        return (struct bytes){"", 0};
    }
    return (struct bytes){place.data, place.len - parts.id.len - 1};
}

static bool part_same(struct bytes a, struct bytes b) {
    return a.len == 0 || b.len == 0 || bytes_equal(a, b);
}

bool home_same(const struct home_places *places) {
    struct place stored, ours;
    return place_read(places->stored, &stored) && place_read(places->ours, &ours) &&
           (!machine_known(stored.machine) || !machine_known(ours.machine) ||
            bytes_equal(stored.machine, ours.machine)) &&
           part_same(stored.folder, ours.folder) && part_same(stored.id, ours.id);
}

/* The same place, of which we know more now: a later copy is to be told from it. */
static bool learned(const struct home_places *places) {
    struct place stored, ours;
    return place_read(places->stored, &stored) && place_read(places->ours, &ours) &&
           ((!machine_known(stored.machine) && machine_known(ours.machine)) ||
            (stored.id.len == 0 && ours.id.len > 0));
}

struct err tx_home_take(struct tx *tx, struct bytes place) {
    tx_do(tx, "UPDATE nodes SET home = $1, home_epoch = $2",
          ARGS(arg_text(place), arg_int(tx_epoch(tx))));
    return tx_error(tx);
}

struct err tx_home_find(struct tx *tx, struct bytes place, struct home_found *ret_found) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT home, home_epoch FROM nodes", NO_ARGS);
    if (rows == NULL) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_STORE_CORRUPT, "home: nodes");
    }
    const struct home_places places = {.stored = rows_text(rows, 0), .ours = place};
    bool fresh = places.stored.len == 0;
    enum home home = fresh || home_same(&places) ? HOME_OURS : HOME_OTHER;
    *ret_found = (struct home_found){
        .home = home, .since_epoch = home == HOME_OTHER ? tx_epoch(tx) : rows_int(rows, 1)};
    bool write = fresh || (home == HOME_OURS && learned(&places));
    rows_release(&rows);
    if (write) { /* The same place, if by more words. */
        tx_do(tx, "UPDATE nodes SET home = $1", ARGS(arg_text(place)));
    }
    return tx_error(tx);
}

void tx_hold_tell(struct tx *tx, bool held) {
    AUTO(text_done) struct text data = text_up_to(64);
    text_add_char(&data, '{');
    text_add_member_bool(&data, "held", held);
    text_add_char(&data, '}');
    const struct bytes last =
        tx_text(tx,
                "SELECT e.data FROM streams s JOIN events e ON e.stream = s.id"
                " WHERE s.owner = 'local' AND s.name = 'system'"
                " AND e.type = 'hold_changed' ORDER BY e.seq DESC LIMIT 1",
                NO_ARGS);
    if (last.len == 0 ? held : !bytes_equal(last, text_bytes(&data))) {
        follow_tell(tx, &(struct follow){.name = "hold", .stream = "system"}, &data);
    }
}
