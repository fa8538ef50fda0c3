/* migrate.c: brings a database to the schema of this binary.
 *
 * Each migration is one transaction that also writes its number, so a crash leaves the schema
 * before it or the one after it, and the next start goes on from there. It comes before the epoch
 * is raised: no rows are read or served in between, nothing is prepared yet, and the daemon that
 * led until then is fenced or gone. A migration only adds (scripts/checks/migrations.py), so that
 * it is short however large the tables are. The way back is the copy that is kept before the first
 * one. The dialects differ in three words; whatever else differs would be a rule hidden in DDL, and
 * is not allowed.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/driver.h"
#include "store/migrations.h"

enum { SCRIPT_MAX = 1 << 20 };

int64_t store__schema_known(void) {
    size_t count = 0;
    (void)migrations_get(&count); /* Only the number is wanted. */
    return (int64_t)count;
}

static const char *word_for(const struct driver_words *words, const char *name, size_t len) {
    const struct {
        const char *name, *text;
    } table[] = {{"id", words->id}, {"int", words->integer}, {"strict", words->strict}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
            return table[i].text;
        }
    }
    return NULL;
}

/* Our own text: a word that is not known is our bug. */
static void add_substituted(struct text *script, const char *sql,
                            const struct driver_words *words) {
    const char *at = strchr(sql, '@');
    while (at != NULL) {
        const char *end = strchr(at + 1, '@');
        assert(end != NULL);
        const char *word = word_for(words, at + 1, (size_t)(end - at - 1));
        assert(word != NULL);
        text_add(script, sql, (size_t)(at - sql));
        text_add_str(script, word);
        sql = end + 1;
        at = strchr(sql, '@');
    }
    text_add_str(script, sql);
}

static struct err apply(struct conn *writer, const struct migration *migration, int64_t version,
                        struct why *why) {
    AUTO(text_done) struct text script = text_up_to(SCRIPT_MAX);
    text_add_str(&script, "BEGIN;\n");
    for (const char *const *sql = migration->statements; *sql != NULL; sql++) {
        add_substituted(&script, *sql, &writer->driver->words);
    }
    text_addf(&script, "UPDATE schema SET series = %d, version = %lld", (int)SCHEMA_SERIES,
              (long long)version);
    text_add_str(&script, ";\nCOMMIT;\n");
    if (text_failed(&script)) {
        return err_make(ERR_OUT_OF_MEMORY, "store: migration");
    }
    struct err err = writer->driver->run(writer, script.data, why);
    if (err_failed(err)) {
        writer->driver->rollback(writer);
    }
    return err;
}

struct err store__schema_refuse(const struct schema *schema, const char *subject, const char *copy,
                                struct why *why) {
    if (schema->version > 0 && schema->series != SCHEMA_SERIES) {
        return err_why(why, ERR_OTHER_SCHEMA,
                       "%s was created by an unreleased build; use a new data directory.", subject);
    }
    if (schema->version <= store__schema_known()) {
        return ERR_OK;
    }
    const long long version = (long long)schema->version, known = (long long)store__schema_known();
    if (copy == NULL) {
        return err_why(why, ERR_NEWER_SCHEMA,
                       "%s has schema %lld, written by a newer drover; this one knows schemas up "
                       "to %lld. Start the newer drover, or restore an older backup.",
                       subject, version, known);
    }
    return err_why(
        why, ERR_NEWER_SCHEMA,
        "%s has schema %lld, written by a newer drover; this one knows schemas up to "
        "%lld. Start the newer drover, or go back to the backup made before the upgrade: "
        "move drover.db, drover.db-wal and drover.db-shm away and run 'drover restore "
        "%s'.",
        subject, version, known, copy);
}

struct err store__migrate(struct conn *writer, const char *where, int64_t *ret_from,
                          struct why *why) {
    const struct driver *driver = writer->driver;
    size_t count = 0;
    const struct migration *migrations = migrations_get(&count);
    struct schema schema = {.version = 0};
    TRY(driver->schema(writer, &schema));
    AUTO(mem_release) char *copy = store_upgrade_copy(where);
    TRY(store__schema_refuse(&schema, "The database", copy, why));
    if (schema.version > 0 && driver->copies_keep != NULL) {
        TRY(driver->copies_keep(writer, where, why));
    }
    for (size_t i = (size_t)schema.version; i < count; i++) {
        TRY(apply(writer, &migrations[i], (int64_t)i + 1, why));
    }
    *ret_from = schema.version;
    return ERR_OK;
}

char *store_upgrade_copy(const char *where) {
    const struct driver *driver = driver_for(where);
    return driver->copy_find == NULL ? NULL : driver->copy_find(where, store__schema_known());
}
