/*
 * Write beside and rename.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_file.h"
#include "io/io_lock.h"

#define LINKS_MAX 40 /* as the kernel has it, path_resolution(7) */

struct io_replace {
    struct io *io;
    struct io *replaced; /* the file that was there, locked; NULL when there was none */
    char *path;          /* where the file is to stand */
    char *beside;        /* where it is until then; NULL when it is not there */
    bool is_private;
};

/* Where a link leads, from the folder that it is in; NULL when path is no link. */
static char *follow_link(const char *path)
{
    char target[PATH_MAX];
    char *folder, *joined = NULL;
    ssize_t len = readlink(path, target, sizeof(target) - 1);

    if (len < 0)
        return NULL;
    target[len] = '\0';
    if (target[0] == '/')
        return strdup(target);
    folder = io_file_folder(path);
    if (folder && asprintf(&joined, "%s%s", folder, target) < 0)
        joined = NULL;
    free(folder);
    return joined;
}

/* The path that opening path for writing would write to; the caller frees it. */
static char *resolve_target(const char *path)
{
    char *resolved = strdup(path);

    for (int i = 0; resolved && i < LINKS_MAX; i++) {
        char *next = follow_link(resolved);

        if (!next)
            return resolved;
        free(resolved);
        resolved = next;
    }
    free(resolved);
    errno = ELOOP;
    return NULL;
}

static char *temporary_name(const char *path)
{
    char *folder = io_file_folder(path);
    char *name = NULL;

    if (folder && asprintf(&name, "%s.%.200s.XXXXXX", folder, path + strlen(folder)) < 0)
        name = NULL;
    free(folder);
    return name;
}

static mode_t default_mode(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

/* Give the new file the owner and mode of the one it replaces, as far as we may. */
static int copy_owner_and_mode(int fd, const char *path, struct qed_error *error)
{
    mode_t mode = default_mode();
    struct stat st;

    if (stat(path, &st) == 0) {
        mode = st.st_mode & 07777;
        if (fchown(fd, st.st_uid, st.st_gid) < 0)
            mode &= 0777; /* not ours to give: then no set-id bits either */
    }
    if (fchmod(fd, mode) < 0)
        return qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not create '%s'", path);
    return QED_OK;
}

static int already_there(const char *name, struct qed_error *error)
{
    return qed_fail(error, QED_ERR_OPEN, "'%s' is there already and is not overwritten", name);
}

/* Hold what is at path, if anything, so that nobody opens it while it is being replaced. */
static int hold_replaced(struct io_replace *replace, const char *name, struct qed_error *error)
{
    struct io_file_info info;
    bool exists;
    int ret = io_file_query(name, &exists, &info, error);

    if (ret < 0 || !exists)
        return ret;
    if (replace->is_private)
        return already_there(name, error);
    if (info.is_block_device)
        return qed_fail(error, QED_ERR_NOT_FILE, "'%s' is not a regular file", name);
    ret = io_file_open(&replace->replaced, name, true, NULL, error);
    return ret < 0 ? ret : io_lock(replace->replaced, name, true, error);
}

static int begin(struct io_replace **out, const char *path, bool is_private, struct io **io,
                 struct qed_error *error)
{
    struct io_replace *replace = *path ? calloc(1, sizeof(*replace)) : NULL;
    int fd = -1;
    int ret = QED_ERR_NO_MEMORY;

    if (!*path)
        return qed_fail(error, QED_ERR_OPEN, "Could not create '': the name is empty");
    if (replace) {
        replace->is_private = is_private;
        replace->path = resolve_target(path);
    }
    if (replace && replace->path)
        replace->beside = temporary_name(replace->path);
    if (!replace || !replace->path || !replace->beside) {
        ret = qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not create '%s'", path);
        goto out;
    }
    ret = hold_replaced(replace, path, error);
    if (ret < 0) {
        free(replace->beside);
        replace->beside = NULL;
        goto out;
    }
    fd = mkostemp(replace->beside, O_CLOEXEC);
    if (fd < 0) {
        ret = qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not create '%s'", path);
        free(replace->beside);
        replace->beside = NULL;
        goto out;
    }
    if (!is_private) /* as it is else: mkostemp(3) */
        ret = copy_owner_and_mode(fd, path, error);
    if (ret < 0)
        goto out;
    ret = io_file_adopt(&replace->io, fd, false, error);
    fd = -1;
    if (ret < 0)
        goto out;
    *io = replace->io;
    *out = replace;
    replace = NULL;
out:
    if (fd >= 0)
        close(fd);
    io_replace_end(replace);
    return ret;
}

int io_replace_begin(struct io_replace **out, const char *path, struct io **io,
                     struct qed_error *error)
{
    return begin(out, path, false, io, error);
}

int io_replace_begin_private(struct io_replace **out, const char *path, struct io **io,
                             struct qed_error *error)
{
    return begin(out, path, true, io, error);
}

/* Give the new file its name; false with errno when that fails. */
static bool rename_beside(const struct io_replace *replace)
{
    if (replace->is_private) {
        if (renameat2(AT_FDCWD, replace->beside, AT_FDCWD, replace->path, RENAME_NOREPLACE) == 0)
            return true;
        if (errno != EINVAL && errno != ENOSYS)
            return false;
    }
    return rename(replace->beside, replace->path) == 0;
}

/* After this a power cut cannot bring the old name back; a folder we may not open is left alone. */
static int flush_folder(const char *path, struct qed_error *error)
{
    char *folder = io_file_folder(path);
    int fd, ret = QED_OK;

    if (!folder)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fsync(fd) < 0 && errno != EINVAL)
        ret = qed_fail_errno(error, QED_ERR_IO, errno, "cannot flush the folder of the new file");
    if (fd >= 0)
        close(fd);
    free(folder);
    return ret;
}

int io_replace_publish_unflushed(struct io_replace *replace, struct qed_error *error)
{
    if (!rename_beside(replace)) {
        if (replace->is_private && errno == EEXIST)
            return already_there(replace->path, error);
        return qed_fail_errno(error, QED_ERR_IO, errno, "Could not put the new file in its place");
    }
    free(replace->beside);
    replace->beside = NULL;
    return QED_OK;
}

int io_replace_publish(struct io_replace *replace, struct qed_error *error)
{
    int ret = io_flush(replace->io, error);

    if (ret == QED_OK)
        ret = io_replace_publish_unflushed(replace, error);
    return ret < 0 ? ret : flush_folder(replace->path, error);
}

void io_replace_end(struct io_replace *replace)
{
    if (!replace)
        return;
    io_close(replace->io);
    io_close(replace->replaced);
    if (replace->beside)
        unlink(replace->beside);
    free(replace->beside);
    free(replace->path);
    free(replace);
}
