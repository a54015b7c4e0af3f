#!/usr/bin/env bash
# base < io < format < core < src: a file includes its own folder and those before it, src/ only
# core/ and base/; lib/ neither prints nor exits nor asserts nor reads the environment; only io/
# calls the file system, and only format/zcodec*.c includes zlib.h. Planted violations show that the
# check sees each of these.
. "$srcdir/tests/lib.sh"

words()
{
    local IFS='|'

    echo "$*"
}

file_calls=$(words access 'chmod|chown' close 'creat|open(at|at2|dir)?' copy_file_range 'dup[23]?' \
    'f(chmod|chown|cntl|datasync|lock|stat|statat|sync|truncate)' 'f(open|dopen|reopen)' \
    '(posix_)?fallocate' 'ioctl|lockf|mmap|munmap' 'link|linkat|symlink|symlinkat' 'lseek(64)?' \
    '[ls]?stat|statx' 'mk(dir|dtemp|ostemp|stemp)' 'p?(read|write)v?' 'p(read|write)(64|v2)' \
    'readlink|readlinkat|realpath' 'remove|rmdir|unlink|unlinkat' 'rename(at|at2)?' sendfile \
    'sync|syncfs|sync_file_range' truncate)
program_calls=$(words abort assert 'v?f?printf' 'f?put(s|c)' 'putc|putchar|perror|fwrite' \
    '_?exit|_Exit|quick_exit|atexit' '(secure_)?getenv' 'setenv|putenv')

# The C source on stdin with comments blanked, and with blank=1 what stands between quotes too.
stripped()
{
    awk -v blank="${1:-0}" '
        {
            out = ""
            n = length($0)
            for (i = 1; i <= n; i++) {
                c = substr($0, i, 1)
                two = substr($0, i, 2)
                if (comment) {
                    if (two == "*/") { comment = 0; i++ }
                } else if (quote != "") {
                    if (c == "\\") { if (!blank) out = out two; i++; continue }
                    if (c == quote) quote = ""
                    if (!blank || quote == "") out = out c
                } else if (two == "/*") {
                    comment = 1; i++; out = out " "
                } else if (two == "//") {
                    break
                } else {
                    if (c == "\"" || c == "\047") quote = c
                    out = out c
                }
            }
            quote = ""
            print out
        }'
}

# calls WORDS: the lines of a stripped source that call one of them; x.open() and x->open() are members.
calls()
{
    awk -v words="$1" '
        {
            text = $0
            before = ""
            while (match(text, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
                name = substr(text, RSTART, RLENGTH)
                sub(/[ \t]*\($/, "", name)
                before = before substr(text, 1, RSTART - 1)
                if (name ~ "^(" words ")$" && before !~ /(\.|->)[ \t]*$/)
                    print FNR ": calls " name
                before = before substr(text, RSTART, RLENGTH)
                text = substr(text, RSTART + RLENGTH)
            }
        }'
}

# includes FOLDERS [DIR]: the quoted includes that are in none of FOLDERS and are no file of DIR.
includes()
{
    local allowed=$1 dir=${2-} line name

    while IFS=: read -r line name; do
        [[ $name == config.h || " $allowed " == *" ${name%%/*} "* && $name == */* ]] && continue
        [[ -n $dir && $name != */* && -f $dir/$name ]] && continue
        echo "$line: includes $name"
    done < <(awk '
        match($0, /^[ \t]*#[ \t]*include[ \t]*"[^"]*"/) {
            split(substr($0, RSTART, RLENGTH), part, "\"")
            print FNR ":" part[2]
        }')
}

includes_zlib()
{
    awk '/^[ \t]*#[ \t]*include[ \t]*[<"]zlib\.h[>"]/ { print FNR ": includes zlib.h" }'
}

# violations ROOT: one line for each, `file:line: what`.
violations()
{
    local root=$1 layer file seen=''

    for layer in base io format core; do
        seen+=" $layer"
        for file in "$root/lib/$layer"/*.[ch]; do
            {
                stripped <"$file" | includes "$seen"
                stripped 1 <"$file" | calls "$program_calls"
                stripped 1 <"$file" | awk '/(^|[^A-Za-z_0-9])std(out|err)([^A-Za-z_0-9]|$)/ {
                    print FNR ": names stdout or stderr" }'
                [[ $layer == io ]] || stripped 1 <"$file" | calls "$file_calls"
                [[ $file == */format/zcodec*.c ]] || stripped <"$file" | includes_zlib
            } | sed "s|^|lib/$layer/${file##*/}:|"
        done
    done
    for file in "$root"/src/*.[ch]; do
        {
            stripped <"$file" | includes 'base core' "$root/src"
            stripped 1 <"$file" | calls "$file_calls"
            stripped <"$file" | includes_zlib
        } | sed "s|^|src/${file##*/}:|"
    done
}

# planted FILE LINE EXPECTED: a file with only that line leads to exactly the finding EXPECTED.
planted()
{
    local file=$1 expected=$3

    printf '%s\n' "$2" >"copy/$file"
    violations copy >found
    rm "copy/$file"
    expected=${expected:+"$file:1: $expected"}
    [[ $(cat found) == "$expected" ]] ||
        fail "planted in $file: $2: found '$(cat found)', expected '$expected'"
}

# The program sees to its own descriptors 0 to 2; these are no files of anybody's.
violations "$srcdir" | sed -E '/^src\/qedtool\.c:[0-9]+: calls (fcntl|open)$/d' >found
[[ ! -s found ]] || { cat found >&2; fail "the layers are crossed"; }

# Enough of a tree for each rule; a copy of all of it would only make the proof slower.
mkdir -p copy/lib/{base,io,format,core} copy/src
for folder in lib/base lib/io lib/format lib/core src; do
    echo '#include <stdint.h>' >"copy/$folder/x.h"
done

planted lib/base/plant.c '#include "io/io.h"' 'includes io/io.h'
planted lib/io/plant.h '  # include "format/raw.h"' 'includes format/raw.h'
planted lib/format/plant.c '#include "core/map.h"' 'includes core/map.h'
planted lib/core/plant.c '#include "x.h"' 'includes x.h'
planted lib/core/plant.c '#include "io/io.h"' ''
planted src/plant.c '#include "format/raw.h"' 'includes format/raw.h'
planted src/plant.c '#include "x.h"' ''
planted src/plant.c '#include "core/x.h" /* "io/io.h" */' ''

planted lib/format/plant.c '#include <zlib.h>' 'includes zlib.h'
planted src/plant.c '# include <zlib.h>' 'includes zlib.h'
planted lib/format/zcodec.c '#include <zlib.h>' ''
planted lib/format/zcodec_x.c '#include <zlib.h>' ''
planted lib/format/zcodec_x.h '#include <zlib.h>' 'includes zlib.h'
planted lib/io/zcodec_x.c '#include <zlib.h>' 'includes zlib.h'

planted lib/core/plant.c 'printf("x");' 'calls printf'
planted lib/core/plant.c 'fputs ("x", stream);' 'calls fputs'
planted lib/core/plant.c 'FILE *f = stderr;' 'names stdout or stderr'
planted lib/io/plant.c 'if (x) exit(1);' 'calls exit'
planted lib/base/plant.h 'assert(x);' 'calls assert'
planted lib/base/plant.h 'a->b(abort());' 'calls abort'
planted lib/format/plant.c 'p = getenv("HOME");' 'calls getenv'
planted lib/format/plant.c '_Static_assert(1, "exit(1)"); snprintf(b, n, "\"printf(");' ''
planted lib/format/plant.c "c = '\"'; abort();" 'calls abort'

planted lib/format/plant.c 'n = pread(fd, b, n, 0);' 'calls pread'
planted lib/core/plant.c 'x = (open(name, 0));' 'calls open'
planted lib/core/plant.c 'x = s.y + unlink(name);' 'calls unlink'
planted src/plant.c 'struct stat s; stat(name, &s);' 'calls stat'
planted lib/io/plant.c 'n = pread(fd, b, n, 0);' ''
planted lib/core/plant.c 'io->ops->read(io); io.write(x); qed_open(x); int (*read)(int);' ''
planted lib/core/plant.c 'struct stat s; /* open(x) */ // rename(x)' ''
