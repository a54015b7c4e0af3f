/*
 * qedcraft: make, damage and read back QED images with text commands.
 *
 * It shares no code with the library on purpose: it is a second opinion on the format, so that a
 * misreading there is not repeated in the tests.  The geometry is fixed by `new` (or by the header
 * found on opening); later damage to the header does not change where the commands look for the
 * tables.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/craft_intent.h"

#define HEADER_BYTES 64
#define ENTRY_BYTES 8
#define CHUNK 65536
#define MAX_WORDS 80

static const char usage[] =
    "Usage: qedcraft IMAGE [SCRIPT...]        run commands (from stdin without SCRIPT)\n"
    "       qedcraft IMAGE --dump             print the header and every entry in use\n"
    "       qedcraft IMAGE --read OFF LEN     write guest bytes to stdout\n"
    "\n"
    "Commands, one a line; # starts a comment:\n"
    "  new size=N [cluster=64K] [table=4] [header=1] [l1_at=OFF]\n"
    "  poke-header FIELD VALUE               any header field, by the name --dump gives it\n"
    "  set FIELD BIT, clear FIELD BIT        backing_file, need_check, no_probe, or a number\n"
    "  backing NAME [raw]                    \\xNN stands for any byte\n"
    "  data GUEST LEN [seed=N|byte=N]        allocate what is missing and write\n"
    "  zero GUEST LEN                        zero clusters\n"
    "  l2 I                                  an empty table for L1 entry I\n"
    "  poke-l1 I VALUE\n"
    "  poke-l2 I J VALUE\n"
    "  swap-l2 I J K L                       exchange entries I,J and K,L\n"
    "  bytes OFF HEX...\n"
    "  fill OFF LEN BYTE\n"
    "  copy FROM LEN TO\n"
    "  truncate LEN                          -N and +N are relative to the end\n"
    "  extend LEN\n"
    "  leak N                                append N clusters that nothing refers to\n"
    "  intent GENERATION [I...]              a write-intent page with the bits of L1 entries I\n"
    "\n"
    "VALUE, OFF, LEN and N are made of numbers (0x.., k M G T), eof, cluster, table, header,\n"
    "size, l1, l2:I (what L1 entry I holds), data:I:J (what entry J of that table holds),\n"
    "with * + - |.\n";

struct image {
    const char *path;
    int fd;
    bool usable; /* the fields below make sense */
    uint64_t cluster;
    uint64_t table; /* bytes, as all of these */
    uint64_t header;
    uint64_t l1;
    uint64_t entries;
};

struct field {
    const char *name;
    unsigned offset;
    unsigned bytes;
    bool hex;
};

static const struct field fields[] = {
    {"magic", 0, 4, true},
    {"cluster_size", 4, 4, false},
    {"table_size", 8, 4, false},
    {"header_size", 12, 4, false},
    {"features", 16, 8, true},
    {"compat_features", 24, 8, true},
    {"autoclear_features", 32, 8, true},
    {"l1_table_offset", 40, 8, true},
    {"image_size", 48, 8, false},
    {"backing_filename_offset", 56, 4, false},
    {"backing_filename_size", 60, 4, false},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct {
    const char *name;
    uint64_t bit;
} flags[] = {{"backing_file", 1}, {"need_check", 2}, {"no_probe", 4}};

/* Where the command being run stands, for messages; line 0 means the command line. */
static const char *script_name;
static unsigned long script_line;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    if (script_line)
        fprintf(stderr, "%s:%lu: ", script_name, script_line);
    else
        fprintf(stderr, "qedcraft: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* ---- bytes of the file ---- */

static uint64_t le_get(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void le_put(unsigned char *p, unsigned bytes, uint64_t v)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static off_t to_off(uint64_t v)
{
    if (v > INT64_MAX)
        die("offset 0x%" PRIx64 " is beyond what a file can have", v);
    return (off_t)v;
}

static uint64_t file_length(const struct image *img)
{
    struct stat st;

    if (fstat(img->fd, &st) < 0)
        die("%s: %s", img->path, strerror(errno));
    return (uint64_t)st.st_size;
}

static void set_length(struct image *img, uint64_t length)
{
    if (ftruncate(img->fd, to_off(length)) < 0)
        die("%s: cannot make it %" PRIu64 " bytes long: %s", img->path, length, strerror(errno));
}

/* What lies past the end of the file reads as zeroes. */
static void read_at(const struct image *img, uint64_t off, void *buf, size_t len)
{
    unsigned char *p = buf;
    size_t done = 0;

    memset(buf, 0, len);
    while (done < len && off <= INT64_MAX - len) {
        ssize_t n = pread(img->fd, p + done, len - done, to_off(off + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("%s: cannot read at 0x%" PRIx64 ": %s", img->path, off + done, strerror(errno));
        if (n == 0)
            return;
        done += (size_t)n;
    }
}

static void write_at(struct image *img, uint64_t off, const void *buf, size_t len)
{
    const unsigned char *p = buf;
    size_t done = 0;

    while (done < len) {
        ssize_t n = pwrite(img->fd, p + done, len - done, to_off(off + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("%s: cannot write at 0x%" PRIx64 ": %s", img->path, off + done, strerror(errno));
        done += (size_t)n;
    }
}

static void fill_at(struct image *img, uint64_t off, uint64_t len, unsigned char byte)
{
    unsigned char buf[CHUNK];

    memset(buf, byte, sizeof(buf));
    while (len) {
        size_t n = len < sizeof(buf) ? (size_t)len : sizeof(buf);

        write_at(img, off, buf, n);
        off += n;
        len -= n;
    }
}

/* ---- header and geometry ---- */

static const struct field *field_find(const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    die("there is no header field '%s'", name);
}

static uint64_t field_get(const struct image *img, const char *name)
{
    const struct field *f = field_find(name);
    unsigned char buf[8];

    read_at(img, f->offset, buf, f->bytes);
    return le_get(buf, f->bytes);
}

static void field_put(struct image *img, const char *name, uint64_t v)
{
    const struct field *f = field_find(name);
    unsigned char buf[8];

    if (f->bytes == 4 && v > UINT32_MAX)
        die("%s has four bytes, 0x%" PRIx64 " does not fit", name, v);
    le_put(buf, f->bytes, v);
    write_at(img, f->offset, buf, f->bytes);
}

/* Generous where the format is strict: an image that must be refused still has to be made. */
static bool geometry_set(struct image *img, uint64_t cluster, uint64_t table, uint64_t header,
                         uint64_t l1)
{
    img->usable = false;
    if (cluster < 512 || cluster > 1u << 30 || (cluster & (cluster - 1)))
        return false;
    if (table < 1 || table > 1024 || header > UINT32_MAX || l1 > INT64_MAX)
        return false;
    img->cluster = cluster;
    img->table = table * cluster;
    img->header = header * cluster;
    img->l1 = l1;
    img->entries = img->table / ENTRY_BYTES;
    img->usable = true;
    return true;
}

static void geometry_load(struct image *img)
{
    if (file_length(img) >= HEADER_BYTES)
        geometry_set(img, field_get(img, "cluster_size"), field_get(img, "table_size"),
                     field_get(img, "header_size"), field_get(img, "l1_table_offset"));
}

static void need_geometry(const struct image *img)
{
    if (!img->usable)
        die("no image yet, or its header makes no sense; start with 'new'");
}

/* ---- tables ---- */

/* An entry that the end of the file cuts through is not there. */
static uint64_t entry_get(const struct image *img, uint64_t table, uint64_t index)
{
    uint64_t off = table + index * ENTRY_BYTES;
    unsigned char buf[ENTRY_BYTES];

    if (off + ENTRY_BYTES > file_length(img))
        return 0;
    read_at(img, off, buf, sizeof(buf));
    return le_get(buf, sizeof(buf));
}

static void entry_put(struct image *img, uint64_t table, uint64_t index, uint64_t v)
{
    unsigned char buf[ENTRY_BYTES];

    if (table + index * ENTRY_BYTES + ENTRY_BYTES > file_length(img))
        die("entry %" PRIu64 " of the table at 0x%" PRIx64 " is past the end of the file", index,
            table);
    le_put(buf, sizeof(buf), v);
    write_at(img, table + index * ENTRY_BYTES, buf, sizeof(buf));
}

static void check_index(const struct image *img, uint64_t index)
{
    need_geometry(img);
    if (index >= img->entries)
        die("index %" PRIu64 " is too large, a table has %" PRIu64 " entries", index, img->entries);
}

/* True for an offset that can be followed: aligned, between the header and the end of the file. */
static bool offset_valid(const struct image *img, uint64_t off)
{
    return off % img->cluster == 0 && off >= img->header && off < file_length(img);
}

static uint64_t alloc(struct image *img, uint64_t bytes)
{
    uint64_t off = (file_length(img) + img->cluster - 1) / img->cluster * img->cluster;

    set_length(img, off + bytes);
    return off;
}

static uint64_t l2_find(const struct image *img, uint64_t i)
{
    uint64_t off;

    check_index(img, i);
    off = entry_get(img, img->l1, i);
    if (!off)
        die("L1 entry %" PRIu64 " is empty", i);
    if (!offset_valid(img, off))
        die("L1 entry %" PRIu64 " is 0x%" PRIx64 ", which is no place for a table", i, off);
    return off;
}

static uint64_t l2_find_or_alloc(struct image *img, uint64_t i)
{
    uint64_t off;

    check_index(img, i);
    if (entry_get(img, img->l1, i))
        return l2_find(img, i);
    off = alloc(img, img->table);
    entry_put(img, img->l1, i, off);
    return off;
}

static uint64_t data_find_or_alloc(struct image *img, uint64_t guest)
{
    uint64_t n = guest / img->cluster;
    uint64_t table = l2_find_or_alloc(img, n / img->entries);
    uint64_t off = entry_get(img, table, n % img->entries);

    if (off <= 1) {
        off = alloc(img, img->cluster);
        entry_put(img, table, n % img->entries, off);
    } else if (!offset_valid(img, off)) {
        die("L2 entry %" PRIu64 ",%" PRIu64 " is 0x%" PRIx64 ", which is no place for data",
            n / img->entries, n % img->entries, off);
    }
    return off;
}

/* ---- expressions: numbers and places joined by *, then + and -, then | ---- */

static uint64_t parse_number(const char **s)
{
    static const char suffixes[] = "kmgt";
    bool hex = (*s)[0] == '0' && ((*s)[1] == 'x' || (*s)[1] == 'X');
    const char *at;
    char *end;
    uint64_t v;

    if (!isdigit((unsigned char)**s))
        die("expected a number at '%s'", *s);
    errno = 0;
    v = strtoull(*s, &end, hex ? 16 : 10);
    if (errno)
        die("number too large at '%s'", *s);
    at = *end ? strchr(suffixes, tolower((unsigned char)*end)) : NULL;
    if (at) {
        unsigned shift = 10 * (unsigned)(at - suffixes + 1);

        if (v > UINT64_MAX >> shift)
            die("number too large at '%s'", *s);
        v <<= shift;
        end++;
    }
    *s = end;
    return v;
}

static bool take(const char **s, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*s, word, n) != 0 || isalnum((unsigned char)(*s)[n]))
        return false;
    *s += n;
    return true;
}

static uint64_t parse_index(const char **s)
{
    if (**s != ':')
        die("expected ':' and an index at '%s'", *s);
    (*s)++;
    return parse_number(s);
}

static uint64_t parse_place(const struct image *img, const char **s)
{
    uint64_t i;

    if (isdigit((unsigned char)**s))
        return parse_number(s);
    if (take(s, "eof"))
        return file_length(img);
    need_geometry(img);
    if (take(s, "cluster"))
        return img->cluster;
    if (take(s, "table"))
        return img->table;
    if (take(s, "header"))
        return img->header;
    if (take(s, "size"))
        return field_get(img, "image_size");
    if (take(s, "l1"))
        return img->l1;
    if (take(s, "l2")) {
        i = parse_index(s);
        check_index(img, i);
        return entry_get(img, img->l1, i);
    }
    if (take(s, "data")) {
        uint64_t j;

        i = parse_index(s);
        j = parse_index(s);
        check_index(img, j);
        return entry_get(img, l2_find(img, i), j);
    }
    die("expected a value at '%s'", *s);
}

static uint64_t parse_product(const struct image *img, const char **s)
{
    uint64_t v = parse_place(img, s);

    while (**s == '*') {
        (*s)++;
        v *= parse_place(img, s);
    }
    return v;
}

static uint64_t parse_sum(const struct image *img, const char **s, uint64_t v)
{
    while (**s == '+' || **s == '-') {
        bool minus = **s == '-';
        uint64_t w;

        (*s)++;
        w = parse_product(img, s);
        v = minus ? v - w : v + w;
    }
    return v;
}

static uint64_t parse_rest(const struct image *img, const char *s, uint64_t v)
{
    v = parse_sum(img, &s, v);
    while (*s == '|') {
        s++;
        v |= parse_sum(img, &s, parse_product(img, &s));
    }
    if (*s)
        die("stray '%s' after a value", s);
    return v;
}

static uint64_t value(const struct image *img, const char *s)
{
    uint64_t v = parse_product(img, &s);

    return parse_rest(img, s, v);
}

/* ---- commands ---- */

static bool option(const char *word, const char *name, const char **rest)
{
    size_t n = strlen(name);

    if (strncmp(word, name, n) != 0 || word[n] != '=')
        return false;
    *rest = word + n + 1;
    return true;
}

static void cmd_new(struct image *img, int n, char **w)
{
    uint64_t size = 0, cluster = 65536, table = 4, header = 1, l1 = 0;
    const char *v;

    for (int i = 0; i < n; i++) {
        if (option(w[i], "size", &v))
            size = value(img, v);
        else if (option(w[i], "cluster", &v))
            cluster = value(img, v);
        else if (option(w[i], "table", &v))
            table = value(img, v);
        else if (option(w[i], "header", &v))
            header = value(img, v);
        else if (option(w[i], "l1_at", &v))
            l1 = value(img, v);
        else
            die("new does not know '%s'", w[i]);
    }
    if (!l1)
        l1 = header * cluster;
    if (!geometry_set(img, cluster, table, header, l1))
        die("no such geometry; make a sound image, then use poke-header");
    set_length(img, 0);
    set_length(img, l1 + img->table);
    field_put(img, "magic", 0x00444551);
    field_put(img, "cluster_size", cluster);
    field_put(img, "table_size", table);
    field_put(img, "header_size", header);
    field_put(img, "l1_table_offset", l1);
    field_put(img, "image_size", size);
}

static void cmd_poke_header(struct image *img, int n, char **w)
{
    (void)n;
    field_put(img, w[0], value(img, w[1]));
}

static uint64_t flag_bit(const struct image *img, const char *field, const char *word)
{
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (strcmp(flags[i].name, word) == 0 && strcmp(field, "features") == 0)
            return flags[i].bit;
    return value(img, word);
}

static void cmd_set(struct image *img, int n, char **w)
{
    (void)n;
    field_put(img, w[0], field_get(img, w[0]) | flag_bit(img, w[0], w[1]));
}

static void cmd_clear(struct image *img, int n, char **w)
{
    (void)n;
    field_put(img, w[0], field_get(img, w[0]) & ~flag_bit(img, w[0], w[1]));
}

static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c = (char)tolower((unsigned char)c);
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    die("'%c' is not a hex digit", c);
}

static unsigned char hex_byte(const char *s)
{
    return (unsigned char)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
}

static size_t unescape(char *s)
{
    char *to = s;
    const char *from = s;

    while (*from) {
        if (from[0] == '\\' && from[1] == 'x' && from[2] && from[3]) {
            *to++ = (char)hex_byte(from + 2);
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    return (size_t)(to - s);
}

static void cmd_backing(struct image *img, int n, char **w)
{
    size_t len = unescape(w[0]);
    uint64_t features = field_get(img, "features") | 1;

    need_geometry(img);
    if (len > img->header - HEADER_BYTES)
        die("the name does not fit into the header clusters");
    if (n == 2 && strcmp(w[1], "raw") != 0)
        die("expected 'raw' or nothing after the name");
    write_at(img, HEADER_BYTES, w[0], len);
    field_put(img, "backing_filename_offset", HEADER_BYTES);
    field_put(img, "backing_filename_size", len);
    field_put(img, "features", n == 2 ? features | 4 : features);
}

struct pattern {
    bool fixed;
    unsigned char byte;
    uint64_t seed;
};

/* Guest bytes depend on their guest offset, so that a cluster in the wrong place shows. */
static unsigned char pattern_byte(const struct pattern *p, uint64_t guest)
{
    uint64_t v = (guest / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

    v += p->seed * UINT64_C(0xd1b54a32d192ed03);
    if (p->fixed)
        return p->byte;
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned char)((v ^ v >> 31) >> (8 * (guest % 8)));
}

static void write_pattern(struct image *img, const struct pattern *p, uint64_t off, uint64_t guest,
                          uint64_t len)
{
    unsigned char buf[CHUNK];

    while (len) {
        size_t n = len < sizeof(buf) ? (size_t)len : sizeof(buf);

        for (size_t i = 0; i < n; i++)
            buf[i] = pattern_byte(p, guest + i);
        write_at(img, off, buf, n);
        off += n;
        guest += n;
        len -= n;
    }
}

static void cmd_data(struct image *img, int n, char **w)
{
    uint64_t guest = value(img, w[0]), len = value(img, w[1]);
    struct pattern p = {.seed = 1};
    const char *v;

    need_geometry(img);
    if (n == 3 && option(w[2], "seed", &v)) {
        p.seed = value(img, v);
    } else if (n == 3 && option(w[2], "byte", &v)) {
        p.fixed = true;
        p.byte = (unsigned char)value(img, v);
    } else if (n == 3) {
        die("expected seed=N or byte=N, not '%s'", w[2]);
    }
    while (len) {
        uint64_t in = guest % img->cluster;
        uint64_t part = len < img->cluster - in ? len : img->cluster - in;

        write_pattern(img, &p, data_find_or_alloc(img, guest) + in, guest, part);
        guest += part;
        len -= part;
    }
}

static void cmd_zero(struct image *img, int n, char **w)
{
    uint64_t guest = value(img, w[0]), len = value(img, w[1]);

    (void)n;
    need_geometry(img);
    if (guest % img->cluster || len % img->cluster)
        die("zero takes whole clusters");
    for (uint64_t c = guest / img->cluster; len; c++, len -= img->cluster)
        entry_put(img, l2_find_or_alloc(img, c / img->entries), c % img->entries, 1);
}

static void cmd_l2(struct image *img, int n, char **w)
{
    (void)n;
    l2_find_or_alloc(img, value(img, w[0]));
}

static void cmd_poke_l1(struct image *img, int n, char **w)
{
    uint64_t i = value(img, w[0]);

    (void)n;
    check_index(img, i);
    entry_put(img, img->l1, i, value(img, w[1]));
}

static void cmd_poke_l2(struct image *img, int n, char **w)
{
    uint64_t table = l2_find(img, value(img, w[0]));
    uint64_t j = value(img, w[1]);

    (void)n;
    check_index(img, j);
    entry_put(img, table, j, value(img, w[2]));
}

static void cmd_swap_l2(struct image *img, int n, char **w)
{
    uint64_t a = l2_find(img, value(img, w[0])), j = value(img, w[1]);
    uint64_t b = l2_find(img, value(img, w[2])), l = value(img, w[3]);
    uint64_t was;

    (void)n;
    check_index(img, j);
    check_index(img, l);
    was = entry_get(img, a, j);
    entry_put(img, a, j, entry_get(img, b, l));
    entry_put(img, b, l, was);
}

static void cmd_bytes(struct image *img, int n, char **w)
{
    uint64_t off = value(img, w[0]);

    for (int i = 1; i < n; i++) {
        size_t len = strlen(w[i]);

        if (len % 2)
            die("'%s' is not whole bytes", w[i]);
        for (size_t k = 0; k < len; k += 2) {
            unsigned char byte = hex_byte(w[i] + k);

            write_at(img, off++, &byte, 1);
        }
    }
}

static void cmd_fill(struct image *img, int n, char **w)
{
    (void)n;
    fill_at(img, value(img, w[0]), value(img, w[1]), (unsigned char)value(img, w[2]));
}

static void cmd_copy(struct image *img, int n, char **w)
{
    uint64_t from = value(img, w[0]), len = value(img, w[1]), to = value(img, w[2]);
    unsigned char buf[CHUNK];

    (void)n;
    if (from < to ? to - from < len : from - to < len)
        die("copy of a range onto itself");
    while (len) {
        size_t part = len < sizeof(buf) ? (size_t)len : sizeof(buf);

        read_at(img, from, buf, part);
        write_at(img, to, buf, part);
        from += part;
        to += part;
        len -= part;
    }
}

static void cmd_truncate(struct image *img, int n, char **w)
{
    bool relative = w[0][0] == '-' || w[0][0] == '+';

    (void)n;
    set_length(img, relative ? parse_rest(img, w[0], file_length(img)) : value(img, w[0]));
}

static void cmd_extend(struct image *img, int n, char **w)
{
    (void)n;
    set_length(img, file_length(img) + value(img, w[0]));
}

static void cmd_leak(struct image *img, int n, char **w)
{
    uint64_t count = value(img, w[0]);

    (void)n;
    need_geometry(img);
    for (; count; count--)
        fill_at(img, alloc(img, img->cluster), img->cluster, 'L');
}

static void cmd_intent(struct image *img, int n, char **w)
{
    unsigned char page[CRAFT_INTENT_BYTES];

    need_geometry(img);
    craft_intent_begin(page, img->entries, value(img, w[0]));
    for (int i = 1; i < n; i++) {
        uint64_t l1_index = value(img, w[i]);

        check_index(img, l1_index);
        craft_intent_mark(page, l1_index);
    }
    craft_intent_end(page);
    write_at(img, CRAFT_INTENT_OFF, page, sizeof(page));
}

static const struct {
    const char *name;
    int min_words, max_words;
    void (*run)(struct image *img, int n, char **w);
} commands[] = {
    {"new", 1, 5, cmd_new},           {"poke-header", 2, 2, cmd_poke_header},
    {"set", 2, 2, cmd_set},           {"clear", 2, 2, cmd_clear},
    {"backing", 1, 2, cmd_backing},   {"data", 2, 3, cmd_data},
    {"zero", 2, 2, cmd_zero},         {"l2", 1, 1, cmd_l2},
    {"poke-l1", 2, 2, cmd_poke_l1},   {"poke-l2", 3, 3, cmd_poke_l2},
    {"swap-l2", 4, 4, cmd_swap_l2},   {"bytes", 2, MAX_WORDS, cmd_bytes},
    {"fill", 3, 3, cmd_fill},         {"copy", 3, 3, cmd_copy},
    {"truncate", 1, 1, cmd_truncate}, {"extend", 1, 1, cmd_extend},
    {"leak", 1, 1, cmd_leak},         {"intent", 1, MAX_WORDS, cmd_intent},
};

static void run_line(struct image *img, char *line)
{
    static const char blank[] = " \t\r\n";
    char *words[MAX_WORDS], *state = NULL;
    int n = 0;

    for (char *w = strtok_r(line, blank, &state); w; w = strtok_r(NULL, blank, &state)) {
        if (*w == '#')
            break;
        if (n == MAX_WORDS)
            die("too many words");
        words[n++] = w;
    }
    if (n == 0)
        return;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, words[0]) != 0)
            continue;
        if (n - 1 < commands[i].min_words || n - 1 > commands[i].max_words)
            die("wrong number of words for '%s'", words[0]);
        commands[i].run(img, n - 1, words + 1);
        return;
    }
    die("there is no command '%s'", words[0]);
}

static void run_script(struct image *img, FILE *script, const char *name)
{
    char *line = NULL;
    size_t room = 0;

    script_name = name;
    script_line = 1;
    while (getline(&line, &room, script) >= 0) {
        run_line(img, line);
        script_line++;
    }
    if (ferror(script))
        die("%s", strerror(errno));
    script_line = 0;
    free(line);
}

/* ---- reading back ---- */

typedef void entry_fn(const struct image *img, uint64_t table_index, uint64_t index,
                      uint64_t entry);

/* Calls `each` for the entries that are not 0; holes in the file cost nothing. */
static void each_entry(const struct image *img, uint64_t table, uint64_t table_index,
                       entry_fn *each)
{
    uint64_t length = file_length(img), end = table + img->table, pos = table;
    unsigned char buf[CHUNK];

    if (end > length)
        end = table < length ? table + (length - table) / ENTRY_BYTES * ENTRY_BYTES : table;
    while (pos < end) {
        off_t data = lseek(img->fd, to_off(pos), SEEK_DATA);
        size_t n;

        if (data < 0 && errno == ENXIO)
            return;
        if (data >= 0)
            pos = table + ((uint64_t)data - table) / ENTRY_BYTES * ENTRY_BYTES;
        if (pos >= end)
            return;
        n = end - pos < sizeof(buf) ? (size_t)(end - pos) : sizeof(buf);
        read_at(img, pos, buf, n);
        for (size_t i = 0; i < n; i += ENTRY_BYTES) {
            uint64_t entry = le_get(buf + i, ENTRY_BYTES);

            if (entry)
                each(img, table_index, (pos - table + i) / ENTRY_BYTES, entry);
        }
        pos += n;
    }
}

static void dump_l2_entry(const struct image *img, uint64_t i, uint64_t j, uint64_t entry)
{
    if (entry == 1)
        printf("l2 %" PRIu64 " %" PRIu64 " zero\n", i, j);
    else
        printf("l2 %" PRIu64 " %" PRIu64 " 0x%" PRIx64 "%s\n", i, j, entry,
               offset_valid(img, entry) ? "" : " bad");
}

static void dump_l1_entry(const struct image *img, uint64_t table_index, uint64_t i, uint64_t entry)
{
    bool valid = offset_valid(img, entry);

    (void)table_index;
    printf("l1 %" PRIu64 " 0x%" PRIx64 "%s\n", i, entry, valid ? "" : " bad");
    if (valid)
        each_entry(img, entry, i, dump_l2_entry);
}

static void dump_backing(const struct image *img)
{
    uint64_t off = field_get(img, "backing_filename_offset");
    uint64_t len = field_get(img, "backing_filename_size");
    unsigned char name[4096];

    if (!(field_get(img, "features") & 1))
        return;
    if (len > sizeof(name) || off + len > file_length(img)) {
        printf("backing bad\n");
        return;
    }
    read_at(img, off, name, (size_t)len);
    printf("backing ");
    for (uint64_t i = 0; i < len; i++)
        printf(isgraph(name[i]) && name[i] != '\\' ? "%c" : "\\x%02x", name[i]);
    putchar('\n');
}

static void dump(const struct image *img)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        printf(fields[i].hex ? "%s 0x%" PRIx64 "\n" : "%s %" PRIu64 "\n", fields[i].name,
               field_get(img, fields[i].name));
    printf("file_length %" PRIu64 "\n", file_length(img));
    dump_backing(img);
    if (!img->usable || img->l1 >= file_length(img))
        printf("no tables\n");
    else
        each_entry(img, img->l1, 0, dump_l1_entry);
}

/* The file offset that the cluster at `guest` can be read from; 0 if it reads as zeroes. */
static uint64_t guest_lookup(const struct image *img, uint64_t guest)
{
    uint64_t n = guest / img->cluster, table, off;

    if (n / img->entries >= img->entries)
        return 0;
    table = entry_get(img, img->l1, n / img->entries);
    if (!offset_valid(img, table))
        return 0;
    off = entry_get(img, table, n % img->entries);
    return offset_valid(img, off) ? off : 0;
}

static void read_guest(const struct image *img, uint64_t guest, uint64_t len)
{
    unsigned char buf[CHUNK];

    need_geometry(img);
    while (len) {
        uint64_t in = guest % img->cluster, off = guest_lookup(img, guest);
        uint64_t part = img->cluster - in < sizeof(buf) ? img->cluster - in : sizeof(buf);

        if (part > len)
            part = len;
        if (off)
            read_at(img, off + in, buf, (size_t)part);
        else
            memset(buf, 0, (size_t)part);
        if (fwrite(buf, 1, (size_t)part, stdout) != part)
            die("cannot write to stdout: %s", strerror(errno));
        guest += part;
        len -= part;
    }
}

/* ---- the program ---- */

static void run_scripts(struct image *img, int n, char **names)
{
    if (n == 0)
        run_script(img, stdin, "stdin");
    for (int i = 0; i < n; i++) {
        FILE *script = fopen(names[i], "r");

        if (!script)
            die("%s: %s", names[i], strerror(errno));
        run_script(img, script, names[i]);
        fclose(script);
    }
}

int main(int argc, char **argv)
{
    struct image img = {.fd = -1};
    bool reads, dumps;

    if (argc < 2 || argv[1][0] == '-') {
        fputs(usage, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 1;
    }
    img.path = argv[1];
    dumps = argc == 3 && strcmp(argv[2], "--dump") == 0;
    reads = argc == 5 && strcmp(argv[2], "--read") == 0;
    img.fd = open(img.path, dumps || reads ? O_RDONLY : O_RDWR | O_CREAT, 0666);
    if (img.fd < 0)
        die("%s: %s", img.path, strerror(errno));
    geometry_load(&img);
    if (dumps)
        dump(&img);
    else if (reads)
        read_guest(&img, value(&img, argv[3]), value(&img, argv[4]));
    else
        run_scripts(&img, argc - 2, argv + 2);
    close(img.fd);
    if (fflush(stdout) != 0)
        die("cannot write to stdout: %s", strerror(errno));
    return 0;
}
