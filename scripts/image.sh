#!/bin/sh
# Turns a program into an assembler file that carries it: image.sh OUT.S OUT.elf PROGRAM NAME
# OUT.elf is the program, stripped; a script (.js) is carried as it is.
# The symbols are NAME (bytes), NAME_size (a size_t) and NAME_sha256 (32 bytes, of those in NAME).
set -eu

out=$1 elf=$2 program=$3 name=$4
case $program in
*.js) cp "$program" "$elf.tmp" ;;
*) strip -s -o "$elf.tmp" "$program" ;;
esac
mv "$elf.tmp" "$elf"
case $elf in
/*) ;;
*) elf=$PWD/$elf ;;
esac
hash=$(sha256sum < "$elf" | sed 's/ .*//; s/../0x&, /g; s/, $//')
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
    .global ${name}_sha256
    .type ${name}_sha256, %object
${name}_sha256:
    .byte $hash
    .size ${name}_sha256, 32
    .section .note.GNU-stack, "", %progbits
END
mv "$out.tmp" "$out"
