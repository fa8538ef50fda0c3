/* json.c: a run as clients see it: the fields of rules/run/fields.c. */
#include "base/fields/fields.h"
#include "base/text.h"
#include "engine/run/runs.h"

void run_write_wait(const struct run_row *row, struct text *text) {
    fields_add_one(&run_fields, "state", row, text);
    fields_add_one(&run_fields, "gate", row, text);
    fields_add_one(&run_fields, "resume_at_ms", row, text);
}

void run_write_json(const struct run_row *row, enum run_form form, struct text *text) {
    fields_write(&run_fields, form == RUN_WHOLE ? FIELD_LISTED | FIELD_WHOLE : FIELD_LISTED, row,
                 text);
}

void run_write_shown(const struct tx *tx, const struct run_row *row,
                     const struct run_bounds *bounds, struct text *text) {
    struct run_row shown = *row;
    run_shown(&shown, tx_epoch(tx), run_bounds_hold(bounds));
    run_away_mark(&shown, bounds);
    run_write_json(&shown, RUN_LIGHT, text);
}
