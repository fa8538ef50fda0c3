/* script.c: the script that a run began with, and those that workflow() resolved within it.
 *
 * A run keeps the text of each script by its hash, whatever became of the file since, so what is
 * shown here is what ran. The form is read from the text again, as a worker reads it: rows do not
 * have it. */
#include "api/run/runs.h"
#include "api/workflow/runs.h"
#include "base/json/json.h"
#include "engine/workflow/workflows.h"
#include "script/meta.h"

struct script_listing {
    struct text *answer;
    struct bytes wanted; /* File, name or hash of the script that is shown; "": that of the run. */
    size_t count;
    bool more;
    struct bytes file, hash; /* The wanted script, in the arena; no data: none. */
};

/* A later script of the same file or name takes the place of an earlier one. */
static struct err script_list(void *ctx, const struct workflow_resolved *script) {
    struct script_listing *listing = ctx;
    const struct bytes name = script_stem(script->file), wanted = listing->wanted;
    if (listing->count++ == WORKFLOW_RESOLVED_MAX) {
        listing->more = true;
        return ERR_OK;
    }
    text_add_str(listing->answer, listing->count > 1 ? ",{" : "{");
    text_add_member(listing->answer, "name", name);
    text_add_member(listing->answer, "file", script->file);
    text_add_member(listing->answer, "hash", script->hash);
    text_add_char(listing->answer, '}');
    if (wanted.len > 0 && (bytes_equal(wanted, script->file) || bytes_equal(wanted, script->hash) ||
                           bytes_equal(wanted, name))) {
        listing->file = script->file;
        listing->hash = script->hash;
    }
    return ERR_OK;
}

static void source_write(struct bytes source, struct bytes file, struct text *text) {
    const struct script_source script = {.text = source, .file = file};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault ignored = {.line = 0}; /* The script was read before the run began. */
    const bool valid = !err_failed(script_prepare(&script, &prepared, &ignored));
    text_add_member_or_null(text, "name",
                            valid ? bytes_of(script_meta_name(&prepared)) : script_stem(file));
    text_add_member(text, "file", file);
    text_add_member_or_null(text, "form", bytes_of(valid ? script_form_name(prepared.form) : NULL));
    text_add_member(text, "source", source);
}

static struct err script_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct text *answer = &request->op.answer;
    struct run_row row = {.id = 0};
    struct workflow_row workflow;
    bool found = false;
    TRY(request_run(tx, request, &row));
    if (row.kind != KIND_WORKFLOW) {
        return err_why(&request->op.why, ERR_NOT_FOUND,
                       "only workflows have a script, and this run is of kind %s",
                       run_kind_name(row.kind));
    }
    struct err err = tx_workflow_find(tx, row.run, &found, &workflow);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err
                               : err_why(&request->op.why, ERR_NOT_FOUND,
                                         "the script of this run was removed with its agents");
    }
    AUTO(json_release) json_t *spec = NULL;
    err = json_parse_wrapped(workflow.run.spec, &spec, NULL);
    if (err_failed(err) && err.code != ERR_BAD_JSON) { /* Members of a damaged spec are "". */
        return err;
    }
    struct script_listing listing = {.answer = answer,
                                     .wanted = param_text(request->op.exchange, "file")};
    const struct bytes own = json_bytes(spec, "file");
    struct bytes source = workflow.script, file = own;
    text_add_str(answer, "{\"scripts\":[");
    err = tx_workflow_resolved(tx, row.id, script_list, &listing);
    if (!err_failed(err) && listing.hash.data != NULL) {
        file = listing.file;
        err = tx_script_find(tx, listing.hash, &found, &source);
    } else if (listing.wanted.len > 0 && !bytes_equal(listing.wanted, own)) {
        found = false;
    }
    if (err_failed(err) || !found) {
        return err_failed(err)
                   ? err
                   : err_why(&request->op.why, ERR_NOT_FOUND,
                             "workflow() of this run resolved no script '%.*s'; the list without "
                             "?file= names those that it did",
                             (int)(listing.wanted.len < 200 ? listing.wanted.len : 200),
                             listing.wanted.data);
    }
    text_add_char(answer, ']');
    if (listing.more) {
        text_add_member_bool(answer, "scripts_more", true);
    }
    text_add_member(answer, "hash",
                    listing.hash.data != NULL ? listing.hash : json_bytes(spec, "script"));
    source_write(source, file, answer);
    text_add_char(answer, '}');
    return op_written(&request->op);
}

const struct request_kind workflows__script = {.one = &runs__one, .work = script_work};
