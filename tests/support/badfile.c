/*
 * A file with bad places, as the kernel sees a disk with bad sectors: a file system of one
 * read-only file, which hands on what is in another one, and answers with EIO what touches a bad
 * place.
 *
 *     badfile FOLDER FILE OFF:LEN...
 *
 * Mounts it on FOLDER, with the file FOLDER/disk in it, says "mounted", and serves until it is
 * unmounted. Needs root. Speaks with the kernel by itself, fuse(4), because a preloaded read(2)
 * would miss what comes by io_uring(7).
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_NODE 2
#define NAME "disk"
#define READ_MAX ((size_t)1 << 20)
#define REQUEST_MAX (READ_MAX + 8192)

struct bad {
    uint64_t file_off, len;
};

struct server {
    int fuse, below;
    struct bad *bad;
    size_t bad_count;
    uint64_t length;
};

static void die(const char *what)
{
    fprintf(stderr, "badfile: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void answer(const struct server *server, uint64_t unique, int error, void *data, size_t len)
{
    struct fuse_out_header out = {
        .len = (uint32_t)(sizeof(out) + len), .error = -error, .unique = unique};
    struct iovec parts[] = {{&out, sizeof(out)}, {data, len}};

    /* ENOENT: whoever asked has been interrupted. */
    if (writev(server->fuse, parts, 2) < 0 && errno != ENOENT)
        die("answer");
}

static struct fuse_attr attributes(const struct server *server, uint64_t node)
{
    struct fuse_attr attr = {.ino = node, .mode = S_IFDIR | 0755, .nlink = 2, .blksize = 4096};

    if (node == FILE_NODE) {
        attr.mode = S_IFREG | 0444;
        attr.nlink = 1;
        attr.size = server->length;
        attr.blocks = (server->length + 511) / 512;
    }
    return attr;
}

static void init(const struct server *server, uint64_t unique, const struct fuse_init_in *in)
{
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                .minor = FUSE_KERNEL_MINOR_VERSION,
                                .max_readahead = in->max_readahead,
                                .flags = in->flags & (FUSE_ASYNC_READ | FUSE_MAX_PAGES),
                                .max_write = 4096,
                                .max_pages = READ_MAX / 4096};

    answer(server, unique, 0, &out, sizeof(out));
}

static void lookup(const struct server *server, uint64_t unique, const char *name)
{
    struct fuse_entry_out out = {.nodeid = FILE_NODE,
                                 .entry_valid = 3600,
                                 .attr_valid = 3600,
                                 .attr = attributes(server, FILE_NODE)};

    if (strcmp(name, NAME) != 0)
        answer(server, unique, ENOENT, NULL, 0);
    else
        answer(server, unique, 0, &out, sizeof(out));
}

static void get_attributes(const struct server *server, uint64_t unique, uint64_t node)
{
    struct fuse_attr_out out = {.attr_valid = 3600, .attr = attributes(server, node)};

    answer(server, unique, 0, &out, sizeof(out));
}

static int is_bad(const struct server *server, uint64_t file_off, uint64_t len)
{
    for (size_t i = 0; i < server->bad_count; i++) {
        if (file_off < server->bad[i].file_off + server->bad[i].len &&
            server->bad[i].file_off < file_off + len)
            return 1;
    }
    return 0;
}

static void read_file(const struct server *server, uint64_t unique, const struct fuse_read_in *in)
{
    static uint8_t bytes[READ_MAX];
    size_t len = in->size < READ_MAX ? in->size : READ_MAX;
    ssize_t n;

    if (is_bad(server, in->offset, len)) {
        answer(server, unique, EIO, NULL, 0);
        return;
    }
    n = pread(server->below, bytes, len, (off_t)in->offset);
    answer(server, unique, n < 0 ? EIO : 0, bytes, n < 0 ? 0 : (size_t)n);
}

static void serve(const struct server *server, const struct fuse_in_header *in, const void *body)
{
    static struct fuse_open_out opened;

    switch (in->opcode) {
    case FUSE_INIT:
        init(server, in->unique, body);
        return;
    case FUSE_LOOKUP:
        lookup(server, in->unique, body);
        return;
    case FUSE_GETATTR:
        get_attributes(server, in->unique, in->nodeid);
        return;
    case FUSE_OPEN:
        answer(server, in->unique, 0, &opened, sizeof(opened));
        return;
    case FUSE_READ:
        read_file(server, in->unique, body);
        return;
    case FUSE_RELEASE:
    case FUSE_FLUSH:
        answer(server, in->unique, 0, NULL, 0);
        return;
    case FUSE_FORGET: /* these want no answer */
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        answer(server, in->unique, ENOSYS, NULL, 0);
    }
}

static void mount_on(struct server *server, const char *folder)
{
    char options[128];

    server->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (server->fuse < 0)
        die("/dev/fuse");
    snprintf(options, sizeof(options), "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other",
             server->fuse);
    if (mount("badfile", folder, "fuse.badfile", MS_RDONLY | MS_NOSUID | MS_NODEV, options) < 0)
        die(folder);
}

static void parse_bad(struct server *server, char **args, size_t count)
{
    server->bad = calloc(count + 1, sizeof(*server->bad));
    if (!server->bad)
        die("no memory");
    for (size_t i = 0; i < count; i++) {
        unsigned long long file_off, len;

        if (sscanf(args[i], "%llu:%llu", &file_off, &len) != 2) {
            fprintf(stderr, "badfile: not OFF:LEN: %s\n", args[i]);
            exit(1);
        }
        server->bad[i] = (struct bad){file_off, len};
    }
    server->bad_count = count;
}

int main(int argc, char **argv)
{
    /* The kernel's requests are made of 64-bit fields. */
    static uint64_t request[REQUEST_MAX / sizeof(uint64_t)];
    struct server server = {0};
    struct stat st;

    if (argc < 3) {
        fprintf(stderr, "badfile: FOLDER FILE OFF:LEN...\n");
        return 1;
    }
    server.below = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (server.below < 0 || fstat(server.below, &st) < 0)
        die(argv[2]);
    server.length = (uint64_t)st.st_size;
    parse_bad(&server, argv + 3, (size_t)argc - 3);
    mount_on(&server, argv[1]);
    printf("mounted\n");
    fflush(stdout);
    for (;;) {
        ssize_t n = read(server.fuse, request, sizeof(request));

        if (n < 0 && errno == ENODEV) /* unmounted */
            return 0;
        if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
            continue;
        if (n < (ssize_t)sizeof(struct fuse_in_header))
            die("read");
        serve(&server, (const struct fuse_in_header *)request,
              (const uint8_t *)request + sizeof(struct fuse_in_header));
    }
}
