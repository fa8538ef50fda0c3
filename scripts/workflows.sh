#!/bin/sh
# Turns files into a table of bytes: workflows.sh OUT.c HEADER FUNCTION a.js b.js …
# HEADER declares FUNCTION, which returns the table (struct builtin, src/script/catalog.h). Behind
# its last row stands one without a file: C has no table of no rows.
# Numbers, not strings: C promises no string of more than 4,095 bytes.
set -eu

out=$1 header=$2 function=$3
shift 3
{
    echo '/* Made by scripts/workflows.sh. */'
    echo "#include \"$header\""
    echo
    number=0
    for file in "$@"; do
        number=$((number + 1))
        echo "static const char script_${number}[] = {"
        od -An -v -tu1 "$file" | sed 's/  *\([0-9][0-9]*\)/(char)\1,/g'
        echo '};'
    done
    echo 'static const struct builtin list[] = {'
    number=0
    for file in "$@"; do
        number=$((number + 1))
        name=${file##*/}
        echo "    {\"$name\", {script_${number}, sizeof script_${number}}},"
    done
    echo '    {NULL, {NULL, 0}},'
    echo '};'
    echo "const struct builtin *$function(size_t *ret_count) {"
    echo '    *ret_count = COUNT_OF(list) - 1;'
    echo '    return list;'
    echo '}'
} > "$out.tmp"
mv "$out.tmp" "$out"
