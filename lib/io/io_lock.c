/*
 * A permission is announced by a shared lock on the byte PERMISSION + its number, and the refusal
 * to share it with others by one on UNSHARED + its number. Who finds the opposite announced by
 * somebody else backs off.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_lock.h"

#include <errno.h>
#include <fcntl.h>

#include "io/io_file.h"

#define PERMISSION 100
#define UNSHARED 200

/* As QEMU numbers them; the ones between are of no concern to image files. */
enum permission { CONSISTENT_READ = 0, WRITE = 1, RESIZE = 3 };

static const char *permission_name(enum permission permission)
{
    switch (permission) {
    case CONSISTENT_READ:
        return "consistent read";
    case WRITE:
        return "write";
    case RESIZE:
        return "resize";
    }
    return "unknown";
}

static struct flock byte_lock(short type, int byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

/* Announce; false when the file system has no such locks. */
static bool announce(int fd, int byte)
{
    struct flock lock = byte_lock(F_RDLCK, byte);
    int ret;

    do {
        ret = fcntl(fd, F_OFD_SETLK, &lock);
    } while (ret < 0 && errno == EINTR);
    return ret == 0 || errno == EAGAIN || errno == EACCES;
}

/* Whether somebody else has announced this. */
static bool announced(int fd, int byte)
{
    struct flock lock = byte_lock(F_WRLCK, byte);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int in_use(const char *name, const char *how, enum permission permission,
                  struct qed_error *error)
{
    qed_fail(error, QED_ERR_IN_USE, "Failed to get %s\"%s\" lock", how,
             permission_name(permission));
    qed_fail_hint(error, "Is another process using the image [%s]?", name);
    return QED_ERR_IN_USE;
}

int io_lock(struct io *io, const char *name, bool for_writing, struct qed_error *error)
{
    static const enum permission wanted[] = {CONSISTENT_READ, WRITE, RESIZE};
    static const enum permission unshared[] = {WRITE, RESIZE};
    size_t wanted_count = for_writing ? 3 : 1;
    int fd = io_file_descriptor(io);

    if (fd < 0)
        return QED_OK;
    for (size_t i = 0; i < wanted_count; i++) {
        if (!announce(fd, PERMISSION + wanted[i]))
            return QED_OK;
    }
    for (size_t i = 0; i < 2; i++)
        announce(fd, UNSHARED + unshared[i]);
    for (size_t i = 0; i < wanted_count; i++) {
        if (announced(fd, UNSHARED + wanted[i]))
            return in_use(name, "", wanted[i], error);
    }
    for (size_t i = 0; i < 2; i++) {
        if (announced(fd, PERMISSION + unshared[i]))
            return in_use(name, "shared ", unshared[i], error);
    }
    return QED_OK;
}
