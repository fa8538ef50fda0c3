#!/bin/sh
# Turns the numbered migrations into a table of C strings: migrations.sh OUT.c 001_x.sql 002_y.sql …
# Comment lines and blank lines are left out, since the program has no use for them. A statement is
# a string, since compilers need not take one of more than 4,095 bytes.
set -eu

out=$1
shift
awk '
    BEGIN {
        print "/* Made by scripts/migrations.sh. */"
        print "#include \"store/migrations.h\""
        print ""
        print "static const struct migration migrations[] = {"
    }
    FNR == 1 {
        if (NR > 1) print "                NULL,\n            },\n    },"
        name = FILENAME
        sub(/.*\//, "", name)
        number = substr(name, 1, 3) + 0
        count++
        if (number != count) {
            print "migrations.sh: " name ": expected number " count > "/dev/stderr"
            failed = 1
            exit 1
        }
        print "    {"
        print "        .name = \"" name "\","
        print "        .statements =\n            (const char *const[]){"
    }
    /^[ \t]*(--.*)?$/ { next }
    {
        gsub(/\\/, "\\\\")
        gsub(/"/, "\\\"")
        print "                \"" $0 "\\n\"" (/;$/ ? "," : "")
    }
    END {
        if (failed) exit 1
        print "                NULL,\n            },\n    },"
        print "};"
        print ""
        print "const struct migration *migrations_get(size_t *ret_count) {"
        print "    *ret_count = COUNT_OF(migrations);"
        print "    return migrations;"
        print "}"
    }
' "$@" > "$out.tmp" || { rm -f "$out.tmp"; exit 1; }
mv "$out.tmp" "$out"
