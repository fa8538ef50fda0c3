#!/bin/sh
# Turns a program into an assembler file that carries it: image.sh OUT.S OUT.elf PROGRAM NAME
# OUT.elf is the program, stripped. The symbols are NAME (bytes) and NAME_size (a size_t).
set -eu

out=$1 elf=$2 program=$3 name=$4
strip -s -o "$elf.tmp" "$program"
mv "$elf.tmp" "$elf"
case $elf in
/*) ;;
*) elf=$PWD/$elf ;;
esac
cat > "$out.tmp" <<END
/* Made by scripts/image.sh. */
    .section .rodata.$name, "a"
    .balign 16
    .global $name
    .type $name, %object
$name:
    .incbin "$elf"
.L_end:
    .size $name, .L_end - $name
    .balign 8
    .global ${name}_size
    .type ${name}_size, %object
${name}_size:
    .quad .L_end - $name
    .size ${name}_size, 8
    .section .note.GNU-stack, "", %progbits
END
mv "$out.tmp" "$out"
